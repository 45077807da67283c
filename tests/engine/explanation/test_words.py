"""What a word does for a prediction."""

from __future__ import annotations

from stream_al.engine.explanation.words import MOST_TEXTS, MOST_WORDS, texts, word_effects, words
from stream_al.engine.model.model import Model
from stream_al.engine.steps import finished

TOLD = [("free prize now", "spam"), ("dinner at home", "ham")] * 10


def learned() -> Model:
    made = Model("auto", seed=0)
    for text, label in TOLD:
        made.learn({"text": text, "n": 1.0}, label)
    return made


def test_a_word_of_one_class_speaks_for_it_and_one_of_the_other_against_it() -> None:
    shown = {"text": "Prize and prize, dinner", "n": 1.0}
    found = finished(word_effects(learned(), shown, "text", ["prize", "dinner", "and"]))
    assert found["prize"] > abs(found["and"])
    assert found["dinner"] < 0 < found["prize"]


def test_the_work_is_bounded() -> None:
    many = " ".join(f"w{number}" for number in range(10 * MOST_WORDS))
    assert len(words(many)) == MOST_WORDS
    assert len(texts({f"t{number}": many for number in range(3 * MOST_TEXTS)})) == MOST_TEXTS
    assert len(words("x" * 10**6 + " end")) == 1


def test_a_model_without_two_classes_has_no_effects() -> None:
    assert finished(word_effects(Model("auto", seed=0), {"text": "a b c"}, "text", ["a"])) == {}


def test_nothing_of_the_model_changes() -> None:
    made = learned()
    before = made.digest()
    assert finished(word_effects(made, {"text": "free dinner now"}, "text", ["free", "dinner"]))
    assert made.digest() == before
