"""Dead letters are listed, shown, repaired and replayed, on the broker in memory and on Kafka."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from stream_al.cli import dead_letters as commands
from stream_al.errors import Misconfigured, Unavailable
from stream_al.service import maintenance
from stream_al.service.broker.dead_letters import REPLAY_OF, Place, marker_in
from stream_al.service.broker.protocols import Broker, Record
from stream_al.service.maintenance import DeadLetter, Replays, State
from stream_al.service.maintenance.edits import edited
from stream_al.settings import Settings
from stream_al.terminal import printable
from tests.support.flow import quiet
from tests.support.replica import DEADLINE_SECONDS
from tests.support.world import MakeWorld, World


async def letters(world: World) -> list[Record]:
    """The dead letters of the labels, without the markers."""
    return [r for r in await world.records(world.topics.labels + ".dlq") if marker_in(r) is None]


async def until_letters(world: World, number: int) -> None:
    async def there() -> bool:
        return len(await letters(world)) == number

    await world.until(there, f"{number} dead letters")


async def listed(world: World, reason: str | None = None) -> dict[str, DeadLetter]:
    topics, client = (world.topics.samples, world.topics.labels), world.connect(world.settings)
    found = maintenance.list_dead_letters(world.settings, client, topics, reason, quiet)
    return {str(letter.place): letter async for letter in found}


async def replay(world: World, *, reason: str | None = None, **more: Any) -> Replays:
    topics, client = (world.topics.samples, world.topics.labels), world.connect(world.settings)
    return await maintenance.replay_dead_letters(world.settings, client, topics, quiet, reason=reason, **more)


async def shown(world: World, place: Place) -> DeadLetter:
    return await maintenance.show_dead_letter(world.settings, world.connect(world.settings), place)


async def test_the_letters_of_all_topics_are_listed_with_their_origin(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.start()
    await world.send(world.topics.samples, [b"no sample"], [b"s"])
    await world.label("unknown", "up")
    await until_letters(world, 1)

    async def both() -> bool:
        return len(await listed(world)) == 2

    await world.until(both, "a sample and a label")
    found = {letter.topic: letter for letter in (await listed(world)).values()}
    sample, label = found[world.topics.samples], found[world.topics.labels]
    assert (sample.reason, sample.record.value, sample.facts["stage"]) == ("not_json", b"no sample", "select")
    assert (label.reason, label.record.key, label.facts["topic"]) == ("unknown_id", b"unknown", label.topic)
    assert [letter.topic for letter in (await listed(world, "not_json")).values()] == [world.topics.samples]
    client = world.connect(world.settings)
    counted = await maintenance.overview(world.settings, client, list(found), None, 1, quiet)
    assert {name: kind.letters for name, kind in counted.kinds.items()} == {
        (world.topics.samples, "select", "not_json"): 1,
        (world.topics.labels, "intake", "unknown_id"): 1,
    }
    assert len(counted.newest) == 1


async def test_a_letter_is_replayed_once_and_the_list_says_how_that_ended(make_world: MakeWorld) -> None:
    """A record that can be used now is used. One that cannot is a new letter, which names the old one."""
    world = await make_world()
    await world.start()
    await world.label("later", "up")
    await world.send(world.topics.labels, [b"bad"], [b"k"], (("trace", b"1"),))
    await until_letters(world, 2)
    await world.ask("later")
    done = await replay(world)
    assert (done.number, done.left_out, len(done.places)) == (2, 0, 2)
    await until_letters(world, 3)

    async def both_read() -> bool:
        return State.WAITING not in {letter.state for letter in (await listed(world)).values()}

    await world.until(both_read, "both are read again")
    later, bad, again = (await listed(world)).values()
    assert [one.state for one in (later, bad, again)] == [State.USED, State.REFUSED, State.OPEN]
    assert (again.replay_of, again.record.value, again.record.key) == (bad.place, b"bad", b"k")
    whole = await shown(world, bad.place)
    assert (whole.state, whole.refused) == (State.REFUSED, again.place)
    assert (bad.place, whole.sent) in done.places
    assert (await replay(world, reason="unknown_id")).number == 0
    with pytest.raises(Misconfigured, match="was replayed already"):
        await replay(world, places=[bad.place])


async def test_a_replayed_record_is_the_record_as_it_was_with_one_header_more(make_world: MakeWorld) -> None:
    """However often it is replayed: it names the newest dead letter alone."""
    world = await make_world()
    await world.start()
    await world.send(world.topics.labels, [b"bad"], [b"k"], (("trace", b"1"),))
    for number in (1, 2, 3):
        await until_letters(world, number)
        if number < 3:
            assert (await replay(world)).number == 1
    first, *more = await world.records(world.topics.labels)
    names = [str(Place.of(letter)).encode() for letter in await letters(world)]
    for again, name in zip(more, names, strict=False):
        assert (again.key, again.value) == (first.key, first.value)
        assert again.headers == (*first.headers, (REPLAY_OF, name))


async def test_one_letter_is_mended_and_sent_and_the_others_stay(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.start()
    await world.ask("q1")
    for value in (b'{"id": "q1", "label": null}', b'{"id": "q2", "label": null}'):
        await world.send(world.topics.labels, [value], [b"k"])
    await until_letters(world, 2)
    first, second = (await listed(world)).values()
    done = await replay(
        world, places=[first.place], edit=lambda letter: edited(letter.record.value, ["label=up"])
    )
    assert done.number == 1
    await world.until(lambda: world.replicas[0].offset == 1, "the label is learned")

    async def used() -> bool:
        return (await shown(world, first.place)).state is State.USED

    await world.until(used, "its commit is read")
    assert (await shown(world, first.place)).record.value == b'{"id": "q1", "label": null}'
    assert (await shown(world, second.place)).state is State.OPEN


async def test_a_place_without_a_letter_is_named_and_nothing_is_sent(memory_world: MakeWorld) -> None:
    world = await memory_world()
    await world.start()
    await world.label("unknown", "up")
    await until_letters(world, 1)
    (letter,) = (await listed(world)).values()
    nowhere = Place(letter.place.topic, 0, 77)
    for wanted in ([letter.place, nowhere], [Place("elsewhere", 0, 0)]):
        with pytest.raises(Misconfigured, match=str(wanted[-1])):
            await replay(world, places=wanted)
    with pytest.raises(Misconfigured, match="there is no dead letter"):
        await shown(world, nowhere)
    assert len(await world.records(world.topics.labels)) == 1


async def test_a_replay_that_is_interrupted_loses_no_letter(memory_world: MakeWorld) -> None:
    """It is marked only after it was sent. One that was refused again needs no marker."""
    world = await memory_world()
    await world.start()
    await world.label("unknown", "up")
    await until_letters(world, 1)
    for step, sent in (("send", 1), ("sent", 2)):
        client = world.connect(world.settings)

        def fail(now: str, topic: str, step: str = step) -> None:
            if now == step and topic == world.topics.labels:
                raise Unavailable("the broker is away")

        client.hook = fail  # type: ignore[attr-defined]  # of the client in memory
        with pytest.raises(Unavailable):
            await maintenance.replay_dead_letters(world.settings, client, [world.topics.labels], quiet)
        assert len(await world.records(world.topics.labels)) == sent
    await until_letters(world, 2)
    assert [letter.state for letter in (await listed(world)).values()] == [State.REFUSED, State.OPEN]


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        (((REPLAY_OF, b"\xff\xfe"),), b"bad"),
        (((REPLAY_OF, b"x" * 5000),), b"bad"),
        ((("stream_al.replayed.letter", b"a-0@1"), ("stream_al.replayed.record", b"nonsense")), None),
        ((("stream_al.replayed.letter", b"other-0@1"), ("stream_al.replayed.record", b"b-9@9")), None),
    ],
)
async def test_forged_headers_do_no_harm(
    memory_world: MakeWorld, headers: tuple[tuple[str, bytes], ...], value: bytes | None
) -> None:
    world = await memory_world()
    await world.start()
    await world.label("unknown", "up")
    await until_letters(world, 1)
    await world.send(world.topics.labels + ".dlq", [value], [b"k"], headers)
    found = await listed(world)
    assert next(letter.state for letter in found.values()) is State.OPEN
    assert all(letter.reason in ("unknown_id", "unknown") for letter in found.values())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["a=1"], {"a": 1, "b": {"c": [1, {"d": 2}]}, "x.y": 3}),
        (["b.c.1.d=text"], {"b": {"c": [1, {"d": "text"}]}, "x.y": 3}),
        (["x.y=true", "new.deep=null"], {"b": {"c": [1, {"d": 2}]}, "x.y": True, "new": {"deep": None}}),
        (["b=a=b"], {"b": "a=b", "x.y": 3}),
        (["b="], {"b": "", "x.y": 3}),
    ],
)
def test_an_edit_changes_the_member_at_its_path_and_nothing_else(
    changes: list[str], expected: dict[str, Any]
) -> None:
    assert json.loads(edited(b'{"b": {"c": [1, {"d": 2}]}, "x.y": 3}', changes)) == expected


@pytest.mark.parametrize(
    ("value", "change", "said"),
    [
        (b"no json", "a=1", "--edit"),
        (None, "a=1", "--edit"),
        (b"[1]", "a=1", "--edit"),
        (b'{"a": [1]}', "a.7=1", "no element"),
        (b'{"a": [1]}', "a.-1=1", "no element"),
        (b'{"a": 5}', "a.b=1", "no object"),
        (b"{}", "word", "PATH=VALUE"),
    ],
)
def test_an_edit_that_cannot_be_made_is_a_sentence(value: bytes | None, change: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        edited(value, [change])


def test_a_record_that_would_hold_the_command_is_no_json_to_edit() -> None:
    """The commands read a record as the service reads it, with the same limits."""
    many = b'{"x":[' + b"[]," * 60_000 + b"[]]}"
    with pytest.raises(Misconfigured, match="no object in JSON"):
        edited(many, ["x=1"])


@pytest.mark.parametrize("text", ["\x1b[2J\x1b]0;title\x07", "a\r\nb", "\u202eabc\u2066", "\x9b1m"])
def test_no_record_can_move_the_cursor(text: str) -> None:
    assert printable(text).isprintable()
    assert printable("caf\u00e9 5 \u20ac") == "caf\u00e9 5 \u20ac"


# --- the commands ----------------------------------------------------------------------------------------


async def typed(world: World, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    """Run `stream-al dlq` with these words on the broker of a world."""
    loop = asyncio.get_running_loop()

    def run(given: Settings, work: Callable[[Broker], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run_coroutine_threadsafe(work(world.connect(given)), loop).result(DEADLINE_SECONDS)

    loaded: list[list[str]] = []

    def load(config: Path | None, overrides: list[str]) -> Settings:
        loaded.append(overrides)
        return world.settings

    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr("stream_al.settings.load", load)
    done = await asyncio.to_thread(CliRunner().invoke, commands.dlq_cli, list(words))
    assert all("=" in text for given in loaded for text in given)
    return done


async def one_letter(world: World, value: bytes = b'{"id": "q1", "label": null}') -> str:
    await world.start()
    await world.send(world.topics.labels, [value], [b"k"], (("own", b"\x1b[31mred"),))
    await until_letters(world, 1)
    await world.until(world.all_applied, "its line is in the log, and not in what a command prints")
    return next(iter(await listed(world)))


async def test_the_commands_list_show_and_replay(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `list` prints names the letter for `show` and `replay`."""
    world = await memory_world()
    name = await one_letter(world)
    await world.ask("q1")
    overview = await typed(world, monkeypatch, "list")
    assert overview.exit_code == 0
    heading, row, *rest = overview.stdout.splitlines()
    assert heading.split()[:4] == ["TOPIC", "STAGE", "REASON", "LETTERS"]
    assert row.split()[:7] == [world.topics.labels, "intake", "no_label", "1", "1", "0", "0"]
    assert any(line.startswith(f"{name}  ") and line.endswith("  open") for line in rest)
    whole = (await typed(world, monkeypatch, "show", name)).stdout
    assert "\x1b" not in whole
    assert r"own: \x1b[31mred" in whole
    assert '"label": null' in whole
    sent = await typed(world, monkeypatch, "replay", "--id", name, "--set", "label=up")
    assert sent.exit_code == 0
    # The log of the service is printed there too.
    assert any(line.startswith(f"{name} was sent as ") for line in sent.stdout.splitlines())
    await world.until(lambda: world.replicas[0].offset == 1, "the label is learned")

    async def used() -> bool:
        found = await typed(world, monkeypatch, "show", name, "--json")
        return bool(json.loads(found.stdout)["state"] == "used")

    await world.until(used, "its commit is read")
    (line,) = (await typed(world, monkeypatch, "list", "--json")).stdout.splitlines()
    assert json.loads(line)["origin_exception"] == "no_label"


