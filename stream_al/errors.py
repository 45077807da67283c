"""Every error of stream_al, split by who must act.

    StreamAlError
    ├── BadMessage      the sender of one record: it goes to the dead letters, the stream goes on
    ├── Unavailable     nobody: a broker or a disk is away; back off, keep the offset, try again
    ├── Superseded      nobody: another replica owns the partition now; drop the batch
    ├── StateLost       the operator: a log no longer holds what the service needs; never a silent reset
    └── Misconfigured   the user: the settings or the command line say something that cannot work

The text of an error is one sentence that says what is wrong and what to do or write instead; the
command line prints it as it is. Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

__all__ = [
    "BadMessage",
    "Misconfigured",
    "StateLost",
    "StreamAlError",
    "Superseded",
    "Unavailable",
]


class StreamAlError(Exception):
    """Base of all errors raised on purpose; never raised itself."""

    exit_code = 1


class BadMessage(StreamAlError):
    """One record cannot be used.

    Args:
        reason: A short, stable word in snake_case, fit for a metric label (`not_json`, `no_id`, ...).
        message: What exactly is wrong with this record.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Unavailable(StreamAlError):
    """Something outside did not answer before its deadline; nothing was applied."""


class Superseded(StreamAlError):
    """The partition moved to another replica while its batch was in hand."""


class StateLost(StreamAlError):
    """A log lacks records that the service had already counted on."""


class Misconfigured(StreamAlError):
    """Settings or arguments that cannot work.

    Args:
        mistakes: One sentence each, beginning with the path of the setting.
    """

    exit_code = 2

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes
