"""The trial: the model's definition, tried on samples of the stream before a label is paid for.

A fresh model learns and predicts some samples. If there are labels, it learns these; else it learns two
imagined classes in turn, which show whether it *can* learn these records and nothing about how well.

What it refuses is narrowed down to fields:

    - a `KeyError` names the field that the record lacks
    - if the model takes the numbers of the record alone, the texts that it does not take besides
    - else the features that it does not take by themselves

Then a definition is proposed that keeps the classifier and puts River's usual pipeline for mixed records
before it. It is proposed only if it takes all the samples of the trial.

A trial is made in steps (`engine.steps`), so that a service can do other things in between.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any, TypeAlias

from stream_al.engine.doctor.fields import Field, Fields, field_of
from stream_al.engine.doctor.findings import Finding, error, warning
from stream_al.engine.learners.base import RowClassifier
from stream_al.engine.model.introspection import last_step, parts
from stream_al.engine.model.model import Model
from stream_al.engine.samples.table import Sample
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import ClassLabel
from stream_al.terminal import listed, printable

__all__ = ["MAX_TRIED", "MakeModel", "Trial", "reads_as_auto", "trial"]

MAX_TRIED = 200  # samples
MAX_REASONS = 3  # different refusals that are narrowed down
MAX_TESTED = 100  # features of a sample that are tested by themselves
MAX_USES = 300  # fields whose use is shown
LARGE = 100.0  # a number from which a linear model needs a scaler
IMAGINED: tuple[ClassLabel, ClassLabel] = ("one class", "another")
AUTO_USES = {
    "number": "a standardised number",
    "category": "a category",
    "text": "a category if short, and its words",
    "date": "seconds, time of day and weekday",
    "id": "not used",
    "unknown": "not judged yet",
}
REFUSED = "refused"
_CAUSE = re.compile(r"River cannot .*? these features \((.*)\)", re.DOTALL)
_MISSING = re.compile(r"KeyError: '([^']*)'")

MakeModel: TypeAlias = Callable[[str], Model]
"""Makes a fresh model from a definition. Raises Misconfigured."""


@dataclass(slots=True)
class Trial:
    """What came of a trial.

    Attributes:
        definition: The definition that was tried.
        tried: How many samples were tried.
        refused: How many of them the model refused.
        imagined: Whether the labels were imagined.
        uses: What the model makes of each field, in a few words.
        findings: What is wrong.
    """

    definition: str
    tried: int = 0
    refused: int = 0
    imagined: bool = True
    uses: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def reads_as_auto(model: Model) -> bool:
    """Whether a model reads features with the encoder of the default model."""
    return isinstance(last_step(model.classifier.river), RowClassifier)


def trial(
    make: MakeModel,
    definition: str,
    samples: Sequence[Sample],
    fields: Fields,
    known: Mapping[str, ClassLabel],
) -> Generator[None, None, Trial]:
    """Try a definition.

    Args:
        make: Makes a fresh model from a definition.
        definition: The definition.
        samples: The samples; `MAX_TRIED` of them are tried.
        fields: The fields of the samples.
        known: The labels that are known, by the sample's id.

    Examples:
        >>> from stream_al.engine.samples.table import sample_of
        >>> samples = [sample_of(str(n), {"amount": n / 7, "merchant": f"m{n % 3}"}) for n in range(20)]
        >>> fields = Fields()
        >>> for sample in samples:
        ...     fields.add(sample.features)
        >>> fields.finish()
        >>> make = lambda definition: Model(definition, seed=1)
        >>> from stream_al.engine.steps import finished
        >>> found = finished(trial(make, "StandardScaler() | LogisticRegression()", samples, fields, {}))
        >>> found.refused, "merchant" in found.findings[0].text, "OneHotEncoder()" in found.findings[0].text
        (20, True, True)
    """
    found = Trial(definition)
    try:
        model = make(definition)
    except Misconfigured as problem:
        found.findings.append(error("model", f"model.definition: {problem}"))
        return found
    labels, found.imagined = _labels(samples, known)
    refusals: dict[str, list[Sample]] = {}
    silent = 0
    for sample, label in labels:
        found.tried += 1
        if reason := _refusal(model, sample.features, label):
            refusals.setdefault(reason, []).append(sample)
        elif model.ready and not model.probabilities(sample.features):
            silent += 1
        yield
    found.refused = sum(map(len, refusals.values()))
    culprits: list[str] = []
    for reason, refused in islice(refusals.items(), MAX_REASONS):
        tried = [one for one, _ in labels]
        finding, names = yield from _explained(make, definition, reason, refused, tried, fields)
        found.findings.append(finding)
        culprits += names
    if silent:
        found.findings.append(
            warning(
                "model",
                f"{_name(definition)} has no prediction for {silent} of {found.tried} records: numbers may "
                "be too "
                "large for it; put StandardScaler() before it, or use auto",
            )
        )
    found.findings += _unscaled(model, definition, fields)
    found.uses = yield from _uses(model, samples, fields)
    found.uses |= dict.fromkeys(culprits, REFUSED)
    return found


def _labels(
    samples: Sequence[Sample], known: Mapping[str, ClassLabel]
) -> tuple[list[tuple[Sample, ClassLabel]], bool]:
    """The samples to try, each with a label, and whether it is an imagined one.

    Known labels are learned if they are of two classes, since a model of one class is asked nothing. The
    samples without a label follow with labels of the same classes.
    """
    labelled = [(sample, known[sample.id]) for sample in samples if sample.id in known][:MAX_TRIED]
    classes = list(dict.fromkeys(label for _, label in labelled))
    if len(classes) < 2:
        return list(zip(samples[:MAX_TRIED], cycle(IMAGINED), strict=False)), True
    others = (sample for sample in samples if sample.id not in known)
    return [
        *labelled,
        *zip(islice(others, MAX_TRIED - len(labelled)), cycle(classes[:2]), strict=False),
    ], False


def _refusal(model: Model, features: Mapping[str, Any], label: ClassLabel) -> str | None:
    """Why the model cannot learn or predict a sample; None if it can."""
    try:
        model.learn(features, label)
        model.probabilities(features)
    except BadMessage as problem:
        return str(problem)
    return None


def _takes(make: MakeModel, definition: str, features: Mapping[str, Any]) -> bool:
    model = make(definition)
    return not any(_refusal(model, features, label) for label in (*IMAGINED, IMAGINED[0]))


def _explained(
    make: MakeModel,
    definition: str,
    reason: str,
    refused: Sequence[Sample],
    tried: Sequence[Sample],
    fields: Fields,
) -> Generator[None, None, tuple[Finding, list[str]]]:
    """The finding about samples that were refused for one reason, and the fields that caused it."""
    what = f"{_name(definition)} refuses {len(refused)} of {len(tried)} records"
    found = _CAUSE.fullmatch(reason)
    if found is None:  # one class too many, for example; the reason says what to do
        return error("model", f"{what}: {reason}"), []
    cause = found[1]
    lacking = _MISSING.fullmatch(cause)
    if lacking and lacking[1] not in refused[0].features:
        remedy = "send it always, or set model.definition: auto, which takes missing values"
        return error("model", f"{what}, which lack {listed([lacking[1]])} ({cause}); {remedy}"), []
    names = yield from _culprits(make, definition, refused[0])
    proposal = yield from _proposal(make, definition, tried, fields)
    write = f"write model.definition: {proposal}, or auto" if proposal else "set model.definition: auto"
    if not names:
        return error("model", f"{what} ({cause}); {write}"), []
    kinds = {fields.found[name].looks_like for name in names if name in fields.found}
    kind = f" ({', '.join(sorted(kinds))})" if kinds else ""
    return error("model", f"{what}: it cannot take {listed(names)}{kind}, {cause}; {write}"), names


def _culprits(make: MakeModel, definition: str, sample: Sample) -> Generator[None, None, list[str]]:
    """The fields of a sample that the model cannot take."""
    features = dict(islice(sample.features.items(), MAX_TESTED))
    numbers = {name: value for name, value in features.items() if not isinstance(value, str)}
    base = numbers if numbers and _takes(make, definition, numbers) else {}
    found = []
    tested = features.keys() - base.keys()
    for name in (name for name in features if name in tested):
        if not _takes(make, definition, {**base, name: features[name]}):
            found.append(field_of(name))
        yield
    found = list(dict.fromkeys(found))
    return [] if not base and len(found) == len({field_of(name) for name in features}) > 1 else found


def _proposal(
    make: MakeModel, definition: str, samples: Sequence[Sample], fields: Fields
) -> Generator[None, None, str | None]:
    """A definition with the same classifier that takes all the samples; None if none was found."""
    last = _last(definition)
    if last is None:
        return None
    texts = [
        f.name for f in fields.found.values() if f.looks_like in ("text", "id", "date") and not f.is_array
    ]
    numbers, categories = "(SelectType(Number) | StandardScaler())", "SelectType(str) | OneHotEncoder()"
    left_out = f"Discard({', '.join(map(repr, texts))}) | " if texts else ""
    written = f"{numbers} + ({left_out}{categories}) | {last}"
    bodies = [f.name for f in fields.found.values() if f.looks_like == "text" and not f.is_array][:1]
    if bodies:
        written = f"{numbers} + ({left_out}{categories}) + TFIDF(on={bodies[0]!r}) | {last}"
    try:
        model = make(written)
        for sample, label in zip(samples, cycle(IMAGINED), strict=False):
            if _refusal(model, sample.features, label):
                return None
            yield
    except Misconfigured:
        return None
    return written


def _last(definition: str) -> str | None:
    """The text of the last step of an expression; None of a factory or what is no expression."""
    try:
        node = ast.parse(definition.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        node = node.right
    return ast.unparse(node) if isinstance(node, ast.Call | ast.Name | ast.Attribute) else None


def _name(definition: str) -> str:
    """What to call the model: its last step."""
    last = _last(definition) or definition.strip()
    return printable(last.partition("(")[0] or last, 60)


def _unscaled(model: Model, definition: str, fields: Fields) -> list[Finding]:
    """Whether a linear model gets numbers of very different sizes as they are."""
    river = model.classifier.river
    scaled = any("Scal" in type(part).__name__ or "Normal" in type(part).__name__ for part in parts(river))
    large = [f.name for f in fields.found.values() if f.largest > LARGE and f.left_out is None]
    if not model.is_linear or scaled or not large:
        return []
    return [
        warning(
            "model",
            f"{_name(definition)} takes numbers as they are, and {listed(large)} reaches "
            f"{max(fields.found[name].largest for name in large):,.0f}: put StandardScaler() before it",
        )
    ]


def _uses(model: Model, samples: Sequence[Sample], fields: Fields) -> Generator[None, None, dict[str, str]]:
    """What the model makes of each field."""
    shown = list(islice(fields.found.values(), MAX_USES))
    if reads_as_auto(model):
        return {f.name: _use_of_auto(f) for f in shown}
    values: dict[str, tuple[str, Any]] = {}
    for sample in samples:
        for name, value in sample.features.items():
            values.setdefault(field_of(name), (name, value))
    uses = {}
    for one in shown:
        name, value = values.get(one.name, ("", None))
        try:
            uses[one.name] = _use(name, value, model.classifier.inputs({name: value}))
        except BadMessage:
            uses[one.name] = REFUSED
        yield
    return uses


def _use(name: str, value: Any, inputs: Mapping[Any, Any]) -> str:
    """What the last step of a pipeline gets of a feature, in a few words."""
    if not inputs:
        return "not used"
    if list(inputs) == [name]:
        return "as it is" if inputs[name] == value else "transformed"
    return listed([str(one) for one in inputs])


def _use_of_auto(one: Field) -> str:
    if one.left_out is not None:
        return f"not used: {one.left_out}" if one.looks_like != "date" else "time of day and weekday"
    if one.is_array:
        return "standardised numbers" if "number" in one.types else "categories"
    if one.looks_like == "number in text":
        return "a standardised number and a category"
    return AUTO_USES.get(one.looks_like, "a standardised number")
