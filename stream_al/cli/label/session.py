"""A person labels at a terminal: what each key (`KEYS`) means now. It reads no keyboard and sends nothing.

*Undo.* A label that was sent is learned, and a label that was learned stays. So the last label waits until
the next one is given, for `HOLD_SECONDS` at most, and can be taken back meanwhile. A label that was sent
before is corrected: its query is shown again, and the next class replaces it.

*The guess* is hidden until it is asked for, because whoever sees it tends to agree. It is never shown for
explored samples and for second labels: they say how good the model and the labels are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from stream_al.client import LeasedQuery
from stream_al.messages import ClassLabel, class_names

__all__ = ["HOLD_SECONDS", "KEYS", "Given", "LabelSession", "Need", "typed_class"]

HOLD_SECONDS = 6.0
MOST_SHOWN = 9  # classes with a number
MOST_UNDONE = 20
NUMBERS = tuple("123456789")

KEYS = {
    "1 to 9": "the class beside that number",
    "/": "search among the classes",
    "n": "a class that is not there yet",
    "s": "skip, with a reason",
    "f": "flag, with a comment that goes with the label",
    "g": "show the model's guess",
    "u": "undo: take the last label back, or correct it",
    "?": "these keys",
    "q": "quit",
}


class Need(Enum):
    """What is needed before the session can go on."""

    KEY = ""
    SEARCH = "part of a class (Enter shows all)"
    NEW_CLASS = "new class (Enter for none)"
    SKIP_REASON = "why it is skipped (Enter for no reason)"
    COMMENT = "comment (Enter for none)"
    QUERY = "the next query"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Given:
    """What was given for a query.

    Attributes:
        query: The query.
        label: The class; None if the query is skipped.
        skip_reason: Why it is skipped; None for no reason.
        guess_shown: Whether the model's guess had been shown.
        comment: What others should know.
        flagged: Whether somebody should look at it again.
        corrects: Whether it replaces a label that was sent.
    """

    query: LeasedQuery
    label: ClassLabel | None = None
    skip_reason: str | None = None
    guess_shown: bool = False
    comment: str | None = None
    flagged: bool = False
    corrects: bool = False


@dataclass(slots=True)
class LabelSession:
    """What a person sees and has done.

    Attributes:
        classes: The classes, with their types.
        open_classes: Whether a label may name another class.
        query: The query that is shown; None while there is none.
        influence: How much each feature does for the prediction; empty if that is not known.
        shown: The classes beside the numbers, each with its name.
        guess_shown: Whether the guess is shown.
        help_shown: Whether the keys are shown.
        message: A sentence about what was done last; empty if there is nothing to say.
        held: The last label, which is not sent yet.
        given: The number of labels and skips.
    """

    classes: list[ClassLabel]
    open_classes: bool
    query: LeasedQuery | None = None
    influence: Mapping[str, float] = field(default_factory=dict)
    shown: list[tuple[ClassLabel, str]] = field(default_factory=list)
    guess_shown: bool = False
    help_shown: bool = False
    message: str = ""
    held: Given | None = None
    given: int = 0
    _flagged: bool = False
    _comment: str | None = None
    _corrects: bool = False
    _next: deque[LeasedQuery] = field(default_factory=deque)  # shown before, and to be shown again
    _sent: deque[Given] = field(default_factory=lambda: deque(maxlen=MOST_UNDONE))
    _to_send: list[Given] = field(default_factory=list)

    @property
    def flagged(self) -> bool:
        """Whether the label of the shown query will be flagged."""
        return self._flagged

    def show(self, query: LeasedQuery, *, corrects: bool = False) -> Need:
        """Show a query."""
        self.query = query
        self.shown = self._named()[:MOST_SHOWN]
        self.guess_shown = self._flagged = False
        self._comment, self._corrects = None, corrects
        return Need.KEY

    def by_influence(self) -> list[tuple[str, Any]]:
        """The features of the shown query, those that do the most for the prediction first."""
        features = self._current.features
        return sorted(features.items(), key=lambda one: -abs(self.influence.get(one[0], 0.0)))

    def press(self, key: str) -> Need:
        """Do what a key means."""
        self.message, self.help_shown = "", False
        if key in NUMBERS:
            return self._choose(int(key))
        meanings: dict[str, Callable[[], Need]] = {
            "/": lambda: Need.SEARCH,
            "n": self._name_class,
            "s": self._skip,
            "f": lambda: Need.COMMENT,
            "g": self._show_guess,
            "u": self._undo,
            "?": self._show_help,
            "q": self._quit,
        }
        return meanings.get(key, self._ignore)()

    def fill_in(self, need: Need, text: str) -> Need:
        """Take the text that a key has asked for."""
        text = text.strip()
        if need is Need.SEARCH:
            self._search(text)
        elif need is Need.NEW_CLASS and text:
            label = typed_class(text, self.classes)
            if label not in self.classes:
                self.classes.append(label)
            return self._give(Given(self._current, label))
        elif need is Need.SKIP_REASON:
            return self._give(Given(self._current, skip_reason=text or None))
        elif need is Need.COMMENT:
            self._flagged, self._comment = True, text or None
            self.message = "flagged; the label comes next"
        return Need.KEY

    def release_held(self) -> None:
        """Let the last label be sent; from now on it can be corrected only."""
        if self.held is not None:
            self._to_send.append(self.held)
            self._sent.append(self.held)
            self.held = None

    def to_send(self) -> list[Given]:
        """The labels to send now, each once."""
        taken, self._to_send = self._to_send, []
        return taken

    def again(self) -> LeasedQuery | None:
        """A query that was shown before and has to be shown again; None if there is none."""
        return self._next.popleft() if self._next else None

    @property
    def _current(self) -> LeasedQuery:
        if self.query is None:
            raise RuntimeError("keys are read only while a query is shown")
        return self.query

    def _named(self) -> list[tuple[ClassLabel, str]]:
        """All classes with their names: 1 and True are equal for Python, and two classes here."""
        return list(zip(self.classes, class_names(*self.classes), strict=True))

    def _choose(self, number: int) -> Need:
        if number > len(self.shown):
            return self._say("no class has this number")
        return self._give(Given(self._current, self.shown[number - 1][0]))

    def _give(self, given: Given) -> Need:
        self.release_held()
        self.held = Given(
            given.query,
            given.label,
            given.skip_reason,
            self.guess_shown,
            self._comment,
            self._flagged,
            self._corrects,
        )
        self.given += not self._corrects
        what = "skipped" if given.label is None else class_names(given.label)[0]
        self.message = f"{given.query.id}: {what} (u takes it back)"
        self.query = None
        return Need.QUERY

    def _name_class(self) -> Need:
        if self.open_classes:
            return Need.NEW_CLASS
        return self._say("the service takes no other class (labels.classes)")

    def _skip(self) -> Need:
        if self._corrects:
            return self._say("a label that was sent can be replaced, and not be skipped")
        return Need.SKIP_REASON

    def _show_help(self) -> Need:
        self.help_shown = True
        return Need.KEY

    def _quit(self) -> Need:
        self.release_held()
        return Need.END

    def _ignore(self) -> Need:
        return self._say("this key has no meaning; ? shows those that have one")

    def _say(self, message: str) -> Need:
        self.message = message
        return Need.KEY

    def _show_guess(self) -> Need:
        query = self._current
        if query.second or query.query.reason == "explore":
            kind = "second labels" if query.second else "explored samples"
            return self._say(f"the guess is never shown for {kind}: they say how good model and labels are")
        if query.prediction.label is None:
            return self._say("the model has no guess yet")
        self.guess_shown = True
        return Need.KEY

    def _search(self, text: str) -> None:
        fits = [(label, name) for label, name in self._named() if text.lower() in name.lower()]
        self.shown = fits[:MOST_SHOWN]
        rest = len(fits) - len(self.shown)
        self.message = f"{rest} more classes fit; search for a longer part" if rest else ""
        if not fits:
            self.message = f"no class has {text!r} in its name"

    def _undo(self) -> Need:
        if self.held is not None:
            taken, corrects = self.held, self.held.corrects
            self.held = None
            self.given -= not corrects
        elif self._sent:
            taken, corrects = self._sent.pop(), True
            if taken.label is None:
                return self._say(f"{taken.query.id} was skipped and sent: that cannot be undone")
        else:
            return self._say("there is nothing to undo")
        if self.query is not None and not self._corrects:
            self._next.appendleft(self.query)
        self.message = f"{taken.query.id} again" + (
            ": its label was sent, and will be replaced" if corrects else ""
        )
        return self.show(taken.query, corrects=corrects)


def typed_class(text: str, classes: Sequence[ClassLabel]) -> ClassLabel:
    """The class that a typed text names: of the type of the others, if they all have one type and it fits.

    >>> typed_class("7", [1, 2]), typed_class("7", ["1"]), typed_class("7", []), typed_class("x", [1])
    (7, '7', '7', 'x')
    """
    for label in classes:
        if class_names(label) == (text,):
            return label
    kinds = {type(label) for label in classes}
    try:
        if kinds == {int}:
            return int(text)
        if kinds and kinds <= {int, float}:
            return float(text)
    except ValueError:
        pass  # not of their type: the text itself is the class
    return text
