"""The dashboard is the one that the code makes, and queries only metrics that the service has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana import dashboard
from tests.deploy.metrics import named, offered

GRAFANA = Path(dashboard.FILE).parent
MADE = dashboard.made()
PANELS = [panel for panel in MADE["panels"] if panel["type"] != "row"]


def test_the_file_is_what_the_code_makes() -> None:
    """Else run `python -m deploy.grafana.dashboard`."""
    assert dashboard.FILE.read_text(encoding="utf-8") == dashboard.text()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_every_panel_has_a_description_and_queries_existing_metrics(panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 30
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["legendFormat"]
        assert named(target["expr"]) <= offered()
        for variable in ("$application", "$replica"):
            assert target["expr"].count(variable) == len(list(selectors(target["expr"])))


def selectors(query: str) -> Iterator[str]:
    return (part for part in query.split("{")[1:] if part)


def test_every_metric_is_shown_or_left_out_on_purpose() -> None:
    """A new metric is shown, alerted on, named in a runbook, or listed here."""
    rules = (GRAFANA.parent / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    used = named(json.dumps(MADE)) | named(rules)
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in offered()}
    asked = {re.sub("_(bucket|sum|count)$", "", name) for name in used}
    assert {name for name in families if name.startswith("stream_al_")} - asked == UNSHOWN


UNSHOWN = {
    "stream_al_skipped_records_total",  # tombstones and deletions cost nothing; OPERATIONS.md names it
    "stream_al_drift_last_example",  # where to look in the log of examples
    "stream_al_examples_total",  # labels by outcome say the same, and sooner
    "stream_al_model_classes",
    "stream_al_corrected_examples",  # OPERATIONS.md names these: corrections are rare, and made on purpose
    "stream_al_model_rebuilding",
    "stream_al_model_rebuilds_total",
    # The bridge to Label Studio is a process of its own, which few run; LABEL_STUDIO.md names them.
    "stream_al_label_studio_deleted_annotations_total",
    "stream_al_label_studio_imported_tasks_total",
    "stream_al_label_studio_labels_total",
    "stream_al_label_studio_pending_queries",
    "stream_al_label_studio_refused_queries_total",
    "stream_al_label_studio_requests",
    "stream_al_label_studio_unusable_annotations_total",
    "stream_al_label_studio_waiting_corrections",
    "stream_al_label_studio_waiting_tasks",
    "stream_al_label_studio_webhooks_total",
    "stream_al_label_studio_withdrawn_tasks_total",
}


def test_panels_lie_side_by_side_and_never_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in MADE["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in MADE["panels"]}) == len(MADE["panels"])


def test_the_top_row_is_all_numbers() -> None:
    top = [panel["type"] for panel in PANELS if panel["gridPos"]["y"] == 0]
    assert len(top) >= 4
    assert set(top) == {"stat"}


def test_provisioning_matches_the_data_source_of_the_dashboard() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))
    (prometheus,) = source["datasources"]
    assert prometheus["type"] == "prometheus"
    scraping = yaml.safe_load((GRAFANA.parent / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert prometheus["jsonData"]["timeInterval"] == scraping["global"]["scrape_interval"]
    first = MADE["templating"]["list"][0]
    assert (first["name"], first["query"]) == ("datasource", prometheus["type"])
    (provider,) = yaml.safe_load(
        (GRAFANA / "provisioning/dashboards/stream_al.yml").read_text(encoding="utf-8")
    )["providers"]
    assert provider["type"] == "file"
