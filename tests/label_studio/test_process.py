"""The bridge as it is run: a process of its own between Apache Kafka, the service and a real Label Studio."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from signal import SIGKILL

import pytest

from tests.label_studio.hands import Hands
from tests.ports import free_port
from tests.support.flow import decided
from tests.support.processes import Server, options, run
from tests.support.stream import truth
from tests.support.world import MakeWorld, World

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

Make = Callable[..., Hands]
KILLS = 6


async def label_all(hands: Hands, labelled: dict[str, str]) -> None:
    """Label tasks as they come, each once, until cancelled."""
    while True:
        for task in await hands.annotator.tasks():
            name = task["data"]["stream_al_id"]
            if not task["annotations"] and name not in labelled:
                labelled[name] = choice = truth(task["data"]["features"])
                await hands.annotator.label(task, choice)
        await asyncio.sleep(0.2)


async def test_a_round_trip_with_kill_9_in_the_middle_imports_no_task_twice_and_loses_no_annotation(
    kafka_world: MakeWorld, make_hands: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """Samples, queries, tasks, annotations, labels, examples; the bridge is killed again and again."""
    world = await kafka_world("budget.exploration=0.5")
    hands = make_hands(world)
    await world.start()
    labelled = dict[str, str]()
    working = asyncio.create_task(label_all(hands, labelled))
    over = asyncio.Event()
    sending = asyncio.create_task(_send(world, over))
    try:
        port = free_port()
        hook = [f"label_studio.webhook_url=http://127.0.0.1:{port}/webhook"]
        for number in range(KILLS):
            bridge = hands.process(f"bridge-{number}", *(hook if number % 2 else []))
            await bridge.launch()
            known = len(labelled)
            await world.until(lambda known=known: len(labelled) > known, "an annotation was made")  # type: ignore[misc]
            await asyncio.sleep(0.3 * number)
            bridge.send(SIGKILL)
            assert await bridge.ended() == -SIGKILL
        last = hands.process("bridge-last", *hook)
        await last.start()
        over.set()
        await sending
        sent_ids = {record.key for record in await world.records(world.topics.samples)}
        await world.until(lambda: decided(world, len(sent_ids)), "all is decided")
        asked = {query["id"] for query in await world.queries()}

        async def learned() -> bool:
            return {example["id"] for example in await world.examples()} >= asked

        await world.until(learned, "every query is labelled and learned")
        await last.terminate()
    finally:
        working.cancel()
        sending.cancel()
        await asyncio.gather(working, sending, return_exceptions=True)
    tasks = Counter(task["data"]["stream_al_id"] for task in await hands.annotator.tasks())
    examples = {example["id"]: example["label"] for example in await world.examples()}
    sent = len(await hands.labels())
    figures = (
        f"{len(asked)} queries, {len(tasks)} tasks, {len(labelled)} annotations, {len(examples)} examples; "
        f"{sent} labels sent, {KILLS} kills"
    )
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")
    assert set(tasks) == asked
    assert set(tasks.values()) == {1}
    assert examples == labelled


async def _send(world: World, over: asyncio.Event) -> None:
    """Send samples until it is over, so that every bridge finds something to do."""
    begin = 0
    while not over.is_set():
        await world.samples(10, begin)
        begin += 10
        await asyncio.sleep(1.0)


@pytest.mark.parametrize(
    ("given", "token", "said"),
    [
        (["label_studio.url=http://127.0.0.1:9"], "x" * 40, "does not respond at http://127.0.0.1:9"),
        ([], "0" * 40, "label_studio.token: "),
        ([], "a.b.c", "label_studio.token: "),
        (["label_studio.project='999999'"], None, "label_studio.project: "),
        ([], "", "label_studio.token: set STREAM_AL_LABEL_STUDIO__TOKEN"),
    ],
)
async def test_every_mistake_gets_one_sentence(
    kafka_world: MakeWorld, make_hands: Make, given: list[str], token: str | None, said: str
) -> None:
    """A mistake in the settings ends the command with exit code 2. A server that is away is awaited."""
    world = await kafka_world()
    hands = make_hands(world)
    process = hands.process("mistaken", *given)
    if token is not None:
        process._environment["STREAM_AL_LABEL_STUDIO__TOKEN"] = token
    await process.launch()
    if said.startswith("label_studio"):
        assert await process.ended() == 2
        lines = process.said().splitlines()
        assert [line for line in lines if line.startswith("stream-al: ")] == lines[-1:]
        assert lines[-1].startswith(f"stream-al: {said}")
    else:
        await world.until(lambda: said in process.said(), "the log says it")
        assert process.code is None
        assert await process.probe("/livez") == 200
        assert await process.probe("/readyz") == 503
        await process.terminate()
    assert "Traceback" not in process.said()
    assert "0" * 40 not in process.said()


async def test_without_an_address_the_command_says_which_setting_to_write() -> None:
    code, said = await run("label-studio", *options(["kafka.bootstrap_servers=127.0.0.1:9"]))
    assert code == 2
    assert said.startswith("stream-al: label_studio.url: write the address of Label Studio")


async def test_the_bridge_waits_for_a_server_that_goes_away(kafka_world: MakeWorld, make_hands: Make) -> None:
    """It says so, is not ready meanwhile, and goes on by itself."""
    world = await kafka_world()
    hands = make_hands(world)
    await world.ask("a")
    bridge: Server = hands.process("bridge")
    await bridge.start()
    hands.server.stop()
    try:
        await world.until(lambda: _is(bridge, 503), "the bridge is not ready")
    finally:
        hands.server.start()
    await world.until(lambda: _is(bridge, 200), "the bridge is ready again")
    await hands.annotator.label(await hands.annotator.task("a"), "up", "other_class")
    await world.until(lambda: _sent(hands), "the label is sent")
    await bridge.terminate()


async def _is(bridge: Server, code: int) -> bool:
    return await bridge.probe("/readyz") == code


async def _sent(hands: Hands) -> bool:
    return bool(await hands.labels())
