"""The stand-in surrogate: its features and trees by hand, its file, and what it says beside its values."""

import json

import numpy as np
import pytest

from archsieve.benchmarks.nasbench301.stand_in import COLUMN, FILE, STANDIN, Trees, features
from archsieve.errors import DataError
from archsieve.fingerprints import identity
from archsieve.judging.metrics import kendall_tau, spearman
from archsieve.spaces.contract import draw_distinct

SPACE = STANDIN.space
NORMAL = (
    "[(0, 3), (1, 2), (0, 4), (2, 0), (2, 5), (3, 6), (1, 1), (4, 3)]"  # sep3 skip | sep5 max | dil3 dil5 | avg sep3
)
REDUCTION = "[(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2), (0, 0), (1, 0)]"  # nothing but inputs, no convolution
ARCH = SPACE.parse(f"[{NORMAL}, {REDUCTION}]")


def test_features_by_hand():
    (row,) = features([ARCH])
    normal, reduction, size = row[:130], row[130:260], row[260]
    edges = normal[:98].reshape(14, 7)
    # of node 2 edges 0 and 1, of node 3 edges 2 to 4, of node 4 edges 5 to 8, of node 5 edges 9 to 13
    assert set(zip(*np.nonzero(edges), strict=True)) == {
        (0, 3), (1, 2), (2, 4), (4, 0), (7, 5), (8, 6), (10, 1), (13, 3)
    }  # fmt: skip
    from_inputs, from_nodes, everywhere = normal[98:119].reshape(3, 7)
    assert from_inputs.tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert from_nodes.tolist() == [1, 0, 0, 1, 0, 1, 1]
    assert everywhere.tolist() == [1, 1, 1, 2, 1, 1, 1]
    assert normal[119:123].tolist() == [1, 2, 3, 4]  # 0-2, 0-2-3, 0-2-3-4, 0-2-3-4-5
    # 1x1 convolutions: 2 by sep3; 2 by either way; 2 + 1 by either dilation; 3 + 2
    assert normal[123:127].tolist() == [2, 2, 3, 5]
    assert normal[127:130].tolist() == [3, 4, 8]  # mean of these, edges from inputs, 2 + 2 + 1 + 1 + 2
    assert reduction[119:130].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0, 8, 0]
    assert size == 21 * 8
    assert features([SPACE.parse(f"[{REDUCTION}, {NORMAL}]")])[0, 260] == 10 * 8
    assert features([]).shape == (0, 261)


def trees(feature, threshold, leaf, base, stretch=1.0):
    return Trees(np.array(feature), np.array(threshold, float), np.array(leaf, float), np.array(base), stretch)


def test_trees_by_hand():
    """Two members of two trees of three splits, on features 0 and 1."""
    feature = [[[0, 1, 1], [1, 0, 0]], [[0, 0, 0], [1, 1, 1]]]
    threshold = [[[0.5, 0.5, 1.5], [np.inf, 2, 0]], [[1, 0, 2], [0, -1, 1]]]
    leaf = [[[1, 2, 3, 4], [10, 20, 30, 40]], [[0, 1, 2, 3], [0, 10, 20, 30]]]
    model = trees(feature, threshold, leaf, [100.0, 200.0])
    rows = np.array([[0, 0], [0.5, 1], [1, 1.5], [3, 2]], dtype=np.float32)
    # member 0, tree 0: left (0 <= .5), left: 1; left (equal), right (1 > .5): 2; right, left (equal): 3; right twice: 4
    # tree 1 always goes left, then by feature 0 at most 2: 10, 10, 10, and 20
    # member 1, tree 0: 0 or equal to 1 goes left: at most 0: 0, else 1; 3 goes right, above 2: 3
    # tree 1: feature 1 is 0: left, above -1: 10; 1: right, at most 1: 20; 1.5 and 2: 30
    np.testing.assert_array_equal(model.members(rows), [[111, 112, 113, 124], [210, 221, 231, 233]])


def test_many_rows_are_the_rows_alone():
    model = trees([[[0, 1, 1]]], [[[0.5, 0.5, 0.5]]], [[[1, 2, 3, 4]]], [0.0])
    rows = np.random.default_rng(0).integers(0, 2, (700, 2)).astype(np.float32)
    alone = np.concatenate([model.members(row[None]) for row in rows], axis=1)
    np.testing.assert_array_equal(model.members(rows), alone)
    np.testing.assert_array_equal(model.members(rows)[0], 1 + 2 * rows[:, 0] + rows[:, 1])


