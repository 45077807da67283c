"""What the dashboard shows: every panel, its queries, and how to read it.

The first row answers what an operator asks first: does it run, does it ask for what the budget allows, how
good is the model, what waits for annotators. Below it, from left to right and downwards, the way of a
sample: asked for, labelled, learned, and the service that carries it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AMBER", "NUMBERS", "ROWS", "Panel"]

GREEN, AMBER, RED = "green", "orange", "red"
ASKED = 'samples_total{decision="query"}'

Steps = tuple[tuple[float | None, str], ...]
"""From which value on which colour; None: from the least."""


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: What it shows.
        why: How to read it, and what to do about it.
        queries: Name in the legend to PromQL, without the labels of who is looked at: `_of` puts them in.
        unit: Grafana's name of the unit.
        kind: line, bars (stacked), band (a line between `low` and `high`), heat or number.
        width: Of the 24 columns.
        steps: Colours.
        most: The greatest value of the scale, where there is one.
    """

    title: str
    why: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "line"
    width: int = 8
    steps: Steps = ((None, GREEN),)
    most: float | None = None


def _rate(metric: str) -> str:
    return f"rate(stream_al_{metric}[$__rate_interval])"


def _quantiles(metric: str, by: str = "") -> dict[str, str]:
    kept = f"le, {by}" if by else "le"
    suffix = f" {{{{{by}}}}}" if by else ""
    rates = f"sum by ({kept}) ({_rate(metric + '_bucket')})"
    return {f"{q}%{suffix}": f"histogram_quantile({q / 100:g}, {rates})" for q in (50, 90, 99)}


def _accuracy(bound: str) -> str:
    return f'avg(stream_al_accuracy_ratio{{span="recent",bound="{bound}"}})'


NUMBERS = (
    Panel(
        "Replicas ready",
        "Processes that are up, have their model and work. None: nothing is asked and nothing is learned; "
        "what arrives waits in Kafka.",
        {"ready": "sum(stream_al_ready)"},
        kind="number",
        width=4,
        steps=((None, RED), (1, GREEN)),
    ),
    Panel(
        "Asked, of all samples",
        "Share of the samples in this time range for which a label was asked for, against the share that the "
        "budget allows. Less is normal at a start and while pending queries are at their cap.",
        {
            "asked": "sum(increase(stream_al_budget_spent_labels_total[$__range])) "
            "/ sum(increase(stream_al_samples_total[$__range]))",
            "budget": "max(stream_al_budget_share_ratio)",
        },
        unit="percentunit",
        kind="number",
        width=5,
    ),
    Panel(
        "Accuracy on the whole stream",
        "Of about the last 200 labels, weighted so that it speaks for all samples and not only for those "
        "asked about; with its 95% interval. A wide interval means few labels.",
        {bound: _accuracy(bound) for bound in ("low", "estimate", "high")},
        unit="percentunit",
        kind="number",
        width=7,
        most=1,
    ),
    Panel(
        "Waiting for annotators",
        "Queries that have no label yet, and the number at which selection pauses.",
        {"pending": "max(stream_al_pending_queries)", "cap": "max(stream_al_pending_queries_limit)"},
        kind="number",
        width=5,
    ),
    Panel(
        "Drifts found",
        "How often in this time range the model began to err more than before. Marked in all panels.",
        {"drifts": "round(max(increase(stream_al_drift_total[$__range])))"},
        kind="number",
        width=3,
        steps=((None, GREEN), (1, AMBER)),
    ),
)

