"""The messages fit their JSON Schemas, and a schema accepts what the service accepts."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.contracts.schemas import SCHEMAS
from stream_al.engine.budgets.base import Reason
from stream_al.engine.samples.sample import InputRules, read_sample
from stream_al.errors import BadMessage
from stream_al.identity import MAX_ID_CHARACTERS
from stream_al.messages import (
    MAX_LABEL_CHARACTERS,
    Example,
    Label,
    ModelStamp,
    Prediction,
    PredictionRecord,
    Query,
    decode,
    encode,
    iso,
)
from stream_al.replica_messages import (
    MAX_LEASE_SECONDS,
    ByHand,
    Lease,
    RuntimeBudget,
    RuntimeModel,
    RuntimeSettings,
)
from stream_al.service.broker.dead_letters import HEADER_PREFIX, MAX_MESSAGE_CHARACTERS, dead_letter
from stream_al.service.broker.protocols import Outgoing, Record
from stream_al.service.control import TIME
from stream_al.service.http.operators import changes
from tests.support.world import MakeWorld

VALID = {name: jsonschema_rs.validator_for(schema) for name, schema in SCHEMAS.items()}
law = settings(derandomize=True, deadline=None, max_examples=60)
every_message = pytest.mark.parametrize("name", SCHEMAS)

finite = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)
ids = st.text(min_size=1, max_size=20)
texts = st.text(max_size=8)
times = st.integers(0, 2**41).map(iso)
labels = (
    st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | finite
    | st.text(max_size=20).map(str.strip).filter(bool)
)
flat = st.dictionaries(texts, st.booleans() | st.integers(-(2**63), 2**63) | finite | texts, max_size=3)
probabilities = st.dictionaries(texts, shares, max_size=3)
predictions = st.builds(Prediction, st.none() | labels, probabilities)
models = st.builds(ModelStamp, texts, texts, st.integers(0, 2**60))
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | finite | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
decided = {
    "id": ids,
    "utility": shares,
    "threshold": finite,
    "propensity": shares.filter(bool),
    "model": models,
    "pending": st.integers(0, 2**31),
}
MADE = {
    "query": st.builds(
        Query,
        **decided,
        features=flat,
        prediction=predictions,
        reason=st.sampled_from(["uncertain", "explore", "warmup"]),
        strategy=texts,
        sampled_at=times,
        queried_at=times,
        expires_at=times,
        payload=anything,
        second_of=st.none() | st.text(min_size=1, max_size=64),
        labelled_by=st.lists(texts, max_size=3),
    ),
    "label": st.builds(
        Label,
        ids,
        labels,
        annotator=st.none() | texts,
        labelled_at=st.none() | texts,
        skipped=st.booleans(),
        features=st.none() | st.dictionaries(texts, anything, max_size=2),
    ),
    "example": st.builds(
        Example,
        ids,
        labels,
        features=st.none() | flat,
        annotator=st.none() | texts,
        propensity=st.none() | shares,
        reason=st.none() | texts,
        prediction=st.none() | predictions,
        queried_at=st.none() | times,
        labelled_at=st.none() | texts,
        model=st.none() | models,
    ),
    "prediction": st.builds(
        PredictionRecord,
        **decided,
        label=st.none() | labels,
        probabilities=probabilities,
        queried=st.booleans(),
        reason=st.sampled_from([reason.value for reason in Reason]),
    ),
    "runtime-settings": st.builds(
        RuntimeSettings,
        st.builds(
            RuntimeBudget,
            share=st.none() | st.floats(1e-9, 1),
            exploration=st.none() | shares,
            **{name: st.none() | st.integers(1, 2**31 - 1) for name in ("pending", "per_hour", "total")},
        ),
        times,
        st.none() | texts,
    ),
    "runtime-model": st.builds(
        RuntimeModel,
        st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)), max_size=3),
        times,
        st.none() | texts,
    ),
    "by-hand": st.builds(ByHand, st.text(min_size=1, max_size=64), times, st.none() | texts),
    "lease": st.builds(
        Lease,
        *[st.text(min_size=1, max_size=64)] * 4,
        st.floats(0, MAX_LEASE_SECONDS, exclude_min=True),
        st.none() | st.text(min_size=1, max_size=64),
        st.none() | st.text(min_size=1, max_size=64),
        st.none() | st.text(min_size=1, max_size=64),
        st.none() | st.integers(0, 2**63 - 1),
    ),
}


@every_message
def test_every_schema_is_a_valid_json_schema(name: str) -> None:
    jsonschema_rs.meta.validate(SCHEMAS[name])


@pytest.mark.parametrize("name", MADE)
def test_every_encoded_message_fits_its_schema(name: str) -> None:
    @given(MADE[name])
    @law
    def holds(message: Any) -> None:
        VALID[name].validate(json.loads(encode(message)))

    holds()


async def test_every_record_that_the_service_writes_fits_its_schema(memory_world: MakeWorld) -> None:
    """This holds for every topic, for dead letters and tombstones, and every schema has a record."""
    world = await memory_world("budget.share=0.5")
    replica = await world.start()
    sent = await world.samples(60)
    await world.settle([sample["id"] for sample in sent])
    await world.label_queries()
    await world.label("unasked", features={"x": 0.5, "y": {"deep": [1]}})
    await world.client.send([Outgoing(world.topics.samples, b"k", b"no json")])
    await world.label("unknown")

    async def done() -> bool:
        letters = [await world.records(t + ".dlq") for t in (world.topics.samples, world.topics.labels)]
        return all(letters) and len(await world.examples()) > len(world.labelled)

    await world.until(done, "all is joined or buried")
    names = {"samples": "sample", "queries": "query", "labels": "label"}
    names |= {"examples": "example", "predictions": "prediction"}
    await changes.change_settings(replica.app, {"budget": {"share": 0.25, "total": 1000}}, "ann")
    await changes.roll_back(replica.app, 5, None)
    for change in await world.records(world.topics.control):
        if change.key == TIME:
            assert change.value is None
            continue
        VALID[f"runtime-{(change.key or b'').decode()}"].validate(json.loads(change.value or b""))
    names["leases"] = "lease"
    await world.ask("q")
    await world.until(lambda: "q" in replica.app.pending, "it is pending")
    await replica.app.leasing.lease(1, None, "ann", None)
    for topic, name in names.items():
        records = await world.records(getattr(world.topics, topic))
        values = [json.loads(r.value) for r in records if r.value is not None and r.value != b"no json"]
        assert values
        for value in values:
            VALID[name].validate(value)
    for topic in (world.topics.samples, world.topics.labels):
        for letter in await world.records(topic + ".dlq"):
            VALID["dead-letter"].validate(headers_of(letter))


def headers_of(record: Record | Outgoing) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in record.headers}


sizes = st.sampled_from([0, 1, MAX_ID_CHARACTERS, MAX_ID_CHARACTERS + 1])
odd = anything | sizes.map("a".__mul__)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "id": odd,
            "label": odd | st.just("a" * MAX_LABEL_CHARACTERS) | st.just("a" * (MAX_LABEL_CHARACTERS + 1)),
            "skipped": st.booleans() | anything,
            "annotator": anything,
            "features": anything,
            "more": anything,
        },
    )
    | anything
)
@settings(law, max_examples=400)
def test_the_schema_of_a_label_accepts_what_the_service_accepts(value: Any) -> None:
    try:
        decode(Label, json.dumps(value).encode(), max_bytes=10_000)
    except BadMessage:
        assert not VALID["label"].is_valid(value)
    else:
        VALID["label"].validate(value)


identities: st.SearchStrategy[Any] = (
    st.none() | st.integers() | st.booleans() | finite.filter(lambda x: x % 1 != 0) | st.just([])
)


@given(
    st.fixed_dictionaries(
        {"features": flat},
        optional={"id": identities | sizes.map("a".__mul__), "payload": anything, "more": anything},
    )
)
@settings(law, max_examples=200)
def test_the_schema_of_a_sample_accepts_what_the_service_accepts(value: dict[str, Any]) -> None:
    """In the native form, where `features` is an object."""
    try:
        read_sample(value, InputRules(), key=None, position="p")
    except BadMessage:
        assert not VALID["sample"].is_valid(value)
    else:
        VALID["sample"].validate(value)


GOOD: dict[str, dict[str, Any]] = {
    "sample": {"id": "a", "features": {"x": 1}},
    "query": {
        "id": "a",
        "features": {"x": 1},
        "prediction": {"label": None, "probabilities": {}},
        "utility": 1.0,
        "threshold": 0.5,
        "propensity": 0.5,
        "reason": "uncertain",
        "strategy": "margin",
        "model": {"name": "m", "version": "0", "examples": 0},
        "sampled_at": iso(0),
        "queried_at": iso(0),
        "expires_at": iso(1),
    },
    "label": {"id": "a", "label": "up"},
    "example": {"id": "a", "label": "up", "features": {"x": 1}, "propensity": 0.5, "queried_at": iso(0)},
    "prediction": {
        "id": "a",
        "label": "up",
        "probabilities": {"up": 1.0},
        "utility": 0.0,
        "threshold": 0.5,
        "propensity": 0.1,
        "queried": False,
        "reason": "below",
        "model": {"name": "m", "version": "0", "examples": 2},
    },
    "runtime-settings": {"budget": {"share": 0.1}, "changed_at": iso(0)},
    "runtime-model": {"voided": [[3, 7]], "changed_at": iso(0), "by": "ann"},
    "by-hand": {"id": "a", "asked_at": iso(0), "by": "ann"},
    "lease": {"lease": "1f", "id": "a", "version": "v1", "holder": "ann", "seconds": 300.0},
    "dead-letter": {
        HEADER_PREFIX + name: text
        for name, text in {
            "topic": "samples",
            "partition": "0",
            "offset": "17",
            "stage": "select",
            "exception": "no_id",
            "message": "there is no id",
        }.items()
    },
}
HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("sample", {"features": {}}),
    ("sample", {"id": ""}),
    ("query", {"features": {"x": {"nested": 1}}}),
    ("query", {"utility": 1.1}),
    ("query", {"propensity": 0}),
    ("query", {"reason": "below"}),
    ("query", {"pending": -1}),
    ("query", {"prediction": {"label": "up"}}),
    ("label", {"label": None}),
    ("label", {"label": None, "skipped": False}),
    ("label", {"id": "a" * (MAX_ID_CHARACTERS + 1)}),
    ("example", {"label": None}),
    ("example", {"features": {"x": [1]}}),
    ("example", {"propensity": -0.1}),
    ("prediction", {"utility": -0.1}),
    ("prediction", {"queried": "no"}),
    ("runtime-settings", {"budget": {"share": 0}}),
    ("runtime-settings", {"budget": {"pending": 0.5}}),
    ("runtime-settings", {"budget": {"total": 2**31}}),
    ("runtime-model", {"voided": [[1, 2, 3]]}),
    ("runtime-model", {"voided": [[-1, 2]]}),
    ("runtime-model", {"voided": [[0, 1]] * 101}),
    ("query", {"labelled_by": ["ann"] * 101}),
    ("by-hand", {"id": ""}),
    ("lease", {"seconds": 0}),
    ("lease", {"seconds": MAX_LEASE_SECONDS + 1}),
    ("lease", {"holder": ""}),
    ("lease", {"until": -1}),
    ("dead-letter", {HEADER_PREFIX + "offset": "-1"}),
    ("dead-letter", {HEADER_PREFIX + "stage": "learn"}),
    ("dead-letter", {HEADER_PREFIX + "message": "a" * (MAX_MESSAGE_CHARACTERS + 1)}),
]


@every_message
def test_a_message_without_a_required_member_is_refused(name: str) -> None:
    good, required = GOOD[name], SCHEMAS[name]["required"]
    VALID[name].validate(good)
    assert required
    for member in required:
        assert not VALID[name].is_valid({k: v for k, v in good.items() if k != member})
        assert not VALID[name].is_valid(good | {member: [None]})
    VALID[name].validate(good | {"unknown": {"to": "us"}})


@pytest.mark.parametrize(("name", "change"), HOSTILE)
def test_a_message_that_breaks_the_contract_is_refused(name: str, change: dict[str, Any]) -> None:
    assert not VALID[name].is_valid(GOOD[name] | change)


@given(
    st.builds(
        Record,
        topic=st.sampled_from(["samples", "labels"]),
        partition=st.integers(0, 1000),
        offset=st.integers(0, 2**63),
        timestamp_ms=st.just(0),
        key=st.none() | st.binary(max_size=4),
        value=st.none() | st.binary(max_size=4),
        headers=st.just((("own", b"header"),)),
    ),
    st.sampled_from(["select", "intake"]),
    st.text(max_size=20) | st.just("é" * (MAX_MESSAGE_CHARACTERS + 1)),
)
@law
def test_the_headers_of_every_dead_letter_fit_their_schema(record: Record, stage: str, said: str) -> None:
    """This includes the smaller one that is sent if the broker refuses the size."""
    letter = dead_letter(record, stage, BadMessage("not_json", said), ".dlq")
    assert letter.replacement
    for sent in (letter, letter.replacement()):
        VALID["dead-letter"].validate(headers_of(sent))
