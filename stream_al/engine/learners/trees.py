"""Mondrian trees in arrays, side by side: how they grow, and how they predict.

A node keeps the box of its examples, how many there were of each class, the time at which its parent was
split, and the logarithm of its weight: how well the counts predicted each example before they counted it.

    weight    W      = sum of log p_v(y),   p_v(k) = (n_vk + 0.1) / (n_v + 0.1 K)
    subtree   log T  = W at a leaf, else log(exp W + exp(log T_left + log T_right)) - log 2

An example x descends. In a node whose box it leaves, by e_j in column j, a split happens at an exponential
time of rate E = sum e_j after the node's own time, if that is before the split the node already has. It falls
into column j with probability e_j / E, at a uniform place between box and example. The node moves down,
beside a new leaf for the example. Nodes whose examples all have the class of this one are not split.

A prediction mixes the nodes on the path from the leaf to the root, each against all below it:

    q = p_leaf;  upwards: q = h p_v + (1 - h) q,  h = exp(W_v - log T_v) / 2

    Lakshminarayanan, Roy, Teh: Mondrian forests. NeurIPS 2014.
    Mourtada, Gaiffas, Scornet: AMF, aggregated Mondrian forests for online learning. JRSS B, 2021.
    Willems, Shtarkov, Tjalkens: The context-tree weighting method. IEEE Trans. Information Theory, 1995.

All trees take a step at once, so an example costs some NumPy calls a level, whatever the number of trees.
Nodes come in pairs of siblings from one pool, as `descent` needs them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.learners.descent import leaves_of
from stream_al.engine.learners.encoder.rows import Floats, Ints
from stream_al.engine.learners.encoder.scales import grown
from stream_al.engine.randomness import Draws

__all__ = ["Trees"]

MAX_BYTES = 32_000_000  # of all nodes
MAX_NODES = 2048  # of a tree
MAX_DEPTH = 64
FARTHEST = 1e30  # from the center; a sum of as large numbers is finite in float32, in all columns
PRIOR = 0.1
_LOG2 = float(np.log(2.0))
_FEW = 4096  # leaves whose predictions are computed at once, times 100 numbers

_OF_NODES = ("_feature", "_threshold", "_time", "_low", "_high", "_counts", "_total", "_weight", "_subtree")

Singles = NDArray[np.float32]


class Trees:
    """Trees over the same columns and classes.

    Args:
        number: How many.
        seed: For their splits.

    Attributes:
        center: Of each tree and column, what is 0 for the tree.
        rate: By what the distance from it is multiplied; 0 for columns that the tree does not see.
        age: How many examples each tree has learned.
    """

    def __init__(self, number: int, seed: int) -> None:
        self.number = number
        self.seed = seed
        self.steps = 0
        self.width = self.classes = 0
        self.center = np.zeros((number, 0))
        self.rate = np.zeros((number, 0))
        self.age = np.zeros(number, np.int64)
        self.roots: Ints = 2 * np.arange(number)
        nodes = 4 * number
        self._child = np.arange(nodes)
        self._parent = np.arange(nodes)
        self._feature = np.zeros(nodes, np.intp)
        self._threshold = np.full(nodes, np.inf)
        self._time = np.zeros(nodes)
        self._low: Singles = np.zeros((nodes, 0), np.float32)
        self._high: Singles = np.zeros((nodes, 0), np.float32)
        self._counts: Singles = np.zeros((nodes, 0), np.float32)
        self._total = np.zeros(nodes)
        self._weight = np.zeros(nodes)
        self._subtree = np.zeros(nodes)
        self._tree = np.repeat(np.arange(2 * number), 1) % number  # of each pair; the first are the roots
        self._size = np.ones(number, np.int64)  # pairs of each tree
        self._free = list(range(2 * number - 1, number - 1, -1))  # pairs, the next one last

    # ------------------------------------------------------------------ growing

    def widen(self, width: int, classes: int) -> None:
        """Make room for so many columns and classes."""
        if width > self._low.shape[1]:
            room = -(-width // 16) * 16
            self._low, self._high = grown(self._low, room, 1), grown(self._high, room, 1)
        if width > self.width:
            self.center, self.rate = grown(self.center, width, 1), grown(self.rate, width, 1)
            self.width = width
        if classes > self._counts.shape[1]:
            self._counts = grown(self._counts, max(2 * self._counts.shape[1], classes), 1)
        self.classes = max(self.classes, classes)

    def clear(self, trees: Ints) -> None:
        """Forget all that these trees have learned."""
        gone = np.isin(self._tree, trees)
        gone[: self.number] = False
        gone[np.asarray(self._free, np.intp)] = False
        self._free += np.flatnonzero(gone).tolist()[::-1]
        self._make_leaves(self.roots[trees], self.roots[trees], 0.0)
        self._size[trees] = 1
        self.age[trees] = 0

    def learn(self, x: Floats, label: int, trees: Ints | None = None) -> None:
        """Learn one example.

        Args:
            x: A number a column, in the units of the stream.
            label: The number of its class.
            trees: Which trees learn it; all if None.
        """
        which = np.arange(self.number) if trees is None else trees
        self.steps += 1
        self._make_room()
        path = self.path(x, which)
        levels, number = path.shape
        z = np.clip((x - self.center[which]) * self.rate[which], -FARTHEST, FARTHEST).astype(np.float32)
        total, own = self._total[path], self._counts[path, label]
        low, high = self._low[path, : self.width], self._high[path, : self.width]
        beyond = np.maximum(np.maximum(low - z, z - high), np.float32(0.0))
        beyond[total == 0.0] = 0.0
        extent = beyond.sum(axis=2, dtype=np.float64)
        chance = 1.0 - Draws(self.seed, "forest", self.steps).uniform((levels + 2) * number)  # in (0, 1]
        first = np.ones_like(path, np.bool_)
        first[1:] = path[1:] != path[:-1]  # a leaf is met again and again while other trees descend
        until = np.full(path.shape, np.inf)
        until[:-1] = np.where(first[1:], self._time[path[1:]], np.inf)
        with np.errstate(divide="ignore"):
            when = self._time[path] - np.log(chance[: levels * number].reshape(path.shape)) / extent
        splits = first & (extent > 0.0) & (own < total) & (when < until)
        room = (first.sum(axis=0) < MAX_DEPTH) & (self._size[which] < self._most())
        some = splits.any(axis=0) & room
        at = np.where(some, splits.argmax(axis=0), levels)
        learns = first & (np.arange(levels)[:, None] <= at)
        nodes, owners = path[learns], np.broadcast_to(np.arange(number), path.shape)[learns]
        if some.any():
            of = np.flatnonzero(some)
            at = at[of]
            u = chance[levels * number :].reshape(2, number)[:, of]
            leaves = self._split(path[at, of], which[of], z[of], beyond[at, of], when[at, of], u)
            nodes, owners = np.concatenate([nodes, leaves]), np.concatenate([owners, of])
        self._count(nodes, z[owners], label)
        self._weigh(path)
        self.age[which] += 1

    def path(self, x: Floats, trees: Ints) -> Ints:
        """The nodes that a sample meets, a row a level, a column a tree."""
        nodes = self.roots[trees]
        path = [nodes]
        while True:
            below = self._child[nodes] + (x[self._feature[nodes]] > self._threshold[nodes])
            if (below == nodes).all():
                found: Ints = np.array(path)
                return found
            path.append(below)
            nodes = below

    def _split(self, nodes: Ints, trees: Ints, z: Any, beyond: Any, when: Floats, u: Floats) -> Ints:
        """Split nodes, one a tree, towards an example; return its new leaves."""
        here = np.arange(len(nodes))
        reach = np.cumsum(beyond, axis=1, dtype=np.float64)
        feature = (reach <= u[0][:, None] * reach[:, -1:]).sum(axis=1)
        value = z[here, feature].astype(np.float64)
        low = self._low[nodes, feature].astype(np.float64)
        high = self._high[nodes, feature].astype(np.float64)
        right = value > high
        place = np.where(right, high + u[1] * (value - high), value + u[1] * (low - value))
        pairs = np.asarray([self._free.pop() for _ in here], np.intp)
        self._tree[pairs] = trees
        self._size[trees] += 1
        moved = 2 * pairs + ~right
        leaves: Ints = 2 * pairs + right
        self._make_leaves(leaves, nodes, when)
        is_leaf = self._child[nodes] == nodes
        self._child[moved] = np.where(is_leaf, moved, self._child[nodes])
        for array in (self._feature, self._threshold, self._low, self._high, self._counts):
            array[moved] = array[nodes]
        for array in (self._total, self._weight, self._subtree):
            array[moved] = array[nodes]
        self._time[moved] = when
        self._parent[moved] = nodes
        below = self._child[moved[~is_leaf]]
        self._parent[below] = self._parent[below + 1] = moved[~is_leaf]
        self._child[nodes] = 2 * pairs
        self._feature[nodes] = feature
        self._threshold[nodes] = self.center[trees, feature] + place / self.rate[trees, feature]
        return leaves

    def _make_leaves(self, nodes: Ints, parents: Ints, when: Floats | float) -> None:
        self._child[nodes] = nodes
        self._parent[nodes] = parents
        self._feature[nodes] = 0
        self._threshold[nodes] = np.inf
        self._time[nodes] = when
        self._low[nodes] = self._high[nodes] = 0.0
        self._counts[nodes] = 0.0
        self._total[nodes] = self._weight[nodes] = self._subtree[nodes] = 0.0

    def _count(self, nodes: Ints, z: Singles, label: int) -> None:
        """Count the example in each of the nodes; none of them stands there twice."""
        total, width = self._total[nodes], self.width
        self._weight[nodes] += np.log((self._counts[nodes, label] + PRIOR) / (total + PRIOR * self.classes))
        self._counts[nodes, label] += 1.0
        self._total[nodes] = total + 1.0
        new = (total == 0.0)[:, None]
        self._low[nodes, :width] = np.where(new, z, np.minimum(self._low[nodes, :width], z))
        self._high[nodes, :width] = np.where(new, z, np.maximum(self._high[nodes, :width], z))
        self._subtree[nodes] = self._weight[nodes]

    def _weigh(self, path: Ints) -> None:
        """Compute the weights of the subtrees anew, from the leaves upwards."""
        weight, subtree = self._weight, self._subtree
        for nodes in path[::-1]:
            left = self._child[nodes]
            right = np.minimum(left + 1, len(weight) - 1)  # of a leaf it does not matter which
            both = np.logaddexp(weight[nodes], subtree[left] + subtree[right]) - _LOG2
            subtree[nodes] = np.where(left == nodes, weight[nodes], both)

    # ------------------------------------------------------------------ the pool

    def _most(self) -> int:
        """The most pairs of a tree."""
        each = 2 * (8 * self._low.shape[1] + 4 * self._counts.shape[1] + 72)
        return int(max(2, min(MAX_NODES // 2, MAX_BYTES // (each * self.number))))

    def _make_room(self) -> None:
        """See to it that each tree can split once, and that no tree is larger than it may be."""
        large = np.flatnonzero(self._size > self._most())
        if len(large):
            self.clear(large)
        if len(self._free) >= self.number:
            return
        pairs = len(self._tree)
        more = 2 * pairs
        for name in _OF_NODES:
            setattr(self, name, grown(getattr(self, name), 2 * more))
        self._tree = grown(self._tree, more)
        self._child = np.concatenate([self._child, np.arange(2 * pairs, 2 * more)])
        self._parent = np.concatenate([self._parent, np.arange(2 * pairs, 2 * more)])
        self._free = list(range(more - 1, pairs - 1, -1)) + self._free

    # ------------------------------------------------------------------ predicting

    def leaves(self, x: Floats, trees: Ints) -> Ints:
        """The leaf of each sample in each of the trees: a row a tree.

        Args:
            x: A row a sample.
            trees: Which trees.
        """
        return leaves_of(x, self.roots[trees], self._child, self._feature, self._threshold)

    def probabilities(self, leaves: Ints) -> Floats:
        """The probabilities at leaves, a row a leaf."""
        part = max(1, _FEW * 100 // max(1, self.classes * 16))
        return np.concatenate(
            [self._says(leaves[begin : begin + part]) for begin in range(0, max(1, len(leaves)), part)]
        )

    def _says(self, leaves: Ints) -> Floats:
        path = [leaves]
        while True:
            above = self._parent[path[-1]]
            if (above == path[-1]).all():
                break
            path.append(above)
        nodes = np.array(path)
        counts = self._counts[nodes, : self.classes].astype(np.float64)
        probabilities = (counts + PRIOR) / (self._total[nodes] + PRIOR * self.classes)[:, :, None]
        half = 0.5 * np.exp(self._weight[nodes] - self._subtree[nodes])
        half[1:][nodes[1:] == nodes[:-1]] = 0.0  # a root is met again and again while other paths climb
        mixed: Floats = probabilities[0]
        for share, of in zip(probabilities[1:], half[1:, :, None], strict=True):
            mixed = of * share + (1.0 - of) * mixed
        return mixed
