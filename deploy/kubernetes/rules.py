"""The alerts of deploy/prometheus as a PrometheusRule. `python -m deploy.kubernetes.rules` writes it."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
ALERTS = HERE.parent / "prometheus" / "alerts.yml"
RULE = HERE / "monitoring" / "prometheus-rule.yaml"

HEAD = """\
# Made by `python -m deploy.kubernetes.rules` from deploy/prometheus/alerts.yml: change that file and run it.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: stream-al
  labels: {app.kubernetes.io/name: stream-al}
spec:
"""


def manifest() -> str:
    """The PrometheusRule, with the groups of the alerts below `spec`."""
    lines = ALERTS.read_text(encoding="utf-8").splitlines()
    body = lines[lines.index("groups:") :]
    return HEAD + "".join(f"  {line}".rstrip() + "\n" for line in body)


if __name__ == "__main__":
    RULE.write_text(manifest(), encoding="utf-8")
