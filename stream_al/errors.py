"""All errors of stream_al, divided by who must act.

    StreamAlError
    ├── BadMessage      the sender of one record: the record goes to the dead letters, the stream goes on
    │   └── NoSample    nobody: the record rightly holds nothing for this service; it is skipped and counted
    ├── Unavailable     nobody: a broker or a disk cannot be reached; wait, keep the offset, try again
    ├── Superseded      nobody: another replica owns the partition now; drop the batch
    ├── StateLost       the operator: a log no longer holds what the service needs; it never resets silently
    ├── Misconfigured   the user: the settings or the command line ask for something that cannot work
    └── ClientError     who uses a client: a request had no effect (`stream_al.client.errors`)

The text of an error is one sentence that says what is wrong and what to do or write instead. The command
line prints it without a traceback. Any other exception that reaches the top is a bug and keeps its traceback.
"""

from __future__ import annotations

from typing import Self

__all__ = [
    "BadMessage",
    "Misconfigured",
    "NoSample",
    "StateLost",
    "StreamAlError",
    "Superseded",
    "Unavailable",
    "described",
]


class StreamAlError(Exception):
    """The base class of all errors that are raised on purpose. It is never raised itself."""

    exit_code = 1


class BadMessage(StreamAlError):
    """One record cannot be used.

    Args:
        reason: A short, stable name in snake_case, for a metric label (`not_json`, `no_id`, ...).
        message: What is wrong with this record.
        subject: The feature or the class at fault; empty if it is not known.
    """

    def __init__(self, reason: str, message: str, *, subject: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.subject = subject

    def kept(self) -> Self:
        """This error without its traceback and its cause, to be kept with others.

        A traceback keeps frames alive, and the frame that keeps the error is one of them. Such a cycle stays
        until Python searches for cycles: with thousands of bad records that took 0.16 s at a time.
        """
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self


class NoSample(BadMessage):
    """A record that holds no sample, or no label, and rightly so: a tombstone, or the deletion of a row."""


class Unavailable(StreamAlError):
    """A broker, a disk or a store did not respond before the deadline. Nothing was applied."""


class Superseded(StreamAlError):
    """The partition moved to another replica while this one processed a batch of it."""


class StateLost(StreamAlError):
    """A log has lost records that the service still needs."""


class Misconfigured(StreamAlError):
    """Settings or arguments that cannot work.

    Args:
        mistakes: One sentence for each mistake, beginning with the path of the setting.
    """

    exit_code = 2

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def described(error: BaseException, most: int | None = None) -> str:
    r"""An error of another library on one line: its type and its text.

    Args:
        error: The error.
        most: How many characters of its text count; None for all.

    >>> described(TypeError("unsupported\n operand"))
    'TypeError: unsupported operand'
    """
    return f"{type(error).__name__}: {' '.join(str(error)[:most].split())}"
