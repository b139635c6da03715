"""The binary model format that xgboost wrote until 2020 and cannot read since version 3.1, in plain numpy.

Little-endian, in order: a mark (optional), 136 bytes of settings, the names of objective and booster, 160 bytes of
settings of the trees, and of each tree 148 bytes of settings, 20 bytes a node and 16 bytes of statistics a node.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARK, SNAPSHOT = b"binf", b"CONFIG-offset:"
_SETTINGS, _TREES_SETTINGS, _TREE_SETTINGS, _STATISTICS = 136, 160, 148, 16
_NODE = np.dtype([("parent", "<i4"), ("left", "<i4"), ("right", "<i4"), ("feature", "<u4"), ("value", "<f4")])
_LEFT_IF_MISSING = 1 << 31  # shares the field of the feature
_MOST_TREES = 1_000_000
_CHUNK = 64  # rows at a time


def is_binary(content: bytes) -> bool:
    """Whether bytes begin like a model in the binary format, or like a pickled snapshot that holds one."""
    return content[: len(MARK)] == MARK or content[: len(SNAPSHOT)] == SNAPSHOT


@dataclass(frozen=True, eq=False)
class BinaryModel:
    """A sum of regression trees: node i continues to `left` if its feature is below the value, else to `right`.

    Args:
        nodes: of each tree, shape (trees, most nodes); a leaf goes nowhere (-1), its value is the tree's.
        base: what the leaves are added to.
        features: how many a row has.
    """

    nodes: NDArray[Any]
    base: float
    features: int

    @classmethod
    def parse(cls, content: bytes) -> BinaryModel:
        """Return the model that the bytes encode.

        Raises:
            ValueError: they are cut short, or no regression trees.
        """
        if content[: len(SNAPSHOT)] == SNAPSHOT:  # the length of the model, the model, its settings
            content = content[len(SNAPSHOT) + 8 :]
        content = content.removeprefix(MARK)
        try:
            return cls._parse(content)
        except struct.error as error:
            raise ValueError("it is truncated") from error

    @classmethod
    def _parse(cls, content: bytes) -> BinaryModel:
        base, features, classes = struct.unpack_from("<fIi", content)
        objective, place = _name(content, _SETTINGS)
        booster, place = _name(content, place)
        if (objective, booster) not in ((b"reg:squarederror", b"gbtree"), (b"reg:linear", b"gbtree")) or classes:
            raise ValueError(f"it is a {booster!r:.20} for {objective!r:.30}, but trees for squared errors are needed")
        (count,) = struct.unpack_from("<i", content, place)
        place += _TREES_SETTINGS
        if not 0 < count <= _MOST_TREES:
            raise ValueError(f"it says that it has {count} trees")
        trees = []
        for _ in range(count):
            (size,) = struct.unpack_from("<4xi", content, place)
            place += _TREE_SETTINGS
            if not 0 < size <= (len(content) - place) // (_NODE.itemsize + _STATISTICS):
                raise ValueError("it is truncated")
            trees.append(_checked(np.frombuffer(content, _NODE, size, place), features))
            place += size * (_NODE.itemsize + _STATISTICS)
        nodes = np.zeros((count, max(map(len, trees))), dtype=_NODE)
        for row, tree in zip(nodes, trees, strict=True):
            row[: len(tree)] = tree
        return cls(nodes, float(base), features)

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums for rows of features without missing values, shape (n,).

        Raises:
            ValueError: rows of another length.
        """
        if rows.shape[1] != self.features:
            raise ValueError(f"Rows of {self.features} features are needed, but they have {rows.shape[1]}.")
        single = rows.astype(np.float32)
        parts = [self._predict(single[i : i + _CHUNK]) for i in range(0, len(rows), _CHUNK)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        tree, row = np.arange(len(self.nodes)), np.arange(len(rows))[:, None]
        place = np.zeros((len(rows), len(self.nodes)), dtype=np.int64)
        while True:
            node = self.nodes[tree, place]
            is_leaf = node["left"] < 0
            if is_leaf.all():
                start = np.full((len(rows), 1), self.base)  # one after the other in single precision, as xgboost does
                sums = np.cumsum(np.concatenate([start, node["value"]], axis=1), axis=1, dtype=np.float32)
                return sums[:, -1].astype(np.float64)
            goes_left = rows[row, np.where(is_leaf, 0, node["feature"])] < node["value"]
            place = np.where(is_leaf, place, np.where(goes_left, node["left"], node["right"]))


def _name(content: bytes, place: int) -> tuple[bytes, int]:
    """Return the length-prefixed text at an offset, and the offset after it."""
    (length,) = struct.unpack_from("<Q", content, place)
    if length > len(content):
        raise ValueError("it is truncated")
    return content[place + 8 : place + 8 + length], place + 8 + length


def _checked(tree: NDArray[Any], features: int) -> NDArray[Any]:
    """Return a tree after checking that its nodes only lead to later ones, so that every path ends."""
    tree = tree.copy()
    tree["feature"] &= ~np.uint32(_LEFT_IF_MISSING)
    inner, own = tree["left"] >= 0, np.arange(len(tree))
    ends = np.stack([tree["left"], tree["right"]])[:, inner]
    if (ends <= own[inner]).any() or (ends >= len(tree)).any() or (tree["feature"][inner] >= features).any():
        raise ValueError("its trees are malformed")
    return tree
