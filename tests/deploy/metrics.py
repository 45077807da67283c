"""The series that the service and the bridge to Label Studio have, and those that a query names."""

from __future__ import annotations

import re

from stream_al.label_studio.metrics import BridgeMetrics
from stream_al.service.telemetry.metrics import Metrics

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}


def offered() -> set[str]:
    """The names of all series of a process of the service, and of a bridge."""
    families = [*Metrics("any").registry.collect(), *BridgeMetrics().registry.collect()]
    return {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, ("",))}


def named(query: str) -> set[str]:
    """The series of the service that a query names."""
    return set(re.findall(r"\b(?:stream_al|process)_\w+", query))
