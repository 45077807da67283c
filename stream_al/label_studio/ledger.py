"""The ledger: which task stands for which query, and which annotations were dealt with.

It holds nothing that cannot be read again from Label Studio, and it decides what has to be done:

    import     an open query without a task, the most useful first, while there is room
    withdraw   a task that nobody has touched and whose query is closed; a second task of one query
    send       an annotation that is new, or that was changed since it was sent

Tasks that somebody has touched stay. They are forgotten here when their query is closed, so the ledger grows
with the open queries and not with all that were ever labelled.

>>> ledger = Ledger(most_tasks=10)
>>> ledger.place(("a", "v"), Task(7, "", {}))
>>> ledger.withdrawable(is_open=lambda key: False)
[7]
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from stream_al.label_studio.annotations import Annotation, Task
from stream_al.label_studio.tasks import Key, key_of
from stream_al.messages import Query

__all__ = ["Ledger", "News"]

MOST_SEEN = 50_000  # tasks whose annotations are remembered; more are sent again when they are seen again
MOST_REFUSED = 10_000
UNKNOWN = 0  # the id of a task that the server imports in the background


class Placed(NamedTuple):
    """The task of a query: its id, and whether nobody has touched it."""

    task: int
    untouched: bool


class News(NamedTuple):
    """An annotation to send, and whether an earlier state of it was sent before."""

    annotation: Annotation
    changed: bool


class Ledger:
    """What is known of the tasks of a project.

    Args:
        most_tasks: Most tasks that wait for an annotator.

    Attributes:
        complete: Whether all tasks were seen; nothing is imported before.
    """

    def __init__(self, most_tasks: int) -> None:
        self.most_tasks = most_tasks
        self.complete = False
        self._placed: dict[Key, Placed] = {}
        self._surplus: set[int] = set()
        self._seen: OrderedDict[int, dict[int, str]] = OrderedDict()
        self._refused: OrderedDict[Key, None] = OrderedDict()

    def begin(self) -> None:
        """Forget which tasks there are, because all of them will be seen again."""
        self.complete = False
        self._placed = {}
        self._surplus = set()

    @property
    def waiting(self) -> int:
        """The number of tasks that nobody has touched."""
        return sum(placed.untouched for placed in self._placed.values())

    @property
    def has_room(self) -> bool:
        """Whether another task may be imported."""
        return self.complete and self.waiting < self.most_tasks

    def place(self, key: Key, task: Task) -> None:
        """Note the task of a query, as it is now."""
        seen = Placed(task.id, task.is_untouched)
        other = self._placed.get(key)
        self._surplus.discard(task.id)
        if other is None or other.task in (task.id, UNKNOWN):
            self._placed[key] = seen
            return
        # Two tasks of one query. What somebody has touched stays; else the older one.
        first, second = sorted((other, seen), key=lambda placed: (placed.untouched, placed.task))
        self._placed[key] = first
        if second.untouched:
            self._surplus.add(second.task)

    def imported(self, key: Key, task: int) -> None:
        """Note a task that was imported just now."""
        self._placed[key] = Placed(task, untouched=True)

    def refuse(self, key: Key) -> None:
        """Note that Label Studio does not take the task of a query."""
        self._refused[key] = None
        if len(self._refused) > MOST_REFUSED:
            self._refused.popitem(last=False)

    def to_import(self, queries: Iterable[Query]) -> Iterator[Query]:
        """Those of the open queries, in their order, that have no task; as many as there is room for."""
        room = self.most_tasks - self.waiting
        for query in queries:
            if room <= 0:
                return
            key = key_of(query)
            if key not in self._placed and key not in self._refused:
                room -= 1
                yield query

    def ranks_needed(self) -> int:
        """How many of the most useful queries have to be looked at, so that no room stays empty."""
        return self.most_tasks + len(self._placed) + len(self._refused)

    @property
    def surplus(self) -> frozenset[int]:
        """The tasks that are a second one of their query."""
        return frozenset(self._surplus)

    def withdrawable(self, is_open: Callable[[Key], bool]) -> list[int]:
        """The tasks to delete if still nobody has touched them; touched ones are forgotten."""
        closed = [key for key in self._placed if not is_open(key)]
        for key in closed:
            # One whose id is not known yet is found, and deleted, when all tasks are listed.
            if not self._placed[key].untouched or self._placed[key].task == UNKNOWN:
                del self._placed[key]
        return [*(self._placed[key].task for key in closed if key in self._placed), *sorted(self._surplus)]

    def withdrawn(self, tasks: Iterable[int]) -> None:
        """Forget tasks that were deleted. One that was touched meanwhile is seen again by its change."""
        gone = set(tasks)
        self._surplus -= gone
        self._placed = {key: placed for key, placed in self._placed.items() if placed.task not in gone}

    def news(self, task: Task) -> list[News]:
        """The annotations of a task that have to be sent, in the order in which they were made."""
        known = self._seen.get(task.id, {})
        return [
            News(annotation, annotation.id in known)
            for annotation in sorted(task.annotations, key=lambda annotation: annotation.id)
            if known.get(annotation.id) != annotation.updated_at
        ]

    def deleted(self, task: Task) -> list[int]:
        """The ids of annotations that were dealt with and are no longer there."""
        there = {annotation.id for annotation in task.annotations}
        return sorted(self._seen.get(task.id, {}).keys() - there)

    def note(self, task: Task) -> None:
        """Note that all annotations of a task, as it is now, were dealt with."""
        if not task.annotations and task.id not in self._seen:
            return
        self._seen[task.id] = {annotation.id: annotation.updated_at for annotation in task.annotations}
        self._seen.move_to_end(task.id)
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)
