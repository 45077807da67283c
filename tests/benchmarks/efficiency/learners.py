"""The learners: three River models, each behind the transformers that the features of a stream need.

GaussianNB and logistic regression take numbers. Logistic regression gets standardised numbers, and one column
for each value of a text. GaussianNB gets the numbers alone. A stream that has only texts becomes a bag of
words. A tree cannot split on thousands of words, so it gets their hashes in 64 columns.
"""

from __future__ import annotations

from tests.benchmarks.efficiency.streams import Stream

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
