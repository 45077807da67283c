"""Input from outside is either used or refused in the way that its module documents."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import Example, encode
from stream_al.service.broker.dead_letters import HEADER_PREFIX, dead_letter, origin
from stream_al.service.broker.protocols import Record
from stream_al.service.engine_settings import fresh_learner, selector
from stream_al.service.model.snapshots import Anchor, Snapshots
from stream_al.settings import load

law = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
raw = st.none() | st.binary(max_size=50)
headers = st.lists(st.tuples(st.text(max_size=10), st.binary(max_size=10)), max_size=4).map(tuple)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
PATHS = [
    "seed",
    "strategy",
    "budget",
    "budget.share",
    "topics.samples",
    "model.definition",
    "limits.nothing",
    "",
]


def mistakes(**where: Any) -> tuple[str, ...]:
    """The mistakes in settings. Only `Misconfigured` may be raised, and never without a sentence."""
    try:
        load(**where, environ={})
    except Misconfigured as error:
        return error.mistakes or ("",)
    return ()


@law
@given(raw, raw, headers, st.integers(0, 2**31), st.integers(0, 2**62), st.text(max_size=2000))
def test_a_dead_letter_keeps_the_record_and_the_reason(
    key: bytes | None, value: bytes | None, before: Any, partition: int, offset: int, message: str
) -> None:
    record = Record("samples", partition, offset, 0, key, value, before)
    letter = dead_letter(record, "select", BadMessage("why", message), ".dlq")
    facts, after = origin(Record(letter.topic, 0, 0, 0, letter.key, letter.value, letter.headers))
    assert (letter.topic, letter.key, letter.value, after) == ("samples.dlq", key, value, before)
    where = (facts["topic"], int(facts["partition"]), int(facts["offset"]))
    assert where == ("samples", partition, offset)
    assert (facts["stage"], facts["exception"]) == ("select", "why")
    assert letter.replacement is not None
    assert letter.replacement().value is None
    assert all(name.startswith(HEADER_PREFIX) for name, _ in letter.headers[len(before) :])


@law
@given(
    st.lists(
        st.tuples(st.sampled_from(PATHS) | st.text(max_size=10), values | st.text(max_size=20)), max_size=4
    )
)
def test_settings_are_read_or_refused_with_a_sentence_for_each_mistake(given_: list[tuple[str, Any]]) -> None:
    written = [f"{path}={value if isinstance(value, str) else json.dumps(value)}" for path, value in given_]
    assert all(mistake.strip() for mistake in mistakes(overrides=written))


@law
@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | values.map(lambda v: json.dumps(v).encode())
)
def test_a_settings_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)
    assert all(mistake.strip() for mistake in mistakes(file=path))


@law
@given(
    st.text(max_size=60)
    | values.map(json.dumps)
    | values.map(lambda v: json.dumps({"v": 1, "manager": "stratified", "state": v}))
)
def test_the_metadata_of_a_commit_is_a_state_or_is_ignored(text: str) -> None:
    chosen = selector(load(environ={}))
    state = chosen.decode(text)
    assert state is None or chosen.decode(chosen.encode(state)) == state


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshots, str, Path, bytes]:
    """A valid snapshot."""
    directory = tmp_path_factory.mktemp("snapshots")
    given_ = load(overrides=["model.definition=GaussianNB()", f"snapshots.directory={directory}"], environ={})
    learner = fresh_learner(given_)
    example = Example(id="a", label="up", features={"x": 1.0})
    learner.fold(example, 0)
    snapshots = Snapshots(given_, learner.model.fingerprint)
    anchor = Anchor.of(Record("examples", 0, 0, 0, b"a", encode(example)))
    path = directory / asyncio.run(snapshots.save(learner, anchor))
    return snapshots, learner.model.fingerprint, path, path.read_bytes()


def usable(snapshot: tuple[Snapshots, str, Path, bytes], content: bytes) -> bool:
    snapshots, fingerprint, path, _ = snapshot
    path.write_bytes(content)

    async def loaded() -> bool:
        return bool([found async for found in snapshots.load(fingerprint)])

    return asyncio.run(loaded())


def test_a_valid_snapshot_is_used(snapshot: tuple[Snapshots, str, Path, bytes]) -> None:
    assert usable(snapshot, snapshot[3])


@law
@given(st.data())
def test_a_snapshot_with_another_header_is_not_used(
    snapshot: tuple[Snapshots, str, Path, bytes], data: st.DataObject
) -> None:
    """One field of the header is changed, or the header is any bytes."""
    line, _, body = snapshot[3].partition(b"\n")
    outer = json.loads(line)
    fields = [["header", name] for name in outer["header"]] + [["signature"], ["header"]]
    at = data.draw(st.sampled_from(fields))
    place = outer if len(at) == 1 else outer[at[0]]
    value = data.draw(values)
    if value == place[at[-1]]:
        return
    place[at[-1]] = value
    changed = data.draw(st.just(json.dumps(outer).encode()) | st.binary(max_size=100))
    assert not usable(snapshot, changed + b"\n" + body)


@law
@given(st.data())
def test_a_snapshot_with_a_wrong_bit_or_a_missing_end_is_not_used(
    snapshot: tuple[Snapshots, str, Path, bytes], data: st.DataObject
) -> None:
    content = bytearray(snapshot[3])
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]
    same = content.partition(b"\n")[2] == snapshot[3].partition(b"\n")[2]  # the header's spaces mean nothing
    assert same or not usable(snapshot, bytes(content))
