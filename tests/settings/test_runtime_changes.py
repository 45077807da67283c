"""The settings that may be changed while the service runs, and the mistakes in a change."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.errors import Misconfigured
from stream_al.settings import Settings, load
from stream_al.settings.description import describe
from stream_al.settings.runtime_changes import CHANGEABLE, changed, in_force

law = settings(derandomize=True, deadline=None, max_examples=200)

MISTAKES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["write what to change"]),
    ({"budget": {}}, ["write what to change"]),
    ({"budget": 7}, ["budget: write an object"]),
    ({"budget": {"share": 7}}, ["budget.share: write a number > 0 and <= 1, not 7"]),
    ({"budget": {"share": 5e-324}}, ["budget.share: write at least 1e-09: one label in a billion samples"]),
    ({"budget": {"share": True}}, ["budget.share: write a number > 0 and <= 1, not True"]),
    ({"budget": {"share": "0.1"}}, ["budget.share: write a number > 0 and <= 1, not '0.1'"]),
    ({"budget": {"share": math.nan}}, ["budget.share: write a number > 0 and <= 1, not nan"]),
    ({"budget": {"pending": 1.5}}, ["budget.pending: write a whole number >= 1, not 1.5"]),
    ({"budget": {"pending": [1]}}, ["budget.pending: write a whole number >= 1, not [1]"]),
    ({"budget": {"total": 10**400}}, ["budget.total: write at most 2147483647"]),
    ({"budget": {"shares": 1}}, ["budget.shares: there is no such setting; did you mean budget.share?"]),
    (
        {"budget": {"manager": "x"}},
        ["budget.manager: cannot be changed while the service runs (budget.share"],
    ),
    ({"kafka": {}}, ["kafka: cannot be changed while the service runs"]),
    ({"budget.share": 0.1}, ['budget.share: write it inside "budget"']),
    ({"\ud800": 1}, ["\\ud800: there is no such setting"]),
    (
        {"seed": 1, "budget": {"share": 0, "per_hour": 0, "pending": 5}},
        ["seed: cannot", "budget.share: write", "budget.per_hour: write"],
    ),
]


@pytest.mark.parametrize(("request_", "said"), MISTAKES, ids=lambda given: str(given)[:40])
def test_every_mistake_is_named_and_nothing_of_the_request_is_taken(
    request_: dict[str, Any], said: list[str]
) -> None:
    with pytest.raises(Misconfigured) as caught:
        changed(Settings(), {"share": 0.5}, request_)
    assert len(caught.value.mistakes) == len(said)
    for mistake, words in zip(sorted(caught.value.mistakes), sorted(said), strict=True):
        assert mistake.startswith(words)
        mistake.encode()  # it can be sent


ranges: dict[str, st.SearchStrategy[Any]] = {
    "share": st.floats(1e-9, 1),
    "exploration": st.floats(0, 1),
    **{name: st.integers(1, 2**31 - 1) for name in ("pending", "per_hour", "total")},
}
changes = st.fixed_dictionaries({}, optional={name: st.none() | made for name, made in ranges.items()})


@law
@given(before=changes, then=changes.filter(bool))
def test_changed_settings_are_in_force_and_the_others_are_as_configured(
    before: dict[str, Any], then: dict[str, Any]
) -> None:
    configured = load(overrides=["budget.share=0.02", "budget.total=77"], environ={})
    known = {name: value for name, value in before.items() if value is not None}
    after = changed(configured, known, {"budget": then})
    budget = in_force(configured, json.loads(json.dumps(after)))
    for name in CHANGEABLE:
        given_ = then[name] if name in then else known.get(name)
        assert getattr(budget, name) == (getattr(configured.budget, name) if given_ is None else given_)
        assert (name in after) == (given_ is not None)
    assert budget.manager == configured.budget.manager


@law
@given(st.dictionaries(st.sampled_from(CHANGEABLE), st.integers() | st.floats() | st.text()))
def test_a_record_is_in_force_or_refused(record: dict[str, Any]) -> None:
    with suppress(Misconfigured):
        budget = in_force(Settings(), record)
        assert 0 < budget.share <= 1
        assert 0 <= budget.exploration <= 1
        assert budget.pending >= 1


def test_everything_that_may_be_changed_is_a_setting() -> None:
    assert {f"budget.{name}" for name in CHANGEABLE} <= {row.path for row in describe()}
