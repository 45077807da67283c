"""The laws of the doctor's rules: bounded and printable whatever is examined, and exact about the fault."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.doctor.fields import MAX_DISTINCT, MAX_FIELDS, Fields
from stream_al.engine.doctor.findings import MAX_FINDINGS, sorted_findings, warning
from stream_al.engine.doctor.labels import Labels
from stream_al.engine.doctor.records import Records
from stream_al.engine.doctor.report import Report
from stream_al.engine.doctor.topics import GroupState, Needed, TopicState, group_findings, topic_findings
from stream_al.engine.doctor.trial import Trial, trial
from stream_al.engine.labels.spelling import lookalikes
from stream_al.engine.learners.encoder.columns import Columns
from stream_al.engine.model.definition.expression import load
from stream_al.engine.model.model import Model
from stream_al.engine.samples.sample import InputRules
from stream_al.engine.samples.table import Sample, sample_of
from stream_al.engine.steps import finished
from stream_al.identity import version_of
from stream_al.messages import ClassLabel
from stream_al.terminal import printable

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
SCALED = "StandardScaler() | LogisticRegression()"


def make(definition: str) -> Model:
    return Model(definition, seed=1)


def mixed(number: int) -> dict[str, Any]:
    return {
        "amount": number * 37 % 101 / 7,
        "merchant": f"m{number % 3}",
        "note": f"free entry to win {number % 7}",
    }


def tried(definition: str, rows: list[dict[str, Any]], known: dict[str, ClassLabel] | None = None) -> Trial:
    samples: list[Sample] = [sample_of(str(number), row) for number, row in enumerate(rows)]
    fields = Fields()
    for sample in samples:
        fields.add(sample.features)
    fields.finish()
    return finished(trial(make, definition, samples, fields, known or {}))


def examined(values: list[bytes | None], **rules: Any) -> Records:
    records = Records(InputRules(**rules), max_bytes=10_000)
    for number, value in enumerate(values):
        records.add(value, key=None, position=f"t-0-{number}", timestamp_ms=NOW_MS)
    records.finish()
    return records


def texts(findings: Any) -> str:
    return " | ".join(one.text for one in findings)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)


def as_json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (msgspec.MsgspecError, UnicodeEncodeError, OverflowError):
        return b"?"


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    values=st.lists(st.one_of(st.none(), st.binary(max_size=30), JSON.map(as_json)), max_size=30),
    labels=st.lists(
        st.one_of(st.binary(max_size=20), JSON.map(lambda v: as_json({"id": "a", "label": v}))), max_size=9
    ),
    definition=st.sampled_from(["auto", SCALED, "GaussianNB()"]),
)
def test_whatever_is_read_the_report_is_made_and_printable(
    values: list[bytes | None], labels: list[bytes], definition: str
) -> None:
    records, given_labels = examined(values), Labels()
    for label in labels:
        given_labels.add(label, max_bytes=1000)
    report = Report("a topic", records, labels=given_labels)
    if records.samples:
        report.trial = finished(trial(make, definition, records.samples, records.fields, {}))
        report.found += report.trial.findings
    report.found += records.findings(is_auto=definition == "auto", now_ms=NOW_MS)
    report.found += given_labels.findings(queried=set())
    described = report.describe()
    assert len(report.findings) <= MAX_FINDINGS
    assert all(one.text.isprintable() and len(one.text) < 10_000 for one in report.findings)
    assert all(
        one["name"].isprintable() and one["example"].isprintable() for one in described["records"]["fields"]
    )
    msgspec.json.encode(described)


def test_a_stream_of_ever_new_names_and_values_takes_bounded_room() -> None:
    fields = Fields()
    for number in range(3 * MAX_FIELDS):
        fields.add({f"feature {number}": 1.0, "value": float(number)})
    fields.finish()
    assert len(fields.found) == MAX_FIELDS
    assert fields.found["value"].distinct == MAX_DISTINCT + 1
    assert "more" in texts(fields.findings(is_auto=True))


@pytest.mark.parametrize(
    "form", ["{:,.2f}", "${:.2f}", "{:.0f}%", "€ {:,.2f}", "{:.2f} EUR", "-$12.{:.0f}", "12,{:.0f}"]
)
def test_numbers_as_people_write_them_are_numbers_in_text(form: str) -> None:
    """An amount such as `1,234.50` is new in every record; left out as an id, it would be missed silently."""
    records = examined(
        [as_json({"amount": form.format(n * 37 % 300 * 13.7), "country": "NB"[n % 2]}) for n in range(300)]
    )
    assert records.fields.found["amount"].looks_like == "number in text"
    assert "auto takes each as a number" in texts(records.fields.findings(is_auto=True))
    assert "nothing has to be done" not in texts(records.fields.findings(is_auto=True))
    told = texts(records.fields.findings(is_auto=False))
    assert "the numbers of amount are sent as text, and a River model takes them for categories" in told


@pytest.mark.parametrize(
    "form", ["+31 6 {:04d} 77", "192.168.1.{}", "AB {:04d}", "2026-01-02 10:{:02d}", "v1.{}.3"]
)
def test_codes_with_digits_are_no_numbers(form: str) -> None:
    records = examined([as_json({"code": form.format(n % 60), "x": n % 7}) for n in range(300)])
    assert "are sent as text" not in texts(records.fields.findings(is_auto=False))


def test_a_stream_of_ids_alone_names_them() -> None:
    """It said `( never changes)`, of no field."""
    records = examined([as_json({"n": n}) for n in range(300)])
    (finding, *_) = sorted_findings(records.fields.findings(is_auto=True))
    assert "no field tells one record from another (n is new in every record or only rises)" in finding.text


def test_what_a_field_looks_like_is_what_the_encoder_of_auto_takes_it_for() -> None:
    fields, columns = Fields(), Columns()
    for number in range(60):
        row = mixed(number) | {"at": f"2026-02-{1 + number % 20:02d}", "key": f"k{number * 7919 % 9973}"}
        fields.add(row)
        columns.learn(row)
    fields.finish()
    assert {name: one.looks_like for name, one in fields.found.items()} == columns.kinds()
    assert {name for name, one in fields.found.items() if one.left_out} == columns.left_out().keys()


@pytest.mark.parametrize("definition", [SCALED, "GaussianNB()", "StandardScaler() | KNNClassifier()"])
def test_the_fields_that_a_model_cannot_take_are_named_and_the_proposal_takes_them_all(
    definition: str,
) -> None:
    rows = [mixed(number) for number in range(30)]
    found = tried(definition, rows)
    (finding,) = found.findings
    assert found.refused == len(rows)
    assert {name for name, use in found.uses.items() if use == "refused"} == {"merchant", "note"}
    assert "it cannot take merchant, note (category, text)" in finding.text
    proposal = finding.text.partition("write model.definition: ")[2].removesuffix(", or auto")
    load(proposal, seed=1)
    assert tried(proposal, rows).refused == 0
    assert tried("auto", rows).findings == []


def test_a_field_without_which_the_model_does_not_work_is_not_named_among_those_it_cannot_take() -> None:
    """Here every record without `amount` is refused, so each other field fails by itself."""
    definition = "Agg(on='amount', by=None, how=stats.Mean()) + StandardScaler() | LogisticRegression()"
    found = tried(definition, [mixed(number) | {"visits": number % 5} for number in range(9)])
    assert {name for name, use in found.uses.items() if use == "refused"} == {"merchant", "note"}
    assert "it cannot take merchant, note (category, text)" in texts(found.findings)


def test_a_definition_without_a_working_proposal_gets_none() -> None:
    """A factory, which is a program, cannot be rewritten."""
    (finding,) = tried(
        "river.linear_model:LogisticRegression", [mixed(number) for number in range(9)]
    ).findings
    assert "write model.definition" not in finding.text
    assert "set model.definition: auto" in finding.text


def test_a_definition_that_makes_no_model_is_one_finding() -> None:
    (finding,) = tried("StandardScaler()", [mixed(1)]).findings
    assert "end it with a classifier" in finding.text


def test_labels_that_are_known_are_learned_and_imagined_ones_only_without_them() -> None:
    rows = [{"x": number / 7} for number in range(9)]
    labels: dict[str, ClassLabel] = {str(number): ("a", "b", "c")[number % 3] for number in range(9)}
    found = tried("LogisticRegression()", rows, labels)
    assert (found.imagined, found.refused) == (False, 3)
    assert "SoftmaxRegression()" in texts(found.findings)
    assert tried("LogisticRegression()", rows, {"1": "a"}).imagined
    some = tried("LogisticRegression()", rows, {"1": "a", "2": "b"})
    assert (some.imagined, some.tried) == (False, len(rows))  # the others are tried with these classes


@pytest.mark.parametrize(
    ("role", "config", "says"),
    [
        ("examples", {"cleanup.policy": "delete", "retention.ms": "604800000"}, "after 168 hours"),
        ("examples", {"cleanup.policy": "delete", "retention.bytes": "1000"}, "keeps 1000 bytes"),
        ("examples", {"cleanup.policy": "compact"}, "is compacted"),
        (
            "queries",
            {"cleanup.policy": "compact,delete", "retention.ms": "3600000"},
            "a query lives 24 hours",
        ),
        ("queries", {"cleanup.policy": "delete"}, "set it to compact,delete"),
        ("control", {"cleanup.policy": "delete"}, "deletes old records"),
        ("examples", {"max.message.bytes": "1000"}, "may have 2000"),
        ("labels", {"message.timestamp.type": "CreateTime"}, "LogAppendTime"),
    ],
)
def test_a_topic_that_loses_what_was_paid_for_is_found(role: str, config: dict[str, str], says: str) -> None:
    needs = {
        "examples": {
            "cleanup.policy": "delete",
            "retention.ms": "-1",
            "retention.bytes": "-1",
            "max.message.bytes": "2000",
        },
        "queries": {"cleanup.policy": "compact,delete"},
        "control": {"cleanup.policy": "compact"},
    }
    needed = Needed(role, role, 1, needs.get(role, {}), DAY_MS if role == "queries" else 0)
    assert says in texts(topic_findings(needed, TopicState(role, 1, needs.get(role, {}) | config)))
    assert not list(topic_findings(needed, TopicState(role, 1, needs.get(role, {}) or {"retention.ms": "1"})))


def test_offsets_that_the_topic_does_not_hold_are_errors() -> None:
    sound = GroupState("g", "t", committed={0: 5}, begin={0: 0}, end={0: 9})
    assert (sound.lag, list(group_findings(sound))) == (4, [])
    lost = GroupState("g", "t", committed={0: 5}, begin={0: 7}, end={0: 9})
    assert "deleted 2 records" in texts(group_findings(lost))
    anew = GroupState("g", "t", committed={0: 5}, begin={0: 0}, end={0: 3})
    assert "created anew" in texts(group_findings(anew))


def test_a_label_without_a_class_and_classes_that_differ_in_type_or_case_are_errors() -> None:
    labels = Labels()
    for number, label in enumerate(["fraud", "Fraud ", "fine", "  ", True, 1.0, "1"]):
        labels.add(msgspec.json.encode({"id": str(number), "label": label}), max_bytes=1000)
    found = texts(labels.findings(queried=None))
    assert '"fraud" (text) and "Fraud" (text) look like one class' in found
    assert '1.0 (number) and "1" (text) look like one class' in found
    assert "1 of 7 labels cannot be used (no_label)" in found
    assert "send skipped: true" in found


@pytest.mark.parametrize(
    ("other", "same"),
    [({"y": "a", "x": 5}, True), ({"x": 5.0, "y": "a"}, True), ({"x": True, "y": "a"}, False)],
)
def test_an_id_comes_again_with_other_features_if_it_names_another_sample(
    other: dict[str, Any], same: bool
) -> None:
    """By the version of a sample, as in the service."""
    one = {"x": 5 if same else 1, "y": "a"}
    found = texts(
        examined([as_json({"id": "a", **each}) for each in (one, other)]).findings(
            is_auto=True, now_ms=NOW_MS
        )
    )
    assert ("come again with other features" in found) == (version_of(one) != version_of(other)) == (not same)
    assert ("come again with equal features" in found) == same


PAIRS = [(True, "true"), (1, "1.0"), ("no  fraud", "No fraud"), (1, True), (0, "1"), ("a", "b")]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_it_calls_those_classes_alike_that_the_service_warns_of(one: Any, other: Any) -> None:
    labels = Labels()
    labels.count("a", one)
    labels.count("b", other)
    found = texts(labels.findings(queried=None))
    assert ("look like one class" in found) == bool(lookalikes(list(dict.fromkeys([one, other]))))


def test_equal_labels_of_several_types_are_one_class_and_not_a_rare_one() -> None:
    labels = Labels()
    for number in range(100):
        labels.count(str(number), (1, 0, 0.0, True)[number % 4] if number > 4 else False)
    assert "rare" not in texts(labels.findings(queried=None))


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"before": None, "after": {"id": 1, "x": 2}, "op": "c", "n": 0}, "input.features to after"),
        (
            {"schema": {}, "payload": {"before": None, "after": {"x": 2}, "op": "c", "ts_ms": 1}},
            "input.features to payload.after",
        ),
        ({"schema": {"type": "struct"}, "payload": {"id": 1, "x": 2}}, "input.features to payload"),
    ],
)
def test_an_envelope_is_told_from_a_record_unless_the_settings_open_it(record: Any, says: str) -> None:
    values: list[bytes | None] = [as_json(record) for _ in range(5)]
    assert says in texts(examined(values).findings(is_auto=True, now_ms=NOW_MS))
    path = says.rsplit(maxsplit=1)[-1]
    opened = examined(values, features=path, id="position")
    assert says not in texts(opened.findings(is_auto=True, now_ms=NOW_MS))


def test_a_pattern_that_chooses_no_field_and_a_key_that_is_no_text_are_found() -> None:
    records = Records(InputRules(include=("amount", "crad.*")), max_bytes=1000)
    for number in range(5):
        key = (2**40 + number).to_bytes(8)
        records.add(as_json({"amount": number}), key=key, position="t-0-0", timestamp_ms=NOW_MS)
    records.finish()
    found = texts(records.findings(is_auto=True, now_ms=NOW_MS))
    assert "input.include: crad.* matches no field; there are amount" in found
    assert "5 ids are keys that are no readable text" in found


def test_records_stamped_far_in_the_past_are_found() -> None:
    records = Records(InputRules(), max_bytes=1000)
    records.add(b'{"id": "a", "x": 1}', key=None, position="t-0-0", timestamp_ms=NOW_MS - 500 * DAY_MS)
    records.finish()
    assert "more than a year ago" in texts(records.findings(is_auto=True, now_ms=NOW_MS))


def test_findings_are_told_once_the_worst_first_and_not_without_end() -> None:
    many = [warning("fields", f"field {number}") for number in range(2 * MAX_FINDINGS)]
    assert len(sorted_findings([*many, *many])) == MAX_FINDINGS


@given(st.text())
def test_a_text_becomes_printable_and_one_that_is_so_already_stays(text: str) -> None:
    assert printable(text, 1000).isprintable()
    assert printable(text, 1000) == text or not text.isprintable()
