"""River's classes, replaced where River's own would break the fold, or fail where a feature is missing.

A model must be the same on every replica that learned the same examples, whatever else the process does. A
few of River's classes are not, for reasons that have nothing to do with what they compute. An expression that
names one of them gets the replacement from here, or from `engine.model.samplers`; a factory may import it.
Classes that cannot be repaired are refused (`engine.model.definition.validation`).

A missing feature is absent from a sample (`engine.samples.sample`). Most of River's transformers pass over
what is absent. The few that are told a feature by its name raise `KeyError` on a sample without it, so that
one field that some records lack would refuse their labels. Here they do what the others do:

    Select               selects what is there
    StatImputer          fills in what is absent, as River's fills in None
    BagOfWords, TFIDF    find no word
    Grouper              takes the samples without the feature as a group of their own

*Words have bounds.* What follows a `BagOfWords` or a `TFIDF` keeps something for each word and class, and
texts may bring new words for ever. So each of them learns a number of words (`model.max_features`), those
that come first. When it has that many, it finds no other word, neither to learn nor to predict. With many
classes it knows fewer words and takes fewer of each text (`WordBound`). A word of more than `LONGEST_WORD`
characters is never one.

*Products have bounds.* A `PolynomialExtender` makes n^degree / degree! products of n features. It refuses a
sample of which it would make more than `MOST_PRODUCTS`.
"""

from __future__ import annotations

from itertools import islice
from math import comb, log
from typing import Any

from river import compose, feature_extraction, naive_bayes, neighbors, preprocessing
from river.tree.nodes import efdtc_nodes, htc_nodes
from river.tree.splitter.nominal_splitter_classif import NominalSplitterClassif

from stream_al.engine.model.samplers import SAMPLERS

__all__ = [
    "PATCHED",
    "TFIDF",
    "BagOfWords",
    "ComplementNB",
    "Grouper",
    "KNNClassifier",
    "PolynomialExtender",
    "Select",
    "StandardScaler",
    "StatImputer",
    "WordBound",
    "Words",
]

MOST_WORDS = 4000
MOST_WORD_PAIRS = 200_000  # of a class and a word that is known: some 20 MB
MOST_TEXT_PAIRS = 40_000  # of a class and a word of one text: naive Bayes takes 2 microseconds for each
MOST_PRODUCTS = 4000
LONGEST_WORD = 100


class Select(compose.Select):
    """`compose.Select`, with its keys in the order in which they are written; what is absent is left out.

    River keeps them in a set and passes the features on in the order of the set. That order differs from one
    process to the next, and sums of floats differ with it.

    >>> list(Select("b", "a", "d").transform_one({"a": 1, "b": 2, "c": 3}))
    ['b', 'a']
    """

    def __init__(self, *keys: str) -> None:
        self.keys = dict.fromkeys(keys)  # type: ignore[assignment]  # only iterated and searched

    def transform_one(self, x: dict[Any, Any]) -> dict[Any, Any]:
        """The selected features, as far as they are there."""
        return {key: x[key] for key in self.keys if key in x}


class StatImputer(preprocessing.StatImputer):
    """`preprocessing.StatImputer`, to which an absent feature is a missing one.

    >>> from river import stats
    >>> imputer = StatImputer(("age", stats.Mean()))
    >>> imputer.learn_one({"age": 40})
    >>> imputer.learn_one({})
    >>> imputer.transform_one({"amount": 2.5})
    {'amount': 2.5, 'age': 40.0}
    """

    def learn_one(self, x: dict[Any, Any]) -> None:
        """Learn the features that are there."""
        super().learn_one(self._whole(x))  # type: ignore[no-untyped-call]

    def transform_one(self, x: dict[Any, Any]) -> dict[Any, Any]:
        """Fill in what is missing."""
        filled: dict[Any, Any] = super().transform_one(self._whole(x))  # type: ignore[no-untyped-call]
        return filled

    def _whole(self, x: dict[Any, Any]) -> dict[Any, Any]:
        return x | {name: None for name in self.stats if name not in x}


