"""The panels of the dashboard: their queries, and how to read them.

The first row shows whether the service runs, whether it spends the budget, how good the model is, and how
many queries are pending. The other rows follow a sample: its query, its label, the model, and the service.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AMBER", "NUMBERS", "ROWS", "Panel"]

GREEN, AMBER, RED = "green", "orange", "red"
ASKED = 'samples_total{decision="query"}'

Steps = tuple[tuple[float | None, str], ...]
"""A colour for the values from a bound on. None is below all values."""


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: What it shows.
        why: How to read it, and what to do.
        queries: Name in the legend to PromQL, without the labels of application and replica: `dashboard._of`
            adds them.
        unit: Grafana's name of the unit.
        kind: line, bars (stacked), band (a line between `low` and `high`), heat or number.
        width: How many of the 24 columns it takes.
        steps: The colours.
        most: The largest value of the scale, if there is one.
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
        "Share of the replicas that run, have their model and process records: 50% is 1 of 2. Below 100%, "
        "the others do the work. With 0, no label is queried or learned, and samples wait in Kafka.",
        {"ready": "(sum(stream_al_ready) or vector(0)) / count(up)"},
        unit="percentunit",
        kind="number",
        width=4,
        steps=((None, RED), (0.001, AMBER), (1, GREEN)),
        most=1,
    ),
    Panel(
        "Share of samples queried",
        "Share of the samples in this time range whose label was queried, and the share that the budget "
        "allows. The first is lower after a start and while pending queries are at their cap.",
        {
            "queried": "sum(increase(stream_al_budget_spent_labels_total[$__range])) "
            "/ sum(increase(stream_al_samples_total[$__range]))",
            "budget": "max(stream_al_budget_share_ratio)",
        },
        unit="percentunit",
        kind="number",
        width=5,
    ),
    Panel(
        "Accuracy on the whole stream",
        "Accuracy over all samples, estimated from about the last 200 labels, with its 95% interval. The "
        "labels are weighted, because the queried samples alone are not typical. A wide interval means few "
        "labels.",
        {bound: _accuracy(bound) for bound in ("low", "estimate", "high")},
        unit="percentunit",
        kind="number",
        width=7,
        most=1,
    ),
    Panel(
        "Pending queries",
        "Queries that have no label yet, and the number at which selection pauses.",
        {"pending": "max(stream_al_pending_queries)", "cap": "max(stream_al_pending_queries_limit)"},
        kind="number",
        width=5,
    ),
    Panel(
        "Drifts found",
        "How often the error rate of the model rose in this time range. All panels mark these times.",
        {"drifts": "round(max(increase(stream_al_drift_total[$__range])))"},
        kind="number",
        width=3,
        steps=((None, GREEN), (1, AMBER)),
    ),
)

ROWS: dict[str, tuple[Panel, ...]] = {
    "Queries": (
        Panel(
            "Queries by reason",
            "Queries per minute. `uncertain`: the model is unsure. `explore`: chosen at random, so that the "
            "accuracy can be estimated. `warmup`: chosen at random until the model knows two classes. "
            "`manual`: a person asked for it, in the place of another.",
            {
                "{{reason}}": f"60 * sum by (reason) ({_rate(ASKED)})",
                "manual": f"60 * sum({_rate('manual_queries_total')})",
            },
            unit="cpm",
            kind="bars",
        ),
        Panel(
            "Budget: allowed and spent",
            "Labels per minute that the budget allows for the samples that arrive, and labels queried. The "
            "lines are close together; `spent` is lower while pending queries are at their cap.",
            {
                "allowed": f"60 * sum({_rate('budget_asked_labels_total')})",
                "spent": f"60 * sum({_rate('budget_spent_labels_total')})",
            },
            unit="cpm",
        ),
        Panel(
            "Samples by decision",
            "Samples decided per second. `query`: the label was queried. `pass`: it was not, because the "
            "utility was below the threshold or the random draw did not take it (`below`), the budget was "
            "spent (`spent`), a cap was reached (`capped`), or a sample that a person asked for took its "
            "place (`displaced`).",
            {"{{decision}}: {{reason}}": f"sum by (decision, reason) ({_rate('samples_total')})"},
            unit="cps",
            kind="bars",
        ),
        Panel(
            "Threshold",
            "The utility that the last sample of each partition needed for a query. With `stratified` it "
            "falls within every interval of 1/share samples, to 0 at the last sample of the interval.",
            {"partition {{partition}}": "avg by (partition) (stream_al_threshold)"},
            unit="percentunit",
            width=12,
        ),
        Panel(
            "Utility of the samples",
            "How many samples had which utility. If all are in one cell, the model cannot distinguish them: "
            "it is untrained, or it is too sure about all of them.",
            {"{{le}}": "sum by (le) (increase(stream_al_utility_bucket[$__rate_interval]))"},
            kind="heat",
            width=12,
        ),
    ),
    "Labels": (
        Panel(
            "Labels by outcome",
            "Labels per minute. `conflict`: annotators disagree, and the first label counts. `expired`: the "
            "label came too late. `unsolicited`: there was no query; the label is learned if it brings "
            "features.",
            {"{{outcome}}": f"60 * sum by (outcome) ({_rate('labels_total')})"},
            unit="cpm",
            kind="bars",
        ),
        Panel(
            "Label delay",
            "Time from query to label by the timestamps of their records. Half of the labels come faster "
            "than 50%.",
            _quantiles("label_delay_seconds"),
            unit="s",
        ),
        Panel(
            "Pending queries and their cap",
            "At the cap, selection pauses and no label is queried: find more annotators, or lower the "
            "budget.",
            {
                "pending": "max(stream_al_pending_queries)",
                "cap": "max(stream_al_pending_queries_limit)",
            },
        ),
        Panel(
            "Oldest pending query",
            "How long it has been pending. After `queries.life_hours` a query expires without a label.",
            {"oldest": "max(stream_al_pending_oldest_seconds)"},
            unit="s",
            width=12,
        ),
        Panel(
            "Queries without a label",
            "Queries per minute that expired, or that annotators skipped, by reason. Their share of the "
            "budget is lost.",
            {
                "expired": f"60 * sum({_rate('expired_queries_total')})",
                "skipped: {{reason}}": f"60 * sum by (reason) ({_rate('skipped_labels_total')})",
            },
            unit="cpm",
            width=12,
        ),
        Panel(
            "Leases",
            "Queries that labelling tools hold now, and those that nobody holds.",
            {"leased": "max(stream_al_leases)", "free": "max(stream_al_free_queries)"},
            width=12,
        ),
        Panel(
            "What became of leases",
            "Leases per minute by outcome. Many that are lost: replicas compete for the last queries. Many "
            "that run out: people leave without labelling, or `labels.lease_seconds` is too short.",
            {
                "{{outcome}}": f"60 * sum by (outcome) ({_rate('lease_requests_total')})",
                "run out": f"60 * max({_rate('expired_leases_total')})",
            },
            unit="cpm",
            width=12,
        ),
    ),
    "Model": (
        Panel(
            "Accuracy and its 95% interval",
            "Accuracy over all samples for which a class was predicted, estimated from about the last 200 "
            "labels, with its interval. `predicted` is the share of these samples, and `all` the accuracy "
            "since the first label of this model. After a drift that the model cannot follow, it falls "
            "and stays low. `/v1/model` has the accuracy of the model before this one.",
            {
                **{bound: _accuracy(bound) for bound in ("low", "estimate", "high")},
                "all": 'avg(stream_al_accuracy_ratio{span="all",bound="estimate"})',
                "predicted": "avg(stream_al_predicted_ratio)",
            },
            unit="percentunit",
            kind="band",
            width=12,
            most=1,
        ),
        Panel(
            "Recall and precision by class",
            "For each class: the share of its samples that are predicted as it (`recall`), and the share of "
            "the samples predicted as it that are of it (`precision`), estimated over all samples. A rare "
            "class with a low recall is missed, whatever the accuracy is. `/v1/status` has the intervals.",
            {
                "{{class}}: recall": 'avg by (class) (stream_al_class_recall_ratio{bound="estimate"})',
                "{{class}}: precision": 'avg by (class) (stream_al_class_precision_ratio{bound="estimate"})',
            },
            unit="percentunit",
            width=12,
            most=1,
        ),
        Panel(
            "Labels of each class",
            "Labels bought of each class. Where a class has few, the model has learned little of it, and "
            "its recall is uncertain: set `model.objective` to balanced, or raise the budget.",
            {"{{class}}": "max by (class) (stream_al_class_labels)"},
            width=12,
        ),
        Panel(
            "Agreement of annotators",
            "How often each annotator agrees with the other annotators of the same samples, and how often a "
            "second label is the first one (`all`). Second labels seek errors, so compare annotators with "
            "each other. `/v1/quality` has the intervals and the labels. Without second labels it is empty.",
            {
                "{{annotator}}": 'avg by (annotator) (stream_al_annotator_agreement_ratio{bound="estimate"})',
                "all": 'avg(stream_al_second_labels_agreement_ratio{bound="estimate"})',
            },
            unit="percentunit",
            width=12,
            most=1,
        ),
        Panel(
            "Second queries, and queries by hand",
            "Queries that ask another annotator about a sample that has a label (`labels.per_query`, "
            "`labels.second_share`), queries that a person asked for in the desk, and all queries.",
            {
                "by hand": "sum(increase(stream_al_manual_queries_total[$__rate_interval]))",
                "second": "sum(increase(stream_al_second_queries_total[$__rate_interval]))",
                "all": "sum(increase(stream_al_queries_total[$__rate_interval]))",
            },
            width=12,
        ),
        Panel(
            "Members of auto: weight",
            "How much each member of the model `auto` decides. The weights sum to 1. Other models have no "
            "members.",
            {"{{member}}": "avg by (member) (stream_al_model_member_weight_ratio)"},
            unit="percentunit",
            width=12,
            most=1,
        ),
        Panel(
            "Members of auto: recent loss",
            "How far the predictions of each member were from the labels of late, from 0 to 1. A member with "
            "a lower loss gets a higher weight.",
            {"{{member}}": "avg by (member) (stream_al_model_member_loss_ratio)"},
            unit="percentunit",
            width=12,
            most=1,
        ),
        Panel(
            "Examples learned, by replica",
            "All replicas hold the same model. A replica that makes no progress or lags behind has a "
            "problem.",
            {"{{instance}}": "stream_al_model_examples"},
            width=6,
        ),
        Panel(
            "Model lag, by replica",
            "Examples in the topic that a replica has not learned yet. It is 0, except after a start.",
            {"{{instance}}": "stream_al_model_offset_lag"},
            width=6,
        ),
    ),
    "Service": (
        Panel(
            "Conditions that hold",
            "States in which the service runs and does not do its work, such as `LabelsRefused`. All are 0 "
            "in a service that works. `/v1/status` says under `conditions` why one holds and what to do.",
            {"{{type}}": "max by (type) (stream_al_condition)"},
            width=12,
            most=1,
        ),
        Panel(
            "Problems by kind and reason",
            "What cost a label or lost a sample, per minute: refused labels, samples on which the model "
            "fails, dead letters, skipped records. `/v1/status` has an example of each under `problems`.",
            {"{{kind}}: {{reason}}": f"60 * sum by (kind, reason) ({_rate('problems_total')}) > 0"},
            unit="cpm",
            kind="bars",
            width=12,
        ),
        Panel(
            "Consumer lag, by replica",
            "Records not read yet. If it grows, add replicas (up to one per partition) or use a faster "
            "model.",
            {"{{topic}} {{instance}}": "sum by (topic, instance) (stream_al_consumer_lag)"},
        ),
        Panel(
            "Batch time",
            "Time from reading a batch to its commit, by stage. It is long if the broker or the model is "
            "slow.",
            _quantiles("batch_duration_seconds", "stage"),
            unit="s",
        ),
        Panel(
            "Dead letters by reason",
            "Records per minute that could not be used. `stream-al dlq list` shows them.",
            {"{{stage}}: {{reason}}": f"60 * sum by (stage, reason) ({_rate('dead_letters_total')}) > 0"},
            unit="cpm",
            kind="bars",
        ),
        Panel(
            "Snapshots",
            "Snapshots per minute. After a failed one only the next start takes longer. None is written "
            "without new examples.",
            {"{{outcome}}": f"60 * sum by (outcome) ({_rate('snapshots_total')})"},
            unit="cpm",
            width=6,
        ),
        Panel(
            "Rebalances",
            "Changes of the partitions of a replica, per minute. Many mean that replicas die or are too "
            "slow.",
            {"{{instance}}": f"60 * sum by (instance) ({_rate('assignment_changes_total')})"},
            unit="cpm",
            width=6,
        ),
        Panel(
            "Memory, by replica",
            "Resident memory. It stops growing when all caches are full.",
            {"{{instance}}": "process_resident_memory_bytes"},
            unit="bytes",
            width=6,
        ),
        Panel(
            "Processor, by replica",
            "Share of one core. At 100% a replica cannot process more.",
            {"{{instance}}": "rate(process_cpu_seconds_total[$__rate_interval])"},
            unit="percentunit",
            width=6,
        ),
    ),
}
