"""The learners: River's models, each behind the transformers that the features of a stream need, and our own.

The comparison of policies uses three of them (`LEARNERS`), the comparison of models all (`MODELS`). Our own
take samples as they are.

GaussianNB and logistic regression take numbers. Logistic regression gets standardised numbers, and one column
for each value of a text. GaussianNB gets the numbers alone. A stream that has only texts becomes a bag of
words. A tree cannot split on thousands of words, so it gets their hashes in 64 columns.
"""

from __future__ import annotations

from tests.benchmarks.efficiency.streams import Stream

__all__ = ["LEARNERS", "MEMBERS", "MODELS", "OURS", "definition"]

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

OURS = "auto"
MEMBERS = {
    "our_bayes": "NaiveBayes()",
    "our_linear": "Softmax()",
    "our_fourier": "FourierSoftmax()",
    "our_neighbours": "NearestNeighbours()",
    "our_extra_trees": "ExtraTrees()",
    "our_forest": "ExtraTrees(window=1500, every=64, breadth=4.0, cuts=8)",
    "our_mondrian": "MondrianForest()",
}
"""Our learners, one by one."""

_TREE = "HoeffdingTreeClassifier(grace_period=50)"
_TREES = {
    "adaptive_tree": "HoeffdingAdaptiveTreeClassifier(grace_period=50)",
    "arf": "ARFClassifier(n_models=10)",
    "srp": f"SRPClassifier({_TREE}, n_models=10)",
    "leveraging": f"LeveragingBaggingClassifier({_TREE}, n_models=10)",
    "adwin_bagging": f"ADWINBaggingClassifier({_TREE}, n_models=10)",
}
_OF_NUMBERS = {
    "softmax": "SoftmaxRegression(optimizer=optim.SGD(0.1))",
    "knn": "KNNClassifier(n_neighbors=5)",
    "amf": "AMFClassifier(n_estimators=10)",
}
_NUMBERS_OF = {
    "numbers": "StandardScaler() | ",
    "mixed": "((SelectType(int, float) | StandardScaler()) + "
    "(SelectType(str) | OneHotEncoder(drop_zeros=True))) | ",
    "text": "BagOfWords(on='{column}') | FeatureHasher(n_features=64, seed=1) | ",
}
MODELS = (OURS, *MEMBERS, *LEARNERS, *_OF_NUMBERS, *_TREES)


def definition(learner: str, stream: Stream) -> str:
    """The expression of a learner for a stream."""
    table = {"numbers": _PLAIN, "mixed": _MIXED, "text": _TEXT}[stream.kind]
    linear = "LogisticRegression()" if len(stream.classes) == 2 else "SoftmaxRegression()"
    column = next(iter(stream.samples[0].features))
    if learner == OURS or learner in MEMBERS:
        return MEMBERS.get(learner, OURS)
    if learner in _OF_NUMBERS:
        return _NUMBERS_OF[stream.kind].format(column=column) + _OF_NUMBERS[learner]
    if learner in _TREES:
        before = _NUMBERS_OF["text"].format(column=column) if stream.kind == "text" else ""
        return before + _TREES[learner]
    return table[learner].format(linear=linear, column=column)
