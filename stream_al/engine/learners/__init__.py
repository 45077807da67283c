"""Learners of samples of any kind, and the mixture of them that is the default model."""

from stream_al.engine.learners.auto import Auto
from stream_al.engine.learners.bayes import NaiveBayes
from stream_al.engine.learners.extra import ExtraTrees
from stream_al.engine.learners.forest import MondrianForest
from stream_al.engine.learners.fourier import FourierSoftmax
from stream_al.engine.learners.linear import Softmax
from stream_al.engine.learners.neighbours import NearestNeighbours

__all__ = [
    "Auto",
    "ExtraTrees",
    "FourierSoftmax",
    "MondrianForest",
    "NaiveBayes",
    "NearestNeighbours",
    "Softmax",
]