ROWS: dict[str, tuple[Panel, ...]] = {
    "Asking": (
        Panel(
            "Queries by reason",
            "Labels asked for, per minute: `uncertain` where the model is unsure, `explore` at random so "
            "that the accuracy can be known, `warmup` at random until the model knows two classes.",
            {"{{reason}}": f"60 * sum by (reason) ({_rate(ASKED)})"},
            unit="cpm",
            kind="bars",
        ),
        Panel(
            "Budget: allowed and spent",
            "Labels per minute that the budget allows for what arrives, and those asked for. The lines run "
            "together; spent stays below while pending queries are at their cap.",
            {
                "allowed": f"60 * sum({_rate('budget_asked_labels_total')})",
                "spent": f"60 * sum({_rate('budget_spent_labels_total')})",
            },
            unit="cpm",
        ),
        Panel(
            "Samples by fate",
            "Samples decided per second: asked about, or passed because their utility was below the "
            "threshold, the budget was spent, or too many queries were pending (`capped`).",
            {"{{decision}}: {{reason}}": f"sum by (decision, reason) ({_rate('samples_total')})"},
            unit="cps",
            kind="bars",
        ),
        Panel(
            "Threshold",
            "Utility from which on a label was asked for at the last sample of each partition. It falls "
            "within every stretch of 1/share samples, to 0 at the last of them.",
            {"partition {{partition}}": "avg by (partition) (stream_al_threshold)"},
            unit="percentunit",
            width=12,
        ),
        Panel(
            "Utility of the samples",
            "How many samples had which utility. All in one cell: the model cannot tell samples apart, "
            "as it is untrained or too sure of everything.",
            {"{{le}}": "sum by (le) (increase(stream_al_utility_bucket[$__rate_interval]))"},
            kind="heat",
            width=12,
        ),
    ),
    "Labels": (
        Panel(
            "Labels by outcome",
            "Per minute. `conflict`: annotators disagree, the first label counts; `expired`: came too late; "
            "`unsolicited`: nobody asked, learned all the same.",
            {"{{outcome}}": f"60 * sum by (outcome) ({_rate('labels_total')})"},
            unit="cpm",
            kind="bars",
        ),
        Panel(
            "Label delay",
            "From query to label, as the log's clock has it: half of the labels come faster than 50%.",
            _quantiles("label_delay_seconds"),
            unit="s",
        ),
        Panel(
            "Pending queries and their cap",
            "At its cap selection pauses and samples pass unasked: more annotators, or a smaller budget.",
            {
                "pending": "max(stream_al_pending_queries)",
                "cap": "max(stream_al_pending_queries_limit)",
            },
        ),
        Panel(
            "Oldest pending query",
            "How long it has waited. Near `queries.life_hours`, queries expire without a label.",
            {"oldest": "max(stream_al_pending_oldest_seconds)"},
            unit="s",
            width=12,
        ),
        Panel(
            "Expired queries",
            "Queries given up, per minute: their share of the budget is lost.",
            {"expired": f"60 * sum({_rate('expired_queries_total')})"},
            unit="cpm",
            width=12,
        ),
    ),
    "Model": (
        Panel(
            "Accuracy and its 95% interval",
            "Over all samples, estimated from about the last 200 labels, with the interval; `all` since the "
            "first example. It falls and stays down after a drift that the model cannot follow.",
            {
                **{bound: _accuracy(bound) for bound in ("low", "estimate", "high")},
                "all": 'avg(stream_al_accuracy_ratio{span="all",bound="estimate"})',
            },
            unit="percentunit",
            kind="band",
            width=12,
            most=1,
        ),
        Panel(
            "Examples learned, by replica",
            "All replicas hold the same model; one that stands still or lags is broken.",
            {"{{instance}}": "stream_al_model_examples"},
            width=6,
        ),
        Panel(
            "Model lag, by replica",
            "Examples in the log that a replica has not learned yet: 0, except after a start.",
            {"{{instance}}": "stream_al_model_offset_lag"},
            width=6,
        ),
    ),
    "Service": (
        Panel(
            "Consumer lag, by replica",
            "Records not read yet. Growing: more replicas (up to one a partition) or a lighter model.",
            {"{{topic}} {{instance}}": "sum by (topic, instance) (stream_al_consumer_lag)"},
        ),
        Panel(
            "Batch time",
            "From reading a batch to its commit, by stage. Long: the broker is slow, or the model is.",
            _quantiles("batch_duration_seconds", "stage"),
            unit="s",
        ),
        Panel(
            "Dead letters by reason",
            "Records that could not be used, per minute; empty is good. `stream-al dlq list` shows them.",
            {"{{stage}}: {{reason}}": f"60 * sum by (stage, reason) ({_rate('dead_letters_total')}) > 0"},
            unit="cpm",
            kind="bars",
        ),
        Panel(
            "Snapshots",
            "Per minute. A failed one costs nothing but a longer start; none written: no new examples.",
            {"{{outcome}}": f"60 * sum by (outcome) ({_rate('snapshots_total')})"},
            unit="cpm",
            width=6,
        ),
        Panel(
            "Rebalances",
            "Partitions that came or went, per minute and replica. Often: replicas die or are too slow.",
            {"{{instance}}": f"60 * sum by (instance) ({_rate('assignment_changes_total')})"},
            unit="cpm",
            width=6,
        ),
        Panel(
            "Memory, by replica",
            "Resident memory; flat once all that is remembered is full.",
            {"{{instance}}": "process_resident_memory_bytes"},
            unit="bytes",
            width=6,
        ),
        Panel(
            "Processor, by replica",
            "Of one core. At 100% a replica can do no more.",
            {"{{instance}}": "rate(process_cpu_seconds_total[$__rate_interval])"},
            unit="percentunit",
            width=6,
        ),
    ),
}
