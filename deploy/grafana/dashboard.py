"""The Grafana dashboard, made by code. `python -m deploy.grafana.dashboard` writes dashboard.json.

`panels` defines what it shows, and this module how. The label `job` of Prometheus is the application and the
label `instance` is the replica, so one dashboard shows any application, and one replica or all of them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import common as style
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as styles
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.grafana.panels import AMBER, NUMBERS, ROWS, Panel

__all__ = ["FILE", "made", "text"]

FILE = Path(__file__).with_name("dashboard.json")
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
OF = 'job="$application",instance=~"$replica"'
SERIES = r"\b((?:stream_al|process)_\w+|up\b)"
ROW_HEIGHT = 8
MARKS = {
    "step": "60s",
    "titleFormat": "Drift",
    "textFormat": "{{job}}: the model makes more errors than before",
}
"""Fields of annotations from Prometheus that the SDK does not have."""


def text() -> str:
    """The text of dashboard.json."""
    return json.dumps(made(), indent=1, sort_keys=True) + "\n"


def made() -> dict[str, Any]:
    """The dashboard in the form that Grafana reads."""
    board = (
        build.Dashboard("stream_al")
        .uid("stream-al")
        .description("Which samples of a stream are queried, what labels cost, and how good the model is.")
        .tags(["stream_al", "active-learning"])
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .variables(_variables())
        .annotation(_drift_marks())
    )
    for one in NUMBERS:
        board = board.with_panel(_number(one))
    for title, row in ROWS.items():
        board = board.with_row(build.Row(title))
        for one in row:
            board = board.with_panel((_heat if one.kind == "heat" else _lines)(one))
    encoded: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(board.build()))
    for marks in encoded["annotations"]["list"]:
        marks.update(MARKS)
    for number, panel in enumerate(encoded["panels"], start=1):
        panel["id"] = number
    return encoded


def _of(query: str) -> str:
    """Add the application and the replica to every selector.

    >>> _of('sum(stream_al_ready) + process_open_fds{a="b"} + count(up)').count(OF)
    3
    """
    named = re.sub(rf"{SERIES}(?!\w|{{)", rf"\1{{{OF}}}", query)
    return re.sub(rf"{SERIES}{{(?!job=)", rf"\1{{{OF},", named)


def _variables() -> list[Any]:
    job, info = "$application", "stream_al_build_info"
    return [
        build.DatasourceVariable("datasource").label("Prometheus").type("prometheus"),
        build.QueryVariable("application")
        .label("Application")
        .datasource(SOURCE)
        .query(f"label_values({info}, job)")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED),
        build.QueryVariable("replica")
        .label("Replica")
        .datasource(SOURCE)
        .query(f'label_values({info}{{job="{job}"}}, instance)')
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(models.VariableOption(text="All", value="$__all")),
    ]


def _drift_marks() -> build.AnnotationQuery:
    # Every replica finds the same drift, so there is one mark for all.
    found = _of("max by (job) (increase(stream_al_drift_total[$__interval])) > 0")
    return build.AnnotationQuery().name("Drift").datasource(SOURCE).enable(True).icon_color(AMBER).expr(found)


def _targets(panel: Panel) -> list[Any]:
    targets = []
    for number, (legend, query) in enumerate(panel.queries.items()):
        target = prometheus.Dataquery().ref_id(chr(ord("A") + number)).expr(_of(query)).legend_format(legend)
        if panel.kind == "heat":
            target = target.format(PromQueryFormat.HEATMAP)
        targets.append(target.instant() if panel.kind == "number" else target.range())
    return targets


def _common(panel: Panel, builder: Any) -> Any:
    steps = [models.Threshold(value=value, color=colour) for value, colour in panel.steps]
    builder = (
        builder.title(panel.title)
        .description(panel.why)
        .datasource(SOURCE)
        .targets(_targets(panel))
        .unit(panel.unit)
        .min(0)
        .span(panel.width)
        .height(4 if panel.kind == "number" else ROW_HEIGHT)
        .thresholds(build.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
    )
    return builder if panel.most is None else builder.max(panel.most)


def _number(panel: Panel) -> Any:
    return (
        _common(panel, stat.Panel())
        .graph_mode(styles.BigValueGraphMode.NONE)
        .color_mode(styles.BigValueColorMode.VALUE)
        .text_mode(styles.BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(style.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("none yet")
    )


def _heat(panel: Panel) -> Any:
    colour = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(32)
    axis = heatmap.YAxisConfig().unit(panel.unit)
    return _common(panel, heatmap.Panel()).calculate(False).color(colour).y_axis(axis).hide_legend()


def _lines(panel: Panel) -> Any:
    builder = (
        _common(panel, timeseries.Panel())
        .fill_opacity(0)
        .show_points(styles.VisibilityMode.NEVER)
        .legend(
            style.VizLegendOptions()
            .display_mode(styles.LegendDisplayMode.LIST)
            .placement(styles.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(style.VizTooltipOptions().mode(styles.TooltipDisplayMode.MULTI))
        .no_value("none")
    )
    if panel.kind == "bars":
        stacking = style.StackingConfig().mode(styles.StackingMode.NORMAL)
        return builder.draw_style(styles.GraphDrawStyle.BARS).fill_opacity(70).stacking(stacking)
    if panel.kind == "band":
        faint, filled = _property("custom.lineWidth", 0), _property("custom.fillOpacity", 20)
        to_low = _property("custom.fillBelowTo", "low")
        return builder.override_by_name("low", [faint]).override_by_name("high", [faint, filled, to_low])
    return builder


def _property(name: str, value: Any) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val=name, value=value)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
