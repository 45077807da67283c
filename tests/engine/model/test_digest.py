"""The laws of the digest: it depends on the state of an object and on nothing else."""

from __future__ import annotations

import copy
import math
import pickle
import random
import re
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import linear_model, naive_bayes, preprocessing, proba

from stream_al.engine.model.digest import digest, digest_in_steps

bayes: Any = naive_bayes.GaussianNB
distribution: Any = proba.Gaussian
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
KEYS = st.none() | st.integers() | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.frozensets(KEYS, max_size=4)
        | st.lists(inner, max_size=3).map(deque)
        | st.dictionaries(KEYS, inner, max_size=3).map(OrderedDict)
    ),
    max_leaves=15,
)


def restored(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 -- our own bytes


class Slotted:
    __slots__ = ("left", "right")

    def __init__(self, left: object, right: object) -> None:
        self.left, self.right = left, right


class Open:
    def __init__(self, **attributes: object) -> None:
        vars(self).update(attributes)


@given(VALUES)
def test_a_copy_has_the_same_digest(value: object) -> None:
    assert digest(value) == digest(copy.deepcopy(value)) == digest(restored(value))


@given(VALUES, VALUES)
def test_digests_differ_where_representations_do(one: object, other: object) -> None:
    same = plain(one) == plain(other)
    assert (digest(one) == digest(other)) == same


def plain(value: object) -> str:
    """A representation with one zero and ordered sets."""
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(plain, value))})"
    if isinstance(value, dict):
        return f"{type(value)}{[(plain(key), plain(child)) for key, child in value.items()]}"
    if isinstance(value, list | tuple | deque):
        return f"{type(value)}{[plain(child) for child in value]}"
    return repr(value + 0.0) if isinstance(value, float) else repr(value)


DISTINCT: list[object] = [
    *(None, False, True, 0, 1, 0.0, 1.0, "", "1", b"", b"1", math.nan, math.inf, -1),
    *([], (), {}, set(), frozenset(), deque(), deque(maxlen=2), OrderedDict(), Counter(), defaultdict(int)),
    *([1, 2], [2, 1], [[1], 2], [[1, 2]], (1, 2), {1: 2}, {2: 1}, {1, 2}, {"a": 1, "b": 2}, {"b": 2, "a": 1}),
    *(defaultdict(list), Counter("a"), Counter("ab"), ["abuiltins.strb", "c"], ["a", "bbuiltins.strc"]),
    *(
        np.zeros(2),
        np.zeros((1, 2)),
        np.zeros(2, "f4"),
        np.zeros(2, int),
        np.ones(2),
        np.float64(1),
        np.float32(1),
    ),
    *(np.array(["a"]), np.array([1, "a"], object), np.array([2, "a"], object)),
    *(random.Random(1), random.Random(2), np.random.RandomState(1), np.random.RandomState(2)),  # noqa: S311
    *(np.random.default_rng(1), np.random.default_rng(2)),
    *(Slotted(1, 2), Slotted(2, 1), Open(left=1, right=2), Open(left=2, right=1), Open(left=1)),
    *(len, math.sqrt, int, float, Slotted, digest, np.mean, re.compile("a"), re.compile("b"), range(3)),
    *([].append, [1].append, "a".join, "b".join, distribution(), preprocessing.StandardScaler()),
]


def test_different_states_have_different_digests() -> None:
    assert len({digest(value) for value in DISTINCT}) == len(DISTINCT)


@pytest.mark.parametrize("value", DISTINCT[:-1], ids=lambda value: repr(value).split(" at 0x")[0][:30])
def test_a_restored_state_has_the_same_digest(value: object) -> None:
    assert digest(value) == digest(restored(value))


def test_both_zeros_are_one_number_and_so_are_all_nans() -> None:
    assert digest(-0.0) == digest(0.0)
    assert digest(math.nan) == digest(-math.nan)
    assert digest(np.array([-0.0, -math.nan])) == digest(np.array([0.0, math.nan]))


def test_which_strings_are_one_object_does_not_matter() -> None:
    once, twice = "a long string", "".join(["a long", " string"])
    assert once is not twice
    assert digest([once, once]) == digest([once, twice])
    assert digest([(1, 2)] * 2) == digest([(1, 2), tuple(map(int, "12"))])


def test_which_lists_are_one_object_does_matter() -> None:
    shared = [1]
    assert digest([shared, shared]) != digest([[1], [1]])
    assert digest([shared, shared]) == digest(restored([shared, shared]))


def test_an_object_that_a_reduction_makes_is_never_mistaken_for_one_visited_before() -> None:
    twice = [Counter({str(i): i}) for i in range(2000)]
    assert digest(twice) == digest(copy.deepcopy(twice))
    assert digest([deque([i]) for i in range(500)]) == digest([deque([i]) for i in range(500)])


def test_the_order_in_which_attributes_were_set_does_not_matter() -> None:
    assert digest(Open(a=1, b=2)) == digest(Open(b=2, a=1))
    assert digest(Counter("ab")) == digest(Counter("ba"))


def test_cycles_end() -> None:
    loop: list[object] = []
    loop.append({"self": loop, "set": {Knot(loop)}})
    assert digest(loop) == digest(restored(loop))


class Knot:
    def __init__(self, end: object) -> None:
        self.end = end


def test_any_depth_can_be_digested() -> None:
    deep: object = 0
    for _ in range(100_000):
        deep = [deep]
    shallower = deep[0]  # type: ignore[index]
    assert digest(deep) != digest(shallower)
    while isinstance(deep, list):  # level by level, since freeing it recursively would exhaust the stack
        deep = deep.pop()


def test_an_object_that_cannot_be_reduced_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        digest(iter(open))  # type: ignore[call-overload]


def test_a_generator_never_drawn_from_is_not_state() -> None:
    """River seeds the distributions in a naive Bayes or a tree from the system's entropy."""
    one, other = bayes(), bayes()
    for model in (one, other):
        model.learn_one({"a": 1.0}, "x")
    assert digest(one) == digest(other)
    other.learn_one({"a": 1.0}, "x")
    assert digest(one) != digest(other)


def test_the_plan_of_a_pipeline_is_not_state() -> None:
    pipeline = preprocessing.MinMaxScaler() | linear_model.LogisticRegression()
    before = digest(pipeline)
    pipeline.predict_proba_one({})
    assert digest(pipeline) == before
    pipeline.learn_one({"a": 1.0}, y=True)
    assert digest(pipeline) != before


def test_a_step_of_a_digest_is_short_whether_it_has_many_objects_or_large_ones() -> None:
    """Arrays of 1,000 classes were hashed in one step, which held the event loop for 0.14 s."""
    large = [np.full(250_000, float(number)) for number in range(20)]
    assert sum(1 for _ in digest_in_steps(large)) >= 19
    assert sum(1 for _ in digest_in_steps(list(map(float, range(20_000))))) >= 19
    assert sum(1 for _ in digest_in_steps([1.0, "x"])) == 0


def test_a_large_array_is_hashed_in_blocks() -> None:
    """Other tasks run after each megabyte of it, and the digest is that of the whole."""
    array = np.arange(1_000_000.0)
    assert len(list(digest_in_steps(array))) >= 7
    assert digest(array) == digest(array[::-1].copy()[::-1])
    assert digest(array) != digest(array + (array == 999_999.0))
