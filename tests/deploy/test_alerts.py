"""Every alert is valid, explains itself, and has a case in which it fires and one in which it does not."""

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


def test_promtool_accepts_the_rules_and_the_configuration(binaries: Path) -> None:
    promtool(binaries, "check", "rules", "alerts.yml")
    promtool(binaries, "check", "config", "prometheus.yml")


def test_alerts_fire_only_in_the_cases_that_say_so(binaries: Path) -> None:
    promtool(binaries, "test", "rules", "alerts_test.yml")


@every_alert
def test_an_alert_says_what_it_means_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert "$labels" in alert["annotations"]["summary"]
    assert len(alert["annotations"]["runbook"]) > 80
    assert named(alert["expr"])
    assert named(alert["expr"]) <= offered()


@every_alert
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(alert: dict[str, Any]) -> None:
    """Both cases have series of the alert, else they would test nothing."""
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


def test_the_shortened_rules_differ_only_in_durations() -> None:
    """So an alert of the shortened rules fires under the same conditions."""
    hurry = yaml.safe_load(hurried(RULES.read_text(encoding="utf-8")))["groups"][0]["rules"]
    for alert, hurried_alert in zip(ALERTS, hurry, strict=True):
        for key in ("alert", "labels", "annotations"):
            assert alert[key] == hurried_alert[key]
        without = [re.sub(r"\b\d+[smh]\b", "", one["expr"]) for one in (alert, hurried_alert)]
        assert without[0] == without[1]
        assert not re.search(r"\b\d+[mh]\b", hurried_alert["expr"] + hurried_alert.get("for", ""))