class WordBound:
    """How many words the vectorisers of a model know, and take of one text. They share it with their clones.

    Args:
        most: The most of both.
        cost: How many times as long a word of a class takes as with a single naive Bayes.

    Attributes:
        known: How many words each knows.
        of_text: How many different words of a text count.

    >>> bound = WordBound(4000)
    >>> bound.known, bound.of_text
    (4000, 4000)
    >>> bound.fit(classes=100)
    >>> bound.known, bound.of_text
    (2000, 400)
    """

    def __init__(self, most: int = MOST_WORDS, cost: int = 1) -> None:
        self._most = self.known = self.of_text = most
        self._cost = cost

    def fit(self, classes: int) -> None:
        """Bound the products of words and classes."""
        self.known = max(1, min(self._most, MOST_WORD_PAIRS // (classes * self._cost)))
        self.of_text = max(1, min(self._most, MOST_TEXT_PAIRS // (classes * self._cost)))


class Words:
    """The text of a feature that may be absent, or no text in some samples; its words have bounds.

    Attributes:
        bound: How many words it learns and takes.
    """

    on: str | None
    bound = WordBound()

    def learn_one(self, x: Any) -> None:
        """Learn the words of a sample, as far as there is room."""
        known = vars(self).setdefault("known_words", {})
        if len(known) < self.bound.known:
            for word in dict.fromkeys(self._words(x)):
                known.setdefault(word, len(known))
                if len(known) >= self.bound.known:
                    break
        super().learn_one(x)  # type: ignore[misc]  # the vectoriser's, which comes next

    def process_text(self, x: Any) -> Any:
        """The words of a sample that count."""
        words, known, bound = self._words(x), vars(self).get("known_words", {}), self.bound
        if len(known) < bound.known and len(words) <= bound.of_text:
            return words
        found = (word for word in dict.fromkeys(words) if known.get(word, bound.known) < bound.known)
        counted = set(islice(found, bound.of_text))
        return [word for word in words if word in counted]

    def clone(self, *args: Any, **params: Any) -> Any:
        """A copy without what it has learned, with the same bound."""
        copy = super().clone(*args, **params)  # type: ignore[misc]  # likewise
        copy.bound = self.bound
        return copy

    def _words(self, x: Any) -> list[Any]:
        if self.on is not None:
            x = {self.on: str(x.get(self.on, ""))[: self.bound.of_text * (LONGEST_WORD + 1)]}
        words = super().process_text(x)  # type: ignore[misc]  # likewise
        return [word for word in words if len(word) <= LONGEST_WORD and _characters(word) <= LONGEST_WORD]


def _characters(word: str | tuple[str, ...]) -> int:
    """The length of a word, or of all words of an n-gram."""
    return len(word) if isinstance(word, str) else sum(map(len, word))


class BagOfWords(Words, feature_extraction.BagOfWords):
    """`feature_extraction.BagOfWords`, which finds no word where the text is absent.

    >>> BagOfWords(on="body").transform_one({"body": "Free entry"}), BagOfWords(on="body").transform_one({})
    ({'free': 1, 'entry': 1}, {})
    """


class TFIDF(Words, feature_extraction.TFIDF):
    """`feature_extraction.TFIDF`, which finds no word where the text is absent.

    >>> TFIDF(on="body").transform_one({})
    {}
    """


class PolynomialExtender(feature_extraction.PolynomialExtender):
    """`feature_extraction.PolynomialExtender`, which refuses a sample with too many products.

    >>> PolynomialExtender(degree=3).transform_one({str(n): 1.0 for n in range(100)})
    Traceback (most recent call last):
    ValueError: PolynomialExtender would make 176850 products of 100 features, and the limit is 4000: \
select fewer features before it, or lower its degree
    """

    def transform_one(self, x: dict[Any, Any]) -> dict[Any, Any]:
        """The products of the features."""
        number = len(x)
        again = 0 if self.interaction_only else 1
        made = sum(comb(number + again * (size - 1), size) for size in range(1, self.degree + 1))
        if made > MOST_PRODUCTS:
            raise ValueError(
                f"PolynomialExtender would make {made} products of {number} features, and the limit is "
                f"{MOST_PRODUCTS}: select fewer features before it, or lower its degree"
            )
        products: dict[Any, Any] = super().transform_one(x)  # type: ignore[no-untyped-call]
        return products


class Grouper(compose.Grouper):
    """`compose.Grouper`, in which samples that lack the feature are a group.

    >>> grouper = Grouper(StandardScaler(), by="country")
    >>> grouper.learn_one({"amount": 2.5})
    >>> grouper.transform_one({"amount": 2.5})
    {'amount': 0.0}
    """

    def _get_key(self, x: dict[Any, Any]) -> str:
        return "_".join(str(x.get(key)) for key in self.by)


class StandardScaler(preprocessing.StandardScaler):
    """`preprocessing.StandardScaler`, which transforming does not change.

    River's enters every feature that it has not learned into its tables, so a replica that scored a sample
    would differ from one that did not.

    >>> scaler = StandardScaler()
    >>> scaler.transform_one({"a": 1.0}), dict(scaler.means)
    ({'a': 0.0}, {})
    """

    def transform_one(self, x: dict[Any, Any]) -> dict[Any, Any]:
        """Scale the features that were learned; the others become 0, as with River's."""
        # A feature on which learning failed, such as a text, may have a mean and no variance.
        complete = self.vars if self.with_std else self.means
        if x.keys() <= complete.keys():  # nearly always; then River's changes nothing either
            known: dict[Any, Any] = super().transform_one(x)  # type: ignore[no-untyped-call]
            return known
        learned = {name: value for name, value in x.items() if name in complete}
        scaled = super().transform_one(learned)  # type: ignore[no-untyped-call]
        return {name: scaled.get(name, 0.0 if self.with_std else value) for name, value in x.items()}


class ComplementNB(naive_bayes.ComplementNB):
    """`naive_bayes.ComplementNB`, which adds up the counts of each class once.

    River's adds them up again for each feature of a sample: 1,000 words of 10,000 known ones take seconds.

    >>> model = ComplementNB()
    >>> model.learn_one({"a": 1, "b": 2}, "up"), model.learn_one({"a": 3}, "down")
    (None, None)
    >>> model.joint_log_likelihood({"a": 2}) == naive_bayes.ComplementNB.joint_log_likelihood(model, {"a": 2})
    True
    """

    def joint_log_likelihood(self, x: dict[Any, Any]) -> Any:  # River's annotation is wrong
        """The logarithm of the joint likelihood of a sample with each class."""
        found = {}
        for c in self.class_counts:
            rest = {
                f: self.feature_totals[f] + self.alpha - frequency.get(c, 0)
                for f, frequency in self.feature_counts.items()
            }
            total = sum(rest.values())
            found[c] = sum(frequency * -log(rest.get(f, self.alpha) / total) for f, frequency in x.items())
        return found


class KNNClassifier(neighbors.KNNClassifier):
    """`neighbors.KNNClassifier`, whose default engine is `LazySearch`.

    River's default is `SWINN`, without a seed.

    >>> print(KNNClassifier().engine)
    LazySearch
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        engine: Any = None,
        weighted: bool = True,
        cleanup_every: int = 0,
        softmax: bool = False,
    ) -> None:
        engine = neighbors.LazySearch() if engine is None else engine  # an empty engine is falsy
        super().__init__(n_neighbors, engine, weighted, cleanup_every, softmax)


class _Ordered(dict[Any, None]):
    """The part of a set that the splitter needs, in order of first appearance."""

    def add(self, value: Any) -> None:
        self[value] = None


class NominalSplitter(NominalSplitterClassif):
    """What Hoeffding trees keep of a feature that is text, which predicting does not change.

    River's enters a class into its table when its probability is read, so a tree that predicted would differ
    from one that did not. It also breaks ties between splits in the order of a set of texts, which differs
    between processes.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._att_values = _Ordered()  # type: ignore[assignment]  # a set in all that River does with it

    def cond_proba(self, att_val: Any, target_val: Any) -> float:
        """Return the share of a value among the examples of a class."""
        if target_val not in self._att_dist_per_class:
            return 0.0
        found: float = super().cond_proba(att_val, target_val)  # type: ignore[no-untyped-call]
        return found


# Leaves of all trees and forests make their splitters themselves, in these two modules and by this name.
# Predicting from a copy of the tree instead would cost up to 120 ms an example.
for _nodes in (htc_nodes, efdtc_nodes):
    _nodes.NominalSplitterClassif = NominalSplitter  # type: ignore[attr-defined]

PATCHED: dict[str, type] = {
    **SAMPLERS,
    "compose.Grouper": Grouper,
    "compose.Select": Select,
    "feature_extraction.BagOfWords": BagOfWords,
    "feature_extraction.PolynomialExtender": PolynomialExtender,
    "feature_extraction.TFIDF": TFIDF,
    "preprocessing.StandardScaler": StandardScaler,
    "preprocessing.StatImputer": StatImputer,
    "naive_bayes.ComplementNB": ComplementNB,
    "neighbors.KNNClassifier": KNNClassifier,
}
