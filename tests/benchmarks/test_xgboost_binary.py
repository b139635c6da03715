"""xgboost's binary format of 2020, by a model that xgboost 1.2.1 trained and pickled, and by hand."""

import struct

import numpy as np
import pytest

from archsieve.benchmarks.nasbench301.surrogate import encode
from archsieve.benchmarks.nasbench301.xgboost_binary import BinaryModel, is_binary
from archsieve.spaces.contract import draw_distinct
from archsieve.spaces.darts.space import DARTS
from benchmarks.models_2020 import PREDICTED_2020, SNAPSHOT_2020


def model(*trees, base=0.5, features=3, objective=b"reg:squarederror", classes=0):
    """Return the bytes of trees, each a list of (left, right, feature, value)."""
    names = b"".join(len(name).to_bytes(8, "little") + name for name in (objective, b"gbtree"))
    content = struct.pack("<fIi", base, features, classes).ljust(136, b"\0") + names
    content += struct.pack("<i", len(trees)).ljust(160, b"\0")
    for tree in trees:
        content += struct.pack("<ii", 1, len(tree)).ljust(148, b"\0")
        content += b"".join(struct.pack("<iiiIf", -1, *node) for node in tree) + b"\0" * 16 * len(tree)
    return content


MISSING_GOES_LEFT = 1 << 31
TREE = [(1, 2, MISSING_GOES_LEFT | 2, 1.5), (3, 4, 0, -1.0), (-1, -1, 0, 10.0), (-1, -1, 0, 1.0), (-1, -1, 0, 2.0)]
ROWS = np.array([[-2, 0, 0], [-1, 0, 1], [0, 0, 1.5], [-2, 9, 2]])


def test_a_model_of_the_real_library():
    rows = encode(draw_distinct(DARTS(), 60, np.random.default_rng(0)))
    found = BinaryModel.parse(SNAPSHOT_2020)
    np.testing.assert_array_equal(found.predict(rows)[:8], PREDICTED_2020)
    np.testing.assert_array_equal(found.predict(np.repeat(rows, 3, axis=0)), np.repeat(found.predict(rows), 3))
    assert (found.features, len(found.nodes)) == (56, 4)


@pytest.mark.parametrize("mark", [b"", b"binf"])
def test_trees_by_hand(mark):
    """Below 1.5 in the last feature, then below -1 in the first: 1, equal to it: 2; not below 1.5: 10."""
    content = mark + model(TREE, [(-1, -1, 0, 100.0)])
    assert is_binary(content) == bool(mark)
    np.testing.assert_array_equal(BinaryModel.parse(content).predict(ROWS), [101.5, 102.5, 110.5, 110.5])
    assert BinaryModel.parse(content).predict(ROWS[:0]).shape == (0,)


def test_what_is_binary():
    assert is_binary(SNAPSHOT_2020)
    assert not is_binary(b'{"learner": 1}')
    assert not is_binary(b"{L\x00\x00")


def test_rows_of_another_length():
    with pytest.raises(ValueError, match="Rows of 3 features are needed, but they have 2"):
        BinaryModel.parse(model(TREE)).predict(ROWS[:, :2])


@pytest.mark.parametrize("length", [0, 3, 100, 140, 200, 400, len(model(TREE)) - 1])
def test_what_is_cut_short(length):
    with pytest.raises(ValueError, match=r"it is truncated|but trees for squared errors are needed"):
        BinaryModel.parse(model(TREE)[:length])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (model(TREE, objective=b"multi:softmax"), "trees for squared errors are needed"),
        (model(TREE, classes=3), "trees for squared errors are needed"),
        (model(), "it says that it has 0 trees"),
        (model([(0, 1, 0, 0.0), (-1, -1, 0, 1.0)]), "its trees are malformed"),
        (model([(1, 2, 0, 0.0), (-1, -1, 0, 1.0)]), "its trees are malformed"),
        (model([(1, 2, 3, 0.0), (-1, -1, 0, 1.0), (-1, -1, 0, 1.0)]), "its trees are malformed"),
        (model([(1, -1, 0, 0.0), (-1, -1, 0, 1.0)]), "its trees are malformed"),
    ],
    ids=["objective", "classes", "none", "ring", "nowhere", "feature", "half a split"],
)
def test_what_is_no_such_model(content, sentence):
    with pytest.raises(ValueError, match=sentence):
        BinaryModel.parse(content)
