"""The laws of a query's life."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.labels.lifecycle import LIFE, Event, Stage, diagram, follow

LAWFUL = {
    (Stage.SELECTED, Event.QUERIED): Stage.PENDING,
    (Stage.PENDING, Event.LABEL): Stage.LABELLED,
    (Stage.PENDING, Event.SKIP): Stage.SKIPPED,
    (Stage.PENDING, Event.DEADLINE): Stage.EXPIRED,
    (Stage.LABELLED, Event.OTHER_LABEL): Stage.CONFLICTED,
}
"""Every step that changes anything, written again so that a change of the table is noticed."""

CLOSED = {Stage.LABELLED, Stage.CONFLICTED, Stage.SKIPPED, Stage.EXPIRED}


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("event", Event)
def test_an_event_leads_where_the_table_says_or_changes_nothing(stage: Stage, event: Event) -> None:
    assert follow(stage, event) is LAWFUL.get((stage, event), stage)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("event", Event)
def test_an_event_that_comes_twice_changes_nothing_the_second_time(stage: Stage, event: Event) -> None:
    after = follow(stage, event)
    assert follow(after, event) is after


@settings(derandomize=True, deadline=None)
@given(events=st.lists(st.sampled_from(Event)))
def test_a_closed_query_never_opens_and_what_was_learned_stays_learned(events: list[Event]) -> None:
    stage = Stage.SELECTED
    for event in events:
        before, stage = stage, follow(stage, event)
        assert (before in CLOSED) <= (stage in CLOSED)
        assert (before in {Stage.SKIPPED, Stage.EXPIRED}) <= (stage is before)
        assert (before in {Stage.LABELLED, Stage.CONFLICTED}) <= (stage in {Stage.LABELLED, Stage.CONFLICTED})


def test_every_stage_can_be_reached_and_no_other() -> None:
    reached, before = {Stage.SELECTED}, set[Stage]()
    while reached != before:
        before = set(reached)
        reached |= {after for (stage, _), after in LIFE.items() if stage in reached}
    assert reached == set(Stage)


def test_the_diagram_draws_every_stage_and_every_step_that_changes_anything() -> None:
    lines = diagram().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> selected"]
    steps = {f"    {before} --> {after}: {event}" for (before, event), after in LAWFUL.items()}
    ends = {f"    {stage} --> [*]" for stage in CLOSED}
    assert set(lines[2:]) == steps | ends
    assert len(lines) == 2 + len(steps) + len(ends)
    assert diagram() == diagram()
