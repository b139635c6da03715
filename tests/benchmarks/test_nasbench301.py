"""The published surrogate models, in their folder layout: tiny ones, made and pickled here as theirs were."""

import json
import math
import pickle

import numpy as np
import pytest

from archsieve.benchmarks.nasbench301.surrogate import encode
from archsieve.errors import DataError, UnknownNameError
from archsieve.registry import BENCHMARKS
from archsieve.spaces.contract import draw_distinct
from benchmarks.models_2020 import PREDICTED_2020, SNAPSHOT_2020

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

MODELS = BENCHMARKS["nasbench301"]
SPACE = MODELS.space
ARCHS = draw_distinct(SPACE, 60, np.random.default_rng(0))
ROWS = encode(ARCHS)
GENOTYPE = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


def accuracy_model(seed):
    values = 90 + ROWS[:, 10] * 0.3 + ROWS[:, 15] * 0.2 + np.random.default_rng(seed).normal(0, 0.1, len(ROWS))
    return xgboost.train({"max_depth": 2, "seed": seed, "nthread": 1}, xgboost.DMatrix(ROWS, label=values), 5)


def runtime_model(rounds=8):
    data = lightgbm.Dataset(ROWS, label=3600 + 600 * ROWS[:, 10])
    settings = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    return lightgbm.train(settings, data, rounds)


