"""Limits: how many classes and features a model may learn.

`engine.model.classes` refuses further classes, and `engine.model.feature_limits` leaves out further features.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a model.

    Attributes:
        classes: The most classes.
        features: The most names of features that a River classifier may meet, times its relative cost.
        pairs: The most pairs of a class and a feature, likewise.
    """

    classes: int = 1000
    features: int = 4000
    pairs: int = 60_000


DEFAULT_LIMITS = Limits()
