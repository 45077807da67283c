"""The laws of a stream to simulate."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.datasets.form import Noticed
from stream_al.datasets.rows import Row, Wanted
from stream_al.engine.samples.sample import InputRules
from stream_al.errors import Misconfigured
from stream_al.simulate.delay import Delay, arrivals
from stream_al.simulate.stream import BUNDLED, Columns, Stream, bundled, make_stream, named_rows


def made(rows: list[Row], **columns: object) -> Stream:
    return make_stream("s", rows, Columns(**columns))  # type: ignore[arg-type]


@given(st.lists(st.integers(-100, 100), min_size=1))
@settings(derandomize=True, deadline=None)
def test_the_clock_never_runs_backwards(times: list[int]) -> None:
    """It is the latest time so far, in seconds."""
    stream = made([Row({"x": 1}, 0, time=t) for t in times], time="t", unit=60.0)
    assert stream.clock == [60 * max(times[: k + 1]) for k in range(len(times))]


def test_times_are_numbers_or_iso_8601() -> None:
    rows = [
        Row({"x": 1}, 0, time="1970-01-01T00:00:10Z"),
        Row({"x": 1}, 0, time="20.5"),
        Row({"x": 1}, 0, time="1970-01-01T01:01+01:00", label_time="1970-01-01"),
    ]
    stream = made(rows, time="_at", label_time="_known")
    assert stream.clock == [10.0, 20.5, 60.0]
    assert stream.labelled == [inf, inf, 0.0]  # a label without a time never comes


@pytest.mark.parametrize("time", [10**400, "soon", True, [5], 1e309])
def test_what_is_no_time_is_a_mistake(time: object) -> None:
    with pytest.raises(Misconfigured, match="name a column of numbers or of times"):
        made([Row({"x": 1}, 0, time=time)], time="at")


def test_the_time_of_the_label_is_no_feature(tmp_path: Path) -> None:
    """It would reveal whether there is a label, and often which. The time of the sample may be a feature."""
    path = tmp_path / "s.csv"
    path.write_text("x,came,known,label\n1,5,9,0\n")
    wanted = Wanted(time="came", label_time="known")
    stream = make_stream(*named_rows(path, "", wanted, Noticed()), Columns("came", "known"))
    assert (stream.rows[0].features, stream.clock, stream.labelled) == ({"x": 1, "came": 5}, [5.0], [9.0])


def test_features_are_read_as_the_service_reads_them(tmp_path: Path) -> None:
    """Those of a file, and those of a bundled dataset."""
    path = tmp_path / "s.jsonl"
    path.write_text('{"a": {"b": [1, 2]}, "secret": 3, "no": null, "label": 0}')
    wanted = Wanted(InputRules(exclude=("secret", "f1")))
    stream = make_stream(*named_rows(path, "", wanted, Noticed()), Columns())
    assert stream.rows[0].features == {"a.b.0": 1, "a.b.1": 2}
    _, recorded = named_rows(None, "shuttle", wanted, Noticed())
    assert next(iter(recorded)).features.keys() == {f"f{n}" for n in range(2, 10)}


def test_a_stream_without_its_beginning_keeps_its_times() -> None:
    stream = made([Row({"x": 1}, t, time=t, label_time=t + 1) for t in range(5)], time="t", label_time="u")
    rest = stream.after(2)
    assert (rest.rows, rest.clock, rest.labelled) == (stream.rows[2:], [2, 3, 4], [3, 4, 5])
    assert stream.after(0) is stream


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_dataset_has_rows(name: str) -> None:
    first = next(bundled(name))
    assert first.features
    assert isinstance(first.label, int | str)


@pytest.mark.parametrize(
    ("rows", "columns", "said"),
    [
        ([], {}, "it holds no sample with a label"),
        ([Row({"x": 1}, 0)], {"time": "t"}, "--time: no row has a time at 't'"),
        ([Row({"x": 1}, 0)], {"label_time": "t"}, "--label-time: no row has a time at 't'"),
        ([Row({"x": 1}, 0, time=1), Row({"x": 1}, 0)], {"time": "t"}, "without gaps; row 2 has no 't'"),
        ([Row({"x": 1}, 0, time="soon")], {"time": "t"}, "row 1 has 'soon' at 't'"),
        ([Row({"x": 1}, 0, time=True)], {"time": "t"}, "row 1 has True at 't'"),
    ],
)
def test_a_mistake_in_the_data_is_one_sentence(rows: list[Row], columns: dict[str, str], said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        made(rows, **columns)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "-1", "5x", "s", "1.5", "1e3", "10 s", "1d2h", "columns", "²", "9" * 40]
)
def test_a_delay_in_an_unknown_unit_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="--delays: write"):
        Delay.parse(text)


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("0.5m", 30), ("2h", 7200), ("3d", 259200)])
def test_a_delay_may_be_a_time(text: str, seconds: float) -> None:
    assert Delay.parse(text).seconds == seconds


@pytest.mark.parametrize(("text", "option"), [("5s", "--time"), ("column", "--time")])
def test_a_delay_that_needs_times_names_the_option(text: str, option: str) -> None:
    with pytest.raises(Misconfigured, match=option):
        arrivals(Delay.parse(text), Stream("s", [Row({"x": 1}, 0)]))
    with pytest.raises(Misconfigured, match="--label-time"):
        arrivals(Delay.parse("column"), Stream("s", [Row({"x": 1}, 0)], clock=[1.0]))
