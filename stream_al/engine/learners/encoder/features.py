"""Features: what the values of one feature have shown so far, and the tokens that a value gives.

A text gives a token for the whole, if it is short, and one for each of its words, if the values of the
feature have several. A feature whose texts are single words, and new nearly every time, is an id and gives
none.
"""

from __future__ import annotations

import math
import re
from hashlib import blake2b
from typing import Any

from stream_al.engine.learners.encoder.quantities import shows_decimal_comma
from stream_al.engine.learners.encoder.values import LINEAR, Value, read, words
from stream_al.engine.learners.encoder.vocabulary import CATEGORY, ORDER, WORD

__all__ = ["FULL", "MANY", "NEARLY_ALL", "NONE", "PLAIN", "Feature"]

NONE, FULL = -1, -2  # in the place of a column
PLAIN = {float, int, bool}
MAX_CATEGORY = 64  # characters of a text that may be a category
MANY = 20  # values after which it is judged what a feature is
NEARLY_ALL = 0.95
SEVERAL = 2.5  # words a value, on average, of a text
FEW = 10  # values with a comma that decide how the next one is read
RECENT = 100  # values of a feature that are kept to see whether one comes again

_ID = re.compile(r"(?:^|[\W_])(?:id|ids|uuid|guid|key|hash|number|no|nr)$|[a-z]I[dD]$", re.IGNORECASE)


class Feature:
    """What is known of one feature.

    Attributes:
        name: Its name.
        place: Its number among the features.
        names_id: Whether its name ends like an id's.
        column: Its column of numbers; NONE, or FULL if there was no room for one.
        dates: Its columns of dates, one a part, or none.
        texts: How many of its values were texts, or integers where the name is an id's.
        fresh: How many of these were new.
        words: How many words they have in all.
        recent: The last of them, long ones as a digest: a record may have a million characters.
        numeric: How many of them were numbers.
        commas: How many of its values showed a decimal comma, less those that showed none.
    """

    __slots__ = (
        "column", "commas", "dates", "fresh", "name", "names_id", "numeric",
        "place", "recent", "texts", "words",
    )  # fmt: skip

    def __init__(self, name: str, place: int) -> None:
        self.name = name
        self.place = place
        self.names_id = _ID.search(name) is not None
        self.column = NONE
        self.dates: tuple[int, ...] = ()
        self.texts = self.fresh = self.words = self.numeric = self.commas = 0
        self.recent: dict[str, None] = {}

    def takes_plainly(self, value: Any) -> bool:
        """Whether the value is a number of moderate size and goes where numbers do: the usual case."""
        known = self.column >= 0 and not self.names_id and type(value) in PLAIN
        return known and -LINEAR <= value <= LINEAR  # NaN is not

    @property
    def is_text(self) -> bool:
        """Whether its values have several words."""
        return self.words > SEVERAL * self.texts

    @property
    def is_id(self) -> bool:
        """Whether its values are single words, and new nearly every time."""
        return self.texts >= MANY and self.fresh > NEARLY_ALL * self.texts and not self.is_text

    @property
    def is_numeric(self) -> bool:
        """Whether most of its values that may be ids were numbers."""
        return 2 * self.numeric > self.texts

    def read(self, value: Any) -> Value:
        """Read a value as one of this feature."""
        if type(value) is not str:
            return read(value)
        return read(value, decimal_comma=self.commas > 0, quantities=not self.is_text)

    def note_comma(self, value: Any) -> None:
        """Note what a value shows of the commas of this feature."""
        if type(value) is str and "," in value:
            self.commas = max(-FEW, min(FEW, self.commas + shows_decimal_comma(value.strip())))

    def note(self, text: str, count: int, *, is_number: bool) -> None:
        """Note a value, of so many words, as one of those that may be ids."""
        self.texts += 1
        self.numeric += is_number
        self.words += count
        if len(text) > MAX_CATEGORY:
            text = "\0" + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        self.fresh += text not in self.recent
        self.recent[text] = None
        if len(self.recent) > RECENT:
            del self.recent[next(iter(self.recent))]
        if self.texts >= 10 * RECENT:  # what was long ago fades
            self.texts, self.fresh, self.words = self.texts // 2, self.fresh // 2, self.words // 2
            self.numeric //= 2

    def tokens(self, value_read: Value) -> list[str]:
        """What it gives besides numbers."""
        found: list[str] = []
        if value_read.number and self.column == FULL:
            sign = "-" if value_read.number < 0 else ""
            found.append(f"{self.name}{ORDER}{sign}{math.frexp(value_read.number)[1]}")
        if value_read.text is not None and not self.is_id:
            if len(value_read.text) <= MAX_CATEGORY:
                found.append(f"{self.name}{CATEGORY}{value_read.text}")
            if value_read.number is None and " " in value_read.text and (self.is_text or not self.texts):
                found += [f"{self.name}{WORD}{word}" for word in words(value_read.text)]
        return found

    def kind(self, *, is_left_out: bool) -> str:
        """What it is taken for."""
        if self.dates:
            return "date"
        if is_left_out:
            return "id"
        if self.is_text:
            return "text"
        return "category" if self.column == NONE else "number"
