"""The laws of exclusions: ranges are a set of offsets, and the fold passes over the examples in it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.labels.exclusions import Exclusions, Range
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.engine.model.model import Model
from stream_al.messages import Example

law = settings(derandomize=True, deadline=None, max_examples=150)
MOST = 10
ends = st.integers(0, MOST)
ranges = st.lists(st.tuples(ends, ends), max_size=6)


def offsets(found: list[Range]) -> set[int]:
    """The same set, computed in the simplest way."""
    return {offset for begin, end in found for offset in range(begin, end)}


@law
@given(ranges)
def test_equal_sets_of_offsets_have_equal_ranges(found: list[Range]) -> None:
    excluded, wanted = Exclusions.of(found), offsets(found)
    assert {offset for offset in range(-1, MOST + 1) if offset in excluded} == wanted
    assert len(excluded) == len(wanted)
    assert excluded.end == max(wanted, default=-1) + 1
    assert excluded == Exclusions.of(reversed(excluded.ranges)) == Exclusions.of((n, n + 1) for n in wanted)
    for (_, end), (begin, _) in zip(excluded.ranges, excluded.ranges[1:], strict=False):
        assert end < begin
    assert "1" not in excluded


@law
@given(ranges, ends, ends)
def test_ranges_are_added_and_removed_as_sets_are(found: list[Range], begin: int, end: int) -> None:
    excluded, wanted, more = Exclusions.of(found), offsets(found), set(range(begin, end))
    assert offsets(list(excluded.adding(begin, end).ranges)) == wanted | more
    assert offsets(list(excluded.below(end).ranges)) == {offset for offset in wanted if offset < end}
    if begin <= end:
        assert offsets(list(excluded.without(begin, end).ranges)) == wanted - more
        assert excluded.covers(begin, end) == (more <= wanted)


def folded(examples: list[Example], excluded: Exclusions, upto: int) -> Learner:
    learner = Learner(Model("GaussianNB()", seed=0), KnownLabels(5))
    learner.excluded = excluded
    for offset, example in enumerate(examples[:upto]):
        learner.fold(example, offset)
    return learner


def log_of(labels: str) -> list[Example]:
    """Examples of a few repeated ids, with one label or the other."""
    return [
        Example(f"e{n % 7}", label, {"x": float(n % 5), "y": float(ord(label))})
        for n, label in enumerate(labels)
    ]


@law
@given(st.text("ab", min_size=MOST, max_size=MOST), ranges)
def test_a_fold_passes_over_excluded_examples_as_if_they_did_not_exist(
    labels: str, found: list[Range]
) -> None:
    excluded, log = Exclusions.of(found), log_of(labels)
    learner = folded(log, excluded, MOST)
    plain = folded(
        [example for offset, example in enumerate(log) if offset not in excluded], Exclusions(), MOST
    )
    assert learner.model.digest() == plain.model.digest()
    assert (learner.known, learner.known.conflicted) == (plain.known, plain.known.conflicted)
    assert learner.counts == plain.counts | {Outcome.EXCLUDED: len(excluded.below(MOST))}
    assert learner.offset == MOST


@law
@given(st.text("ab", min_size=MOST, max_size=MOST), ranges, ranges, ends)
def test_learners_that_are_consistent_with_the_same_exclusions_are_equal(
    labels: str, these: list[Range], those: list[Range], upto: int
) -> None:
    """Ranges of examples not folded yet do not matter, so one may continue with those of the other."""
    log = log_of(labels)
    one, other = folded(log, Exclusions.of(these), upto), folded(log, Exclusions.of(those), upto)
    assert one.is_consistent_with(other.excluded) == other.is_consistent_with(one.excluded)
    if one.is_consistent_with(other.excluded):
        one.excluded = other.excluded
        for learner in (one, other):
            for offset, example in enumerate(log[upto:], upto):
                learner.fold(example, offset)
        assert one.model.digest() == other.model.digest()
        assert one.counts == other.counts