async def test_set_changes_the_record_or_a_setting(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that begins as a setting does is a setting; `record.` before it makes it one of the record."""
    world = await memory_world()
    name = await one_letter(world)
    both = ("--set", "record.model=mine", "--set", "label=up", "--set", "model.name=ours")
    done = await typed(world, monkeypatch, "replay", "--id", name, "--json", *both)
    # The log of the service is printed there too.
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("{")]
    found = json.loads(line)
    assert (found["replayed"], found["left_out"], list(found["sent_as"])) == (1, 0, [name])
    _, again = await world.records(world.topics.labels)
    assert json.loads(again.value or b"") == {"id": "q1", "label": "up", "model": "mine"}


async def test_an_editor_changes_the_record(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is sent where the editor fails, where nothing was changed, and where no JSON is left."""
    world = await memory_world()
    name = await one_letter(world)
    monkeypatch.delenv("VISUAL", raising=False)
    for editor in ("", "false", "true", "truncate -s 0", "/no/editor"):
        monkeypatch.setenv("EDITOR", editor)
        done = await typed(world, monkeypatch, "replay", "--id", name, "--edit")
        assert isinstance(done.exception, Misconfigured), editor
        assert "--edit" in str(done.exception)
    assert len(await world.records(world.topics.labels)) == 1
    monkeypatch.setenv("EDITOR", "sed -i s/null/3/")
    assert (await typed(world, monkeypatch, "replay", "--id", name, "--edit")).exit_code == 0
    _, again = await world.records(world.topics.labels)
    assert again.value == b'{"id":"q1","label":3}'


@pytest.mark.parametrize(
    "words",
    [
        ("show", "nothing"),
        ("replay", "--id", "samples@3"),
        ("list", "--topic", "queries"),
        ("replay", "--edit"),
        ("replay", "--id", "samples.dlq-0@0", "--edit", "--set", "a=1"),
    ],
    ids=" ".join,
)
async def test_a_mistake_of_a_command_is_one_line(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    done = await typed(await memory_world(), monkeypatch, *words)
    assert isinstance(done.exception, Misconfigured)
    assert len(str(done.exception).splitlines()) == 1
