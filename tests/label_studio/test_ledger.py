"""The ledger: what is imported, withdrawn and sent, and what is not."""

from __future__ import annotations

from typing import Any

import msgspec

from stream_al.label_studio.annotations import Annotation, Task
from stream_al.label_studio.ledger import Ledger
from stream_al.label_studio.tasks import Key
from stream_al.messages import Query
from tests.support.stream import query

A: Key = ("a", "v")


def task(number: int, *annotations: tuple[int, str]) -> Task:
    return Task(number, "", {}, [Annotation(name, "t0", changed) for name, changed in annotations])


def asked(*names: str) -> list[Query]:
    return [msgspec.convert(query(name) | {"version": "v"}, Query) for name in names]


def ledger(most: int = 10) -> Ledger:
    made = Ledger(most)
    made.complete = True
    return made


def imported(found: Ledger, *names: str) -> list[str]:
    return [made.id for made in found.to_import(asked(*names))]


def withdrawable(found: Ledger, *open_keys: Key) -> list[int]:
    return found.withdrawable(lambda key: key in open_keys)


def test_a_query_with_a_task_is_not_imported() -> None:
    found = ledger()
    found.place(A, task(1))
    assert imported(found, "a", "b") == ["b"]


def test_a_query_that_was_refused_is_not_tried_again() -> None:
    found = ledger()
    found.refuse(A)
    assert imported(found, "a", "b") == ["b"]


def test_tasks_that_wait_are_limited_and_touched_ones_do_not_count() -> None:
    found = ledger(2)
    found.place(("x", "v"), task(1))
    found.place(("y", "v"), task(2, (1, "t")))
    assert imported(found, "a", "b") == ["a"]
    found.imported(A, 3)
    assert not found.has_room
    assert imported(found, "b") == []


def test_nothing_is_imported_before_all_tasks_are_known() -> None:
    found = ledger()
    found.begin()
    assert not found.has_room


def test_only_untouched_tasks_of_closed_queries_are_withdrawn() -> None:
    found = ledger()
    found.place(A, task(1))
    found.place(("b", "v"), task(2))
    found.place(("c", "v"), task(3, (1, "t")))
    assert withdrawable(found, A) == [2]
    found.withdrawn([2])
    assert withdrawable(found, A) == []


def test_of_two_tasks_of_one_query_the_older_or_the_touched_one_stays() -> None:
    for order in ([task(1), task(2)], [task(2), task(1)]):
        found = ledger()
        for one in order:
            found.place(A, one)
        assert withdrawable(found, A) == [2]
    found = ledger()
    for one in (task(1), task(2, (9, "t"))):
        found.place(A, one)
    assert withdrawable(found, A) == [1]
    found = ledger()
    for one in (task(1, (8, "t")), task(2, (9, "t"))):
        found.place(A, one)
    assert withdrawable(found, A) == []


def test_an_annotation_is_news_until_it_was_noted_and_again_when_it_changes() -> None:
    found = ledger()
    first = task(1, (5, "t1"))
    assert [news.changed for news in found.news(first)] == [False]
    assert found.news(first)  # its label may not have been sent yet
    found.note(first)
    assert found.news(first) == []
    assert [news.changed for news in found.news(task(1, (5, "t2"), (6, "t2")))] == [True, False]


def test_a_deleted_annotation_is_told_once() -> None:
    found = ledger()
    found.note(task(1, (5, "t"), (6, "t")))
    assert found.deleted(task(1, (6, "t"))) == [5]
    found.note(task(1, (6, "t")))
    assert found.deleted(task(1, (6, "t"))) == []


def test_the_ledger_grows_with_the_open_queries_alone() -> None:
    found: Any = ledger()
    for number in range(1, 60_000):
        labelled = task(number, (number, "t"))
        found.place((str(number), "v"), labelled)
        found.note(labelled)
        if number % 1000 == 0:
            found.withdrawable(lambda key: False)
    found.withdrawable(lambda key: False)
    assert not found._placed
    assert len(found._seen) <= 50_000


def test_a_task_imported_in_the_background_is_known_before_its_id_is() -> None:
    """Some servers give no ids. Then the query counts as imported, and is never deleted by the id 0."""
    found = ledger()
    found.imported(A, 0)
    assert imported(found, "a") == []
    assert withdrawable(found) == []
    found.imported(A, 0)
    found.place(A, task(4))
    assert withdrawable(found, A) == []
    assert withdrawable(found) == [4]
