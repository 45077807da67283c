"""What the command line does to the topics besides serving: create, export, import, replay, rebuild.

Each function opens the broker, does one bounded thing and closes the broker. It reports its progress through
a callback, because only the command line knows whether a person is watching.
"""

from __future__ import annotations

from stream_al.service.maintenance.corrections import CorrectedLabel, correct_label
from stream_al.service.maintenance.dead_letters import (
    DeadLetter,
    Overview,
    Replays,
    list_dead_letters,
    overview,
    replay_dead_letters,
    show_dead_letter,
)
from stream_al.service.maintenance.examples import (
    Imported,
    ImportOutcomes,
    export_examples,
    import_labels,
    import_outcomes,
    known_labels,
)
from stream_al.service.maintenance.letter_states import State
from stream_al.service.maintenance.model import load_model
from stream_al.service.maintenance.topics import Progress, create_topics, opened, read_topic, reset_offsets

__all__ = [
    "CorrectedLabel",
    "DeadLetter",
    "ImportOutcomes",
    "Imported",
    "Overview",
    "Progress",
    "Replays",
    "State",
    "correct_label",
    "create_topics",
    "export_examples",
    "import_labels",
    "import_outcomes",
    "known_labels",
    "list_dead_letters",
    "load_model",
    "opened",
    "overview",
    "read_topic",
    "replay_dead_letters",
    "reset_offsets",
    "show_dead_letter",
]
