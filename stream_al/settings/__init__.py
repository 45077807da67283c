"""Settings: one frozen tree, read from four sources. All mistakes are listed at once.

The command line wins over the environment, the environment over the YAML file, and the file over the
defaults:

    budget.share=0.1                 the command line
    STREAM_AL_BUDGET__SHARE=0.1      the environment
    budget: {share: 0.1}             the file, named by an argument or by STREAM_AL_CONFIG

`tree` defines the settings, section by section. `sources` loads them. `description` prints them, and
`reference` makes the page `deploy/SETTINGS.md`. `runtime_changes` says which of them may change while the
service runs.
"""

from __future__ import annotations

from stream_al.settings.connections import HTTPSettings, KafkaSettings
from stream_al.settings.data import InputSettings, LabelSettings, QuerySettings, TopicSettings
from stream_al.settings.description import SettingRow, describe, effective
from stream_al.settings.label_studio import LabelStudioSettings
from stream_al.settings.reference import page
from stream_al.settings.selection import BudgetSettings, ModelSettings
from stream_al.settings.sources import load, option_mistakes
from stream_al.settings.tree import LimitSettings, LoggingSettings, Settings, SnapshotSettings

__all__ = [
    "BudgetSettings",
    "HTTPSettings",
    "InputSettings",
    "KafkaSettings",
    "LabelSettings",
    "LabelStudioSettings",
    "LimitSettings",
    "LoggingSettings",
    "ModelSettings",
    "QuerySettings",
    "SettingRow",
    "Settings",
    "SnapshotSettings",
    "TopicSettings",
    "describe",
    "effective",
    "load",
    "option_mistakes",
    "page",
]
