"""Every alert is sound, explains itself, and is held to a case that fires and one that is quiet."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.metrics import named, offered
from tests.deploy.prometheus import PROMETHEUS, RULES, hurried

(GROUP,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
ALERTS: list[dict[str, Any]] = GROUP["rules"]
CASES = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))


def promtool(binaries: Path, *arguments: str) -> None:
    done = subprocess.run(  # noqa: S603
        [binaries / "promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_rules_and_configuration_sound(binaries: Path) -> None:
    promtool(binaries, "check", "rules", "alerts.yml")
    promtool(binaries, "check", "config", "prometheus.yml")


def test_alerts_fire_and_keep_quiet_as_their_cases_say(binaries: Path) -> None:
    promtool(binaries, "test", "rules", "alerts_test.yml")


@every_alert
def test_an_alert_says_what_it_means_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert "$labels" in alert["annotations"]["summary"]
    assert len(alert["annotations"]["runbook"]) > 80
    assert named(alert["expr"])
    assert named(alert["expr"]) <= offered()


@every_alert
def test_an_alert_has_a_case_that_fires_and_one_that_is_quiet(alert: dict[str, Any]) -> None:
    """A quiet case brings the same series, else it would say nothing."""
    name = alert["alert"]
    mine = [case for case in CASES if case["name"].startswith(f"{name} ")]
    loud = [
        case for case in mine if name in yaml.safe_dump([t["exp_samples"] for t in case["promql_expr_test"]])
    ]
    quiet = [case for case in mine if not any(t["exp_samples"] for t in case["promql_expr_test"])]
    assert loud
    assert quiet
    for case in (*loud, *quiet):
        given = named(" ".join(series["series"] for series in case["input_series"]))
        assert given & named(alert["expr"])


def test_hurrying_changes_durations_and_nothing_else() -> None:
    """So what fires in a hurry fires in its time."""
    hurry = yaml.safe_load(hurried(RULES.read_text(encoding="utf-8")))["groups"][0]["rules"]
    for alert, hurried_alert in zip(ALERTS, hurry, strict=True):
        for key in ("alert", "labels", "annotations"):
            assert alert[key] == hurried_alert[key]
        without = [re.sub(r"\b\d+[smh]\b", "", one["expr"]) for one in (alert, hurried_alert)]
        assert without[0] == without[1]
        assert not re.search(r"\b\d+[mh]\b", hurried_alert["expr"] + hurried_alert.get("for", ""))
