"""The report: all that an examination found, with its findings, the worst first."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from stream_al.engine.doctor.findings import Finding, Severity, sorted_findings
from stream_al.engine.doctor.labels import Labels
from stream_al.engine.doctor.records import Records
from stream_al.engine.doctor.topics import GroupState, TopicState
from stream_al.engine.doctor.trial import Trial

__all__ = ["Report"]


@dataclass(slots=True)
class Report:
    """What an examination found.

    Attributes:
        source: What was examined, in a few words.
        records: The records that were read.
        trial: The model, tried on them; None if none could be read.
        labels: The labels; None if no topic of them was read.
        topics: The topics of the settings.
        groups: The consumer groups of the service.
        found: All findings, in any order.
    """

    source: str
    records: Records
    trial: Trial | None = None
    labels: Labels | None = None
    topics: list[TopicState] = field(default_factory=list)
    groups: list[GroupState] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """The findings, the worst first."""
        return sorted_findings(self.found)

    @property
    def has_errors(self) -> bool:
        """Whether something costs labels or samples."""
        return any(one.severity is Severity.ERROR for one in self.found)

    def describe(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        trial = self.trial
        described = self.records.describe()
        for one in described["fields"]:
            one["used_as"] = trial.uses.get(one["name"]) if trial else None
        return {
            "source": self.source,
            "findings": [asdict(one) for one in self.findings],
            "topics": [topic.describe() for topic in self.topics],
            "groups": [group.describe() for group in self.groups],
            "records": described,
            "model": None
            if trial is None
            else {
                "definition": trial.definition,
                "tried": trial.tried,
                "refused": trial.refused,
                "labels": "imagined" if trial.imagined else "known",
            },
            "labels": self.labels.describe() if self.labels else None,
        }
