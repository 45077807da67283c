"""The route for the quality of labels: what is wrong with them, and with whom."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from stream_al.engine.trust.annotators import Reliability, Share
from stream_al.engine.trust.crowdlab import Weights
from stream_al.engine.trust.items import Item
from stream_al.engine.trust.suspects import ABOUT, disputes, suspects
from stream_al.engine.trust.trust import Trust
from stream_al.service.app import App
from stream_al.service.http.status import per_class

__all__ = ["quality_routes"]

MOST = 100  # entries of a list
ABOUT_BOUGHT = (
    "Labels that were bought, each compared with the prediction made before it. `labels` counts them; "
    "`arrivals` and the intervals estimate the whole stream, since each label counts for as many samples as "
    "its propensity says."
)
ABOUT_SECOND = (
    "Samples that several annotators labelled. They are chosen: disputed ones first, then the ones most "
    "in doubt. So they hold more errors than the rest, and annotators are compared with "
    "each other, not with the truth."
)


class Interval(BaseModel):
    """A share of some cases, with its 95% interval."""

    share: float | None = Field(description="null without a case.")
    low: float | None
    high: float | None
    cases: int


class ConfusionCell(BaseModel):
    """The samples of one class for which one class was predicted."""

    label: Any = Field(description="null: all classes after the first 50 together.")
    predicted: Any = Field(description="null: likewise, or the model knew no class.")
    labels: int
    arrivals: float


class ConfusionMatrix(BaseModel):
    """How often each class was predicted for the samples of each class."""

    about: str
    classes: list[Any]
    cells: list[ConfusionCell]


class LabellingPace(BaseModel):
    """The time from one label of an annotator to the next; breaks of over 10 minutes are left out."""

    median: float = Field(description="Seconds.")
    low: float | None = Field(description="The lower end of its 95% interval; null of fewer than 7 labels.")
    high: float | None
    per_hour: float | None = Field(description="Labels in an hour of work.")
    cases: int = Field(description="Labels that it is taken from, the last 200 at most.")


class Annotator(BaseModel):
    """What is known of an annotator."""

    annotator: str | None = Field(description="null: all after the first 100, and labels without a name.")
    labels: int
    agreement: Interval = Field(description="Of the pairs with another annotator of the same sample.")
    rest: Interval = Field(description="The same of all pairs that this annotator is not in.")
    consensus: Interval = Field(description="Of the labels of samples that several annotators labelled.")
    weight: float = Field(description="The weight of CROWDLAB; that of the model is in `weights`.")
    contradicts: bool = Field(description="Whether this annotator contradicts the rest.")
    pace: LabellingPace | None = Field(description="null before the second label.")


class SuspectLabel(BaseModel):
    """A label that looks wrong."""

    id: str
    offset: int
    label: Any
    annotator: str | None
    other: Any = Field(description="The class that speaks against it; null where that is open.")
    kind: str = Field(description="Which labels the suspicion is about; see `kinds`.")
    why: str
    score: float


class OneLabel(BaseModel):
    """A label of a sample."""

    annotator: str | None
    label: Any


class Dispute(BaseModel):
    """A sample whose labels disagree without a majority."""

    id: str
    offset: int
    labels: list[OneLabel]


class ConflictingLabel(BaseModel):
    """A label that contradicts the one that counts, without having been asked for."""

    id: str
    offset: int
    counts: Any
    label: Any
    annotator: str | None


class ProposedCorrection(BaseModel):
    """A first label that the consensus of the sample's labels contradicts."""

    id: str
    offset: int
    label: Any
    consensus: Any
    posterior: float
    labels: int
    outvoted: bool = Field(description="Whether more labels say so than the first; else the model decides.")


class LabelsWanted(BaseModel):
    """How many labels of each sample are asked for."""

    per_query: int
    second_share: float


class SecondLabels(BaseModel):
    """The second labels so far."""

    about: str
    number: int
    agreement: Interval = Field(description="Of the second labels, those that are the first label.")


class VoterWeights(BaseModel):
    """The weights of CROWDLAB."""

    model: float
    likelihood: float = Field(description="The probability that a label is the consensus.")


class Quality(BaseModel):
    """The quality of the labels. Every list has at most 100 entries, the matrix 51 classes."""

    asked: LabelsWanted
    confusion: ConfusionMatrix
    per_class: dict[str, Any] = Field(description="Labels, recall and precision of each class.")
    second_labels: SecondLabels
    weights: VoterWeights
    annotators: list[Annotator]
    kinds: dict[str, str] = Field(description="What each `kind` of suspects means.")
    suspects: list[SuspectLabel]
    disputes: list[Dispute]
    conflicts: list[ConflictingLabel]
    proposals: list[ProposedCorrection]


def quality_routes(web: FastAPI, app: App) -> None:
    """Add the route."""

    @web.get("/v1/quality", tags=["labelling"], response_model=Quality)
    async def get_quality() -> dict[str, Any]:
        """What is known of the labels: confusions, annotators, suspects, disputes, conflicts.

        Suspicion rests on second labels and on samples drawn at random first (`labels.second_share`). Each
        suspect says which labels it is about.
        """
        return quality(app)


def quality(app: App) -> dict[str, Any]:
    """What is known of the labels, ready for JSON."""
    learner, given = app.local_model.learner, app.settings.labels
    trust, corrected = learner.trust, learner.ledger.corrected
    weights = trust.tally.weights()
    return {
        "asked": {"per_query": given.per_query, "second_share": given.second_share},
        "confusion": _confusion(trust),
        "per_class": {"about": ABOUT_BOUGHT, **per_class(learner.evaluation.current.per_class)},
        "second_labels": {
            "about": ABOUT_SECOND,
            "number": trust.second_labels,
            "agreement": asdict(Share.of(trust.agreeing, trust.second_labels)),
        },
        "weights": {"model": weights.model, "likelihood": weights.likelihood},
        "annotators": [_annotator(one, weights) for one in trust.tally.annotators],
        "kinds": {kind.value: text for kind, text in ABOUT.items()},
        "suspects": [
            asdict(one) for one in islice((s for s in suspects(trust) if s.offset not in corrected), MOST)
        ],
        "disputes": [_dispute(item) for item in disputes(trust)[:MOST]],
        "conflicts": [asdict(one) for one in reversed(trust.conflicts)],
        "proposals": [
            asdict(one) for one in islice((p for p in trust.proposals() if p.offset not in corrected), MOST)
        ],
    }


def _confusion(trust: Trust) -> dict[str, Any]:
    cells = [
        {"label": label, "predicted": predicted, "labels": cell.labels, "arrivals": cell.arrivals}
        for (label, predicted), cell in trust.confusion.cells.items()
    ]
    return {"about": ABOUT_BOUGHT, "classes": list(trust.confusion.classes), "cells": cells}


def _annotator(one: Reliability, weights: Weights) -> dict[str, Any]:
    return {**asdict(one), "weight": weights.of(one.annotator)}


def _dispute(item: Item) -> dict[str, Any]:
    return {"id": item.id, "offset": item.offset, "labels": [asdict(one) for one in item.opinions.labels]}
