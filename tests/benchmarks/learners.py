"""The learners: three River models, each with the steps in front that a stream's features need.

GaussianNB and logistic regression take numbers. Before the logistic regression, numbers are standardised
and texts become one column a value; before GaussianNB, texts are left out. A message (a stream of nothing
but text) becomes its words; a tree cannot split on thousands of those, and gets their hashes in 64 columns.
"""

from __future__ import annotations

from tests.benchmarks.streams import Stream

__all__ = ["LEARNERS", "definition"]

LEARNERS = ("nb", "tree", "logistic")

_PLAIN = {
    "nb": "GaussianNB()",
    "tree": "HoeffdingTreeClassifier(grace_period=50)",
    "logistic": "StandardScaler() | {linear}",
}
_MIXED = {
    "nb": "SelectType(int, float) | GaussianNB()",
    "tree": _PLAIN["tree"],
    "logistic": "((SelectType(int, float) | StandardScaler()) + (SelectType(str) | "
    "OneHotEncoder(drop_zeros=True))) | {linear}",
}
_TEXT = {
    "nb": "BagOfWords(on='{column}') | MultinomialNB()",
    "tree": "BagOfWords(on='{column}') | FeatureHasher(n_features=64, seed=1) | " + _PLAIN["tree"],
    "logistic": "BagOfWords(on='{column}') | {linear}",
}


def definition(learner: str, stream: Stream) -> str:
    """The River expression of a learner for a stream."""
    table = {"numbers": _PLAIN, "mixed": _MIXED, "text": _TEXT}[stream.kind]
    linear = "LogisticRegression()" if len(stream.classes) == 2 else "SoftmaxRegression()"
    column = next(iter(stream.samples[0].features))
    return table[learner].format(linear=linear, column=column)
