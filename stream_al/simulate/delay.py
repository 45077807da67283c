"""Label delay: the time from a sample until its label can be learned.

    written as   | the label of a sample is learned before the first later sample that
    -------------|---------------------------------------------------------------------------
    500          | has 500 samples between the labelled one and itself; 0 is the very next sample
    30s 10m 2h 3d| came at least that much later by the stream's clock
    column       | came when the recorded label had come, or later; a label that never came is
                 | paid for and never learned

No label is learned before its own sample was predicted and decided, even if a column has an earlier time.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from stream_al.errors import Misconfigured
from stream_al.simulate.stream import UNITS, Stream

__all__ = ["RECORDED", "Arrivals", "Delay", "arrivals", "later", "seconds_of"]

RECORDED = "column"


def seconds_of(text: str) -> float | None:
    """The seconds of a time such as 30s, 10m, 2h or 3d; None if the text is none."""
    found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)([smhd])", text)
    return float(found[1]) * UNITS[found[2]] if found else None


@dataclass(frozen=True, slots=True)
class Delay:
    """A label delay.

    Attributes:
        text: The delay as it was written.
        samples: The delay in samples, if it is one.
        seconds: The delay in seconds, if it is one. If neither is given, labels come as recorded.

    >>> Delay.parse("500").samples, Delay.parse("10m").seconds
    (500, 600.0)
    """

    text: str
    samples: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Delay:
        """The delay of a text.

        Raises:
            Misconfigured: The text is none of the three forms.
        """
        if text == RECORDED:
            return cls(text)
        if re.fullmatch(r"[0-9]{1,15}", text):
            return cls(text, samples=int(text))
        late = seconds_of(text)
        if late is None:
            raise Misconfigured(
                f"--delays: write a number of samples such as 500, a time such as 30s, 10m, 2h or 3d, "
                f"or {RECORDED}, not {text!r}"
            )
        return cls(text, seconds=late)

    def check(self, *, clock: bool, labelled: bool) -> None:
        """Check that a stream has the times that the delay needs.

        Raises:
            Misconfigured: A time is missing; the option to add.
        """
        if self.samples is None and not clock:
            raise Misconfigured(f"--delays: {self.text} needs --time COLUMN, the time of each sample")
        if self.text == RECORDED and not labelled:
            raise Misconfigured(f"--delays: {self.text} needs --label-time COLUMN, the time of each label")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When each label can be learned.

    Attributes:
        first: For each label, the position of the first sample whose prediction can know it; at least the
            length of the stream if there is none.
        order: Labels that the same sample is the first to know are learned in ascending order of this.
    """

    first: Sequence[int]
    order: Sequence[float]

    def of(self, position: int) -> tuple[int, float]:
        """Both of one label."""
        return self.first[position], self.order[position]


def later(samples: int, number: int) -> Arrivals:
    """Labels that come before the sample `number` positions later; `number` is at least 1.

    >>> later(3, 2).first
    range(2, 5)
    """
    return Arrivals(range(number, samples + number), range(samples))


def arrivals(delay: Delay, stream: Stream) -> Arrivals:
    """When the labels of a stream can be learned.

    Raises:
        Misconfigured: The stream has no times for this delay.
    """
    delay.check(clock=stream.clock is not None, labelled=stream.labelled is not None)
    number = len(stream.rows)
    if delay.samples is not None:
        return later(number, delay.samples + 1)
    clock, late = stream.clock or (), delay.seconds
    came = stream.labelled or () if late is None else [time + late for time in clock]
    return Arrivals([max(p + 1, bisect_left(clock, time)) for p, time in enumerate(came)], came)
