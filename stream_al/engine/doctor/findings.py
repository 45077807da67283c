"""Findings: what is wrong or worth knowing, one sentence each.

    error     it costs labels or samples, or the service cannot work
    warning   it works worse than it could, or will fail later
    note      nothing has to be done

A finding names fields and values of a stream that anybody may write to. So its text is made printable: what a
terminal would obey instead of show is written as an escape.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from stream_al.terminal import printable

__all__ = [
    "MAX_FINDINGS",
    "Finding",
    "Severity",
    "error",
    "note",
    "sorted_findings",
    "warning",
]

MAX_FINDINGS = 100
MAX_TEXT = 600  # characters of a finding


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        severity: How bad it is.
        about: What it is about: broker, topics, records, ids, times, fields, model or labels.
        text: One sentence that says what is wrong and what to do.
    """

    severity: Severity
    about: str
    text: str


def error(about: str, text: str) -> Finding:
    """A finding that costs labels or samples."""
    return Finding(Severity.ERROR, about, printable(text, MAX_TEXT))


def warning(about: str, text: str) -> Finding:
    """A finding that makes results worse."""
    return Finding(Severity.WARNING, about, printable(text, MAX_TEXT))


def note(about: str, text: str) -> Finding:
    """A finding for which nothing has to be done."""
    return Finding(Severity.NOTE, about, printable(text, MAX_TEXT))


def sorted_findings(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, the worst first, each once and `MAX_FINDINGS` at most.

    >>> [one.text for one in sorted_findings([note("ids", "a"), error("ids", "b"), note("ids", "a")])]
    ['b', 'a']
    """
    order = list(Severity)
    return sorted(dict.fromkeys(findings), key=lambda one: order.index(one.severity))[:MAX_FINDINGS]
