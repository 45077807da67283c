"""Settings: one frozen tree, read from four places, with every mistake listed at once.

The command line wins over the environment, the environment over the YAML file, the file over the
defaults:

    budget.share=0.1                 the command line
    STREAM_AL_BUDGET__SHARE=0.1      the environment
    budget: {share: 0.1}             the file, named by an argument or by STREAM_AL_CONFIG

`tree` says what the settings are, section by section; `sources` loads them, `description` prints and
describes them, `reference` makes the page `deploy/SETTINGS.md` of them.
"""

from __future__ import annotations

from stream_al.settings.connections import HTTPSettings, KafkaSettings
from stream_al.settings.data import InputSettings, LabelSettings, QuerySettings, TopicSettings
from stream_al.settings.description import Row, describe, effective
from stream_al.settings.reference import page
from stream_al.settings.selection import BudgetSettings, ModelSettings
from stream_al.settings.sources import load
from stream_al.settings.tree import LimitSettings, LoggingSettings, Settings, SnapshotSettings

__all__ = [
    "BudgetSettings",
    "HTTPSettings",
    "InputSettings",
    "KafkaSettings",
    "LabelSettings",
    "LimitSettings",
    "LoggingSettings",
    "ModelSettings",
    "QuerySettings",
    "Row",
    "Settings",
    "SnapshotSettings",
    "TopicSettings",
    "describe",
    "effective",
    "load",
    "page",
]
