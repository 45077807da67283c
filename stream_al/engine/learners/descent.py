"""Descent: the leaves of many samples in many trees.

Trees are held in flat arrays, a node a place. Of each node there is its left child, whose right sibling
follows it, a column, and a threshold; a sample goes right if its number in that column is larger. A leaf is
its own left child, behind a threshold that nothing exceeds, so samples that have arrived stay there.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.learners.encoder.rows import Floats, Ints

__all__ = ["leaf_of_one", "leaves_of"]


def leaves_of(x: Floats, roots: Ints, child: Ints, feature: Ints, threshold: Floats) -> Ints:
    """The leaf of each sample in each tree.

    Args:
        x: A row a sample.
        roots: The root of each tree.
        child: The left child of each node.
        feature: The column of each node.
        threshold: The threshold of each node.

    Returns:
        A row a tree, a column a sample.
    """
    samples, width = x.shape
    flat = np.ascontiguousarray(x).ravel()
    found: Ints = np.repeat(roots, samples)
    rows = np.tile(np.arange(samples) * width, len(roots))
    places = np.arange(len(found))
    nodes = found.copy()
    while len(places):
        below = child.take(nodes)
        below += flat.take(rows + feature.take(nodes)) > threshold.take(nodes)
        moves = below != nodes
        if np.count_nonzero(moves) == len(moves):
            nodes = below
            continue
        found[places[~moves]] = nodes[~moves]
        places, nodes, rows = places[moves], below[moves], rows[moves]
    return found.reshape(len(roots), samples)


def leaf_of_one(x: Floats, roots: Ints, child: Ints, feature: Ints, threshold: Floats) -> Ints:
    """The leaf of one sample in each tree; the same as `leaves_of` finds, in less time."""
    nodes = roots
    while True:
        below = child.take(nodes)
        below += x.take(feature.take(nodes)) > threshold.take(nodes)
        if below.tobytes() == nodes.tobytes():
            return nodes
        nodes = below