@pytest.fixture(scope="module")
def accuracies():
    return [accuracy_model(seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def runtime():
    return runtime_model()


def put(folder, ensemble, member, booster, **config):
    place = folder / "nb_models_1.0" / ensemble / str(member)
    place.mkdir(parents=True)
    content = booster if isinstance(booster, bytes) else pickle.dumps(booster, protocol=3)
    (place / "surrogate_model.model").write_bytes(content)
    (place / "model_config.json").write_text(json.dumps(config))


def test_a_code_as_the_models_see_it():
    """The vector ConfigSpace 0.6 gives for the genotype of the published example, in the published space."""
    (found,) = encode([SPACE.parse(GENOTYPE)])
    edges = {10: 3, 11: 3, 12: 0, 13: 0, 33: 5, 36: 3, 37: 3, 39: 2, 40: 3, 43: 2}  # normal 11, 2, 3, 5, 6, 9
    edges |= {44: 0, 45: 2, 49: 0, 50: 2, 51: 0, 53: 2}  # reduction 10, 11, 3, 4, 5, 7
    pairs = {15: 0, 16: 0, 17: 1, 18: 2, 19: 1, 20: 4}
    assert {place: found[place] for place in edges | pairs} == edges | pairs
    assert set(found[[p for p in range(32, 56) if p not in edges]]) == {-1}
    settings = {0: 0.586345, 4: 0.166664, 5: 0.31, 14: 0.00315, 21: 0.00075, 25: 0.898876, 27: 0.00995, 31: 0.705128}
    settings |= {24: math.log(0.025), 26: math.log(0.0003)}
    assert {place: round(found[place], 6) for place in settings} == pytest.approx(settings, abs=2e-6)
    rest = [p for p in range(32) if p not in edges | pairs | settings]
    np.testing.assert_allclose(found[rest], 0, atol=1e-11)


def test_the_value_is_the_mean_of_the_members(folder, accuracies, runtime):
    for member, model in enumerate(accuracies):
        put(folder, "xgb_v1.0", member, model, model="xgb", **{"param:bananas_enc": False})
    put(folder, "lgb_runtime_v1.0", 0, runtime, model="lgb_time")
    assert MODELS.is_present()
    models = MODELS.load()
    predicted = [model.predict(xgboost.DMatrix(ROWS)).astype(float) for model in accuracies]
    first = (predicted[0] + predicted[1] + predicted[2]) / 3
    np.testing.assert_allclose(models.lookup("val_accuracy", ARCHS), first, rtol=1e-12)
    squares = sum((one - first) ** 2 for one in predicted)
    np.testing.assert_allclose(models.spread("val_accuracy", ARCHS), np.sqrt(squares / 3), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(models.lookup("runtime_seconds", ARCHS), runtime.predict(ROWS))
    assert np.ptp(first) > 0.5
    np.testing.assert_array_equal(models.lookup("val_accuracy", ARCHS), models.lookup("val_accuracy", ARCHS))


def test_one_code_alone_and_none(folder, accuracies):
    put(folder, "xgb_v1.0", 0, accuracies[0])
    models = MODELS.load()
    assert models.lookup("val_accuracy", ARCHS[:1]) == models.lookup("val_accuracy", ARCHS)[:1]
    assert models.lookup("val_accuracy", []).shape == (0,)
    with pytest.raises(UnknownNameError, match="runtime_seconds"):  # no folder, no column
        models.lookup("runtime_seconds", ARCHS)


def test_what_the_library_itself_saves_is_read_too(folder, accuracies, runtime):
    for member, form in enumerate(("json", "ubj")):
        put(folder, "xgb_v1.0", member, bytes(accuracies[0].save_raw(form)))
    put(folder, "lgb_runtime_v1.0", 0, runtime.model_to_string().encode())
    models = MODELS.load()
    expected = accuracies[0].predict(xgboost.DMatrix(ROWS))
    np.testing.assert_allclose(models.lookup("val_accuracy", ARCHS), expected, rtol=1e-6)
    np.testing.assert_allclose(models.lookup("runtime_seconds", ARCHS), runtime.predict(ROWS), rtol=1e-12)


def test_the_runtime_is_that_of_the_best_iteration(folder, accuracies, runtime):
    put(folder, "xgb_v1.0", 0, accuracies[0])
    stopped = runtime_model()
    stopped.best_iteration = 3
    put(folder, "lgb_runtime_v1.0", 0, stopped)
    found = MODELS.load().lookup("runtime_seconds", ARCHS)
    np.testing.assert_array_equal(found, runtime.predict(ROWS, num_iteration=3))
    assert not np.array_equal(found, runtime.predict(ROWS))


class Call:
    """Pickled, it calls `exec`."""

    def __reduce__(self):
        return exec, ("raise SystemExit('it was run')",)


def test_the_format_of_2020_predicts_as_xgboost_did(folder):
    """The pickle names a class that is not imported; see the test of the format itself."""
    state = b"X\x06\x00\x00\x00handleB" + len(SNAPSHOT_2020).to_bytes(4, "little") + SNAPSHOT_2020
    put(folder, "xgb_v1.0", 0, b"\x80\x03cxgboost.core\nBooster\n)\x81}" + state + b"sb.")
    put(folder, "xgb_v1.0", 1, SNAPSHOT_2020)
    models = MODELS.load()
    np.testing.assert_array_equal(models.lookup("val_accuracy", ARCHS[:8]), PREDICTED_2020)
    np.testing.assert_array_equal(models.spread("val_accuracy", ARCHS), 0)


@pytest.mark.parametrize(
    ("content", "config", "sentence"),
    [
        (pickle.dumps(Call(), protocol=3), {}, "names builtins.exec, which is not allowed: the file was not read"),
        (pickle.dumps({"handle": b"x"}, protocol=3), {}, "is a pickle without a model in it"),
        (b"\x80\x03garbage", {}, "is damaged, or is not a pickle"),
        (b"garbage", {}, "is not a readable model"),
        (SNAPSHOT_2020[:700], {}, "is not a readable model: it is truncated"),
        (b"{}", {"model": "gnn_gin"}, "says that the model is 'gnn_gin', but here 'xgb' is expected"),
        (b"{}", {"param:bananas_enc": True}, r"uses the path encoding \(param:bananas_enc\), which is not supported"),
    ],
    ids=["code", "no booster", "damaged pickle", "no model", "cut short", "other kind", "other encoding"],
)
def test_what_is_not_read(folder, content, config, sentence):
    put(folder, "xgb_v1.0", 0, content, **config)
    with pytest.raises(DataError, match=sentence) as caught:
        MODELS.load()
    assert "\n" not in str(caught.value)


def test_a_damaged_runtime_and_an_empty_folder(folder, accuracies):
    (folder / "nb_models_1.0" / "xgb_v1.0").mkdir(parents=True)
    with pytest.raises(DataError, match=r"xgb_v1\.0 holds no surrogate_model\.model below it"):
        MODELS.load()
    put(folder, "xgb_v1.0", 0, accuracies[0])
    put(folder, "lgb_runtime_v1.0", 0, b"tree\nnothing")
    with pytest.raises(DataError, match=r"lgb_runtime_v1\.0.* is not a readable model"):
        MODELS.load()