def test_deviations_are_stretched_and_means_are_not():
    splits = [[[260]], [[260]]]
    model = trees(splits, [[[50]], [[50]]], [[[1, 2]], [[3, 8]]], [0.0, 0.0], stretch=2.0)
    np.testing.assert_array_equal(model.predict([ARCH]), [[-1], [11]])  # 2 and 8: mean 5, deviations doubled


def test_the_shipped_file_and_its_card():
    card, path = STANDIN.card(), STANDIN.source.require()
    assert STANDIN.source.state(check=True) == "present"
    assert card["sha256"] == STANDIN.source.sha256
    assert path.stat().st_size < 300_000
    assert (card["licence"], card["count"], card["column"]) == ("Apache-2.0", 250, COLUMN)
    assert card["space"] == identity(SPACE)
    assert card["command"] == "python studies/make_standin301.py"
    assert {"python", "numpy", "scikit-learn"} <= set(card["versions"])
    best = max(card["baseline_tau"].values())
    for figures in (card["cross_validation"], card["nested_cross_validation"]):
        assert figures["tau"]["least"] <= figures["tau"]["mean"] <= figures["tau"]["greatest"]
        assert figures["tau"]["least"] > 0.517 > 0.4 > best
    assert card["cross_validation"]["within_one_spread"] == pytest.approx(0.68, abs=0.01)


def test_the_file_holds_trees_and_no_cells():
    with np.load(STANDIN.source.require(), allow_pickle=False) as arrays:
        shapes = {name: arrays[name].shape for name in arrays.files}
    assert shapes == {
        "feature": (10, 400, 3),
        "threshold": (10, 400, 3),
        "leaf": (10, 400, 4),
        "base": (10,),
        "stretch": (),
    }


def test_it_predicts_any_code_and_says_what_it_is():
    archs = draw_distinct(SPACE, 300, np.random.default_rng(0))
    model = STANDIN.load()
    values, spread = model.lookup(COLUMN, archs), model.spread(COLUMN, archs)
    assert 89 < values.min() < values.max() < 95
    assert (spread > 0).all()
    assert np.median(spread) < 0.5
    assert len(set(values.tolist())) > 290
    np.testing.assert_array_equal(model.lookup(COLUMN, archs[::-1]), values[::-1])
    assert STANDIN.caution.startswith("Stand-in surrogate: no network was trained")
    assert STANDIN.name == "nasbench301-standin"
    assert STANDIN.truth == COLUMN == "standin_accuracy"


@pytest.mark.data
def test_it_learnt_from_the_published_cells(published301):
    """In-sample, so better than what the card says of cells it has not seen; a wrong decoding would destroy it."""
    truth = published301.columns["val_accuracy"]
    values = STANDIN.load().lookup(COLUMN, published301.archs)
    assert kendall_tau(values, truth) > STANDIN.card()["cross_validation"]["tau"]["greatest"]
    assert spearman(values, truth) > 0.97


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (None, "is damaged: reinstall archsieve"),
        ({"leaf": None}, "is damaged: reinstall archsieve"),
        ({"leaf": np.zeros((1, 1, 3))}, "holds no complete trees over these features"),
        ({"feature": np.full((1, 1, 1), 261)}, "holds no complete trees over these features"),
        ({"feature": np.zeros(1, int)}, "holds no complete trees over these features"),
    ],
    ids=["other bytes", "array missing", "too many leaves", "no such feature", "no trees"],
)
def test_a_package_that_is_not_whole(tmp_path, monkeypatch, change, sentence):
    path = tmp_path / FILE
    parts = {"feature": np.zeros((1, 1, 1), int), "threshold": np.zeros((1, 1, 1)), "leaf": np.zeros((1, 1, 2))}
    parts |= {"base": np.zeros(1), "stretch": np.float64(1)}
    if change is None:
        path.write_bytes(b"no zip")
    else:
        np.savez(path, **{n: v for n, v in (parts | change).items() if v is not None})
    monkeypatch.setattr("archsieve.benchmarks.digits.files", lambda package: tmp_path)
    with pytest.raises(DataError, match=sentence):
        STANDIN.load()
    path.with_suffix(".json").write_text(json.dumps({})[:-1])
    with pytest.raises(DataError, match=r"nasbench301-standin\.json is damaged: reinstall archsieve"):
        STANDIN.card()
