"""Tasks of own arrays and tables: what they give, and what they say of data that are not right."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pytest
from pyarrow import parquet

from archsieve.errors import DataError, MissingDataError, PlanError, SettingError
from archsieve.fingerprints import fingerprint
from archsieve.networks.form import inputs_of
from archsieve.plans.parts import make
from archsieve.tasks.arrays import Arrays, Table
from archsieve.tasks.contract import SPLITS, measure_of
from archsieve.tasks.data import array_files, columns
from archsieve.testing import TaskContract

RNG = np.random.default_rng(0)
SIGNALS = RNG.standard_normal((60, 2, 8)).astype(np.float32)
TOKENS = RNG.integers(0, 20, (60, 5))
CLASSES = np.arange(60) % 3
RARE = (np.arange(60) % 6 == 0).astype(int)


def npz(folder, **arrays):
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return str(path)


def csv(folder, *lines, name="data.csv", encoding="utf-8"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return str(path)


def rows(count=40, target=lambda i: "ab"[i % 2]):
    return ["x,y,label", *(f"{i},{i * i % 7},{target(i)}" for i in range(count))]


def refusal(task):
    with pytest.raises(DataError) as caught:
        task.count("train")
    return str(caught.value)


def of_file(kind, tmp_path):
    if kind == "signals":
        return Arrays(file=npz(tmp_path, x=SIGNALS, y=300 + 9 * SIGNALS.mean((1, 2))), kind="regression")
    if kind == "several numbers":
        targets = SIGNALS.mean(2) * [1, 1000] + 5
        return Arrays(file=npz(tmp_path, x=SIGNALS, y=targets), kind="regression", scored_by="r2")
    if kind == "tokens":
        return Arrays(file=npz(tmp_path, x=TOKENS, y=CLASSES), tokens=20, scored_by="f1")
    if kind == "rare":
        return Arrays(file=npz(tmp_path, x=SIGNALS, y=RARE), kind="binary", balanced_loss=True)
    if kind == "labels":
        labels = np.stack([CLASSES == 0, CLASSES != 1, RARE], 1)
        return Arrays(file=npz(tmp_path, x=SIGNALS, y=labels), kind="multi-label", balanced_loss=True)
    if kind == "scenes":
        labels = RNG.integers(0, 3, (40, 6, 6)).astype(np.uint8)
        labels[:, 0] = 255
        pictures = RNG.integers(0, 256, (40, 3, 6, 6)).astype(np.uint8)
        return Arrays(file=npz(tmp_path, x=pictures, y=labels), kind="segmentation")
    return Table(file=csv(tmp_path, *rows()), target="label", scored_by="auc")


KINDS = ("signals", "several numbers", "tokens", "rare", "labels", "scenes", "table")


class TestOwnArrays(TaskContract):
    @pytest.fixture(autouse=True, params=KINDS)
    def _task(self, request, tmp_path):
        self.task = of_file(request.param, tmp_path)


def test_the_form_is_that_of_the_data(tmp_path):
    table = of_file("table", tmp_path)
    assert (table.input_shape, table.num_outputs, table.class_names) == ((2,), 2, ("a", "b"))
    assert [table.count(split) for split in ("train", "validation", "test")] == [28, 6, 6]
    tokens = of_file("tokens", tmp_path)
    assert str(inputs_of(tokens)[0]) == "5 of 20 tokens"
    assert of_file("signals", tmp_path).input_shape == (2, 8)
    assert of_file("scenes", tmp_path).input_shape == (3, 6, 6)


def test_numbers_are_standardised_and_errors_are_in_their_unit(tmp_path):
    task = of_file("signals", tmp_path)
    (mean,), (deviation,) = task.target_scale
    inputs, targets = next(task.batches("train", batch_size=100))
    assert np.allclose(inputs.mean((0, 2)), 0, atol=1e-5)
    assert np.allclose(inputs.std((0, 2), correction=0), 1, atol=1e-5)
    assert np.allclose(targets.mean(), 0, atol=1e-3)
    assert np.isclose(targets.std(correction=0), 1, atol=1e-3)
    metric = task.metric()
    metric.update(targets + 1, targets)  # by one deviation
    assert metric.compute() == pytest.approx(deviation, rel=1e-5)
    assert 299 < mean < 301
    measure = measure_of(task)
    assert measure.text(-metric.compute()) == f"{deviation:.4g} (lower is better)"


def test_each_class_is_drawn_in_its_proportion(tmp_path):
    task = of_file("rare", tmp_path)
    shares = [float(next(task.batches(split, batch_size=60))[1].mean()) for split in ("train", "validation", "test")]
    assert np.allclose(shares, 1 / 6, atol=0.06)


def test_the_identity_is_the_content_and_not_the_place(tmp_path):
    (tmp_path / "other").mkdir()
    first, copy = of_file("tokens", tmp_path), of_file("tokens", tmp_path / "other")
    assert fingerprint(first) == fingerprint(copy)
    changed = Arrays(file=npz(tmp_path / "other", x=TOKENS[::-1], y=CLASSES), tokens=20, scored_by="f1")
    assert fingerprint(first) != fingerprint(changed)
    settings = (
        {"split_seed": 1},
        {"scored_by": "auc"},
        {"test_fraction": 0.2},
        {"tokens": 21},
        {"train_fraction": 0.5},
    )
    prints = [fingerprint(Arrays(**{**vars(first), **each})) for each in settings]
    assert len({fingerprint(first), *prints}) == 6


def test_splits_may_be_given_by_arrays_columns_or_files(tmp_path):
    parts = {"x_train": SIGNALS[:40], "y_train": CLASSES[:40], "x_test": SIGNALS[40:], "y_test": CLASSES[40:]}
    task = Arrays(file=npz(tmp_path, **parts))
    assert [task.count(split) for split in ("train", "validation", "test")] == [34, 6, 20]
    words = ["train"] * 30 + ["val"] * 4 + ["test"] * 6
    split = [f"{row},{word}" for row, word in zip(rows(), ["part", *words], strict=True)]
    task = Table(file=csv(tmp_path, *split), target="label", split_column="part")
    assert [task.count(s) for s in ("train", "validation", "test")] == [30, 4, 6]
    assert task.input_shape == (2,)
    other = csv(tmp_path, *(row.replace("label", "labl") for row in rows(8)), name="other.csv")
    said = refusal(Table(file=csv(tmp_path, *rows()), target="label", test_file=other))
    assert "There is no 'label' in " in said
    assert "other.csv. Did you mean 'labl'?" in said
    test = csv(tmp_path, *rows(8), name="test.csv")
    task = Table(file=csv(tmp_path, *rows()), target="label", test_file=test)
    assert [task.count(s) for s in ("train", "validation", "test")] == [34, 6, 8]


def test_rows_of_one_group_come_into_one_split(tmp_path):
    lines = [f"{row},{'who' if i == 0 else i // 4}" for i, row in enumerate(rows(80))]
    task = Table(file=csv(tmp_path, *lines), target="label", group_column="who", standardise=False)
    assert task.input_shape == (2,)
    found = [{int(x) // 4 for x in next(task.batches(s, batch_size=80))[0][:, 0] + 1} for s in SPLITS]
    assert sum(map(len, found)) == len(set.union(*found)) == 21
    other = Table(file=task.file, target="label", ignore=("who",))
    assert fingerprint(task) != fingerprint(other)
    lines = [f"{line},{'part' if i == 0 else 'test' if i == 3 else 'train'}" for i, line in enumerate(lines)]
    task = Table(file=csv(tmp_path, *lines), target="label", group_column="who", split_column="part")
    assert "Rows of who = 0 of " in refusal(task)


def test_parquet_gives_what_csv_gives(tmp_path):
    values = {"x": list(range(40)), "y": [i * i % 7 for i in range(40)], "label": ["ab"[i % 2] for i in range(40)]}
    parquet.write_table(arrow.table(values), tmp_path / "data.parquet")
    table = Table(file=str(tmp_path / "data.parquet"), target="label")
    assert fingerprint(table) == fingerprint(Table(file=csv(tmp_path, *rows()), target="label"))


def test_a_cell_may_be_a_series(tmp_path):
    table = arrow.table({"wave": SIGNALS[:, 0].tolist(), "ids": TOKENS.tolist(), "y": CLASSES.tolist()})
    parquet.write_table(table, tmp_path / "data.parquet")
    path = str(tmp_path / "data.parquet")
    assert Table(file=path, target="y", features=("wave",)).input_shape == (1, 8)
    tokens = Table(file=path, target="y", features=("ids",), tokens=20)
    assert tokens.input_shape == (5,)
    assert Table(file=path, target="y", features=("wave",), shape=(2, 4)).input_shape == (2, 4)


def test_it_is_read_again_when_the_file_changes(tmp_path):
    task = Arrays(file=npz(tmp_path, x=SIGNALS, y=CLASSES))
    assert task.count("test") == 9
    npz(tmp_path, x=SIGNALS[:20], y=CLASSES[:20])
    assert task.count("test") == 3


def test_a_plan_names_it_by_file(tmp_path):
    path = csv(tmp_path, *rows())
    task = make("task", {"name": "table", "file": path, "target": "label", "kind": "binary", "positive": "a"})
    assert (task.num_outputs, task.class_names) == (1, ("b", "a"))
    with pytest.raises(PlanError, match="the task 'table' needs the setting 'target'"):
        make("task", {"name": "table", "file": path})
    with pytest.raises(PlanError, match="Did you mean 'target'"):
        make("task", {"name": "table", "file": path, "targt": "label"})


def test_files_that_are_none(tmp_path):
    with pytest.raises(MissingDataError, match=r"There is no file .*dta\.csv\. In .* there are data\.csv"):
        Table(file=csv(tmp_path, *rows()).replace("data", "dta"), target="label").count("train")
    assert "is a folder" in refusal(Table(file=str(tmp_path), target="label"))
    (tmp_path / "empty.csv").touch()
    assert "is empty" in refusal(Table(file=str(tmp_path / "empty.csv"), target="label"))
    assert "has a header and no rows" in refusal(Table(file=csv(tmp_path, "x,label"), target="label"))
    assert "must be a .csv, .tsv or .parquet" in refusal(Table(file=csv(tmp_path, "x", name="a.txt"), target="x"))
    (tmp_path / "no.npz").write_bytes(b"PK not really")
    assert "is not a complete .npz file" in refusal(Arrays(file=str(tmp_path / "no.npz")))
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    assert "is a table and no .npz file: use the task 'table'" in refusal(Arrays(file=str(tmp_path / "rows.csv")))
    (tmp_path / "no.parquet").write_bytes(b"PAR1 not really")
    assert "is not a complete parquet file" in refusal(Table(file=str(tmp_path / "no.parquet"), target="x"))


@pytest.mark.parametrize(
    ("lines", "settings", "said"),
    [
        (rows(), {"target": "lable"}, "There is no 'lable' in * Did you mean 'label'?"),
        (rows(), {"target": "label", "features": ("x", "z")}, "There is no 'z' in * It has x, y, label."),
        ([*rows(), "7,nan,a"], {"target": "label"}, "column 'y' and data row 41 of * is empty or no number (NaN)"),
        ([*rows(), "7,,a"], {"target": "label"}, "column 'y' and data row 41 of * is empty or no number"),
        ([*rows(), "7,inf,a"], {"target": "label"}, "column 'y' and data row 41 of * is inf"),
        ([*rows(), "7,n/k,a"], {"target": "label"}, "column 'y' and data row 41 of * is 'n/k', which is not a number"),
        ([*rows(), "7,8,"], {"target": "label"}, "column 'label' and data row 41 of * is empty"),
        ([*rows(), "7,8"], {"target": "label"}, "Expected 3 columns, got 2: 7,8. Each row needs as many values"),
        (["x,x,label", "1,2,a"], {"target": "label"}, "Several columns of * have the name 'x'"),
        (rows(target=lambda _: "a"), {"target": "label"}, "must be of several classes, but 'a' is the only one"),
        (rows(target=lambda i: i + 0.5), {"target": "label"}, "must be classes, but 0.5 is in data row 1: set kind"),
        (rows(target=lambda i: i), {"target": "label"}, "has 40 different values in 40 items, too many for classes"),
        (rows(), {"target": "label", "kind": "regression"}, "is 'a', which is not a number"),
        (
            rows(target=lambda i: i % 3),
            {"target": "label", "kind": "binary"},
            "must have two values for kind = 'binary'",
        ),
        (
            rows(target=lambda i: i % 3),
            {"target": "label", "kind": "multi-label"},
            "zeros and ones, but 2.0 is in data row 3",
        ),
        (rows(target=lambda i: i % 3), {"target": "label", "classes": 2}, "The label 2 in data row 3 is not in 0..1"),
        (rows(target=lambda _: 4), {"target": "label", "kind": "regression"}, "have the same number 4 as 'label'"),
        (
            rows(),
            {"target": "label", "split_column": "y"},
            "must say train, validation or test, but says '0' in data row 1",
        ),
        (rows(), {"target": "label", "tokens": 6}, "The token 6.0 in item 6 (counted from 0)"),
        (rows(), {"target": "label", "shape": (3,)}, "has 2 numbers, which cannot get the shape (3,)"),
        (rows(), {"target": "label", "ignore": ("x", "y")}, "No column of * is left as a feature"),
    ],
)
def test_tables_that_are_not_right(tmp_path, lines, settings, said):
    message = refusal_of_batches(Table(file=csv(tmp_path, *lines), **settings))
    for part in said.split(" * "):
        assert part in message


def refusal_of_batches(task):
    with pytest.raises(DataError) as caught:
        next(task.batches("train", batch_size=4))
    return str(caught.value)


def test_other_letters_than_utf_8_are_named(tmp_path):
    for name, label in (("größe", "a"), ("x", "hünd")):
        path = csv(tmp_path, f"{name},label", f"1,{label}", encoding="latin-1")
        assert refusal(Table(file=path, target="label")).endswith("save it as UTF-8.")


def test_parquet_that_is_not_right(tmp_path):
    path = tmp_path / "data.parquet"

    def said(**values):
        parquet.write_table(arrow.table(values), path)
        return refusal(Table(file=str(path), target="y"))

    labels = [0, 1] * 5
    assert "column 'x' and data row 2" in said(x=[1.0, None, *range(8)], y=labels)
    assert "column 'y' and data row 1" in said(x=list(range(10)), y=[None, 1, *labels[2:]])
    assert "data row 1 has 2 values, that of data row 3 has 1" in said(x=[[1, 2], [1, 2], [1], *[[1, 2]] * 7], y=labels)
    assert "A value in the list of The cell in column 'x' and data row 1" in said(
        x=[[1, None], *[[1, 2]] * 9], y=labels
    )
    assert "must be numbers, but is of the type" in said(x=[b"a"] * 10, y=labels)


@pytest.mark.parametrize(
    ("arrays", "settings", "said"),
    [
        ({"x": SIGNALS, "labels": CLASSES}, {}, "There is no 'y' in * It has x, labels."),
        ({"x": SIGNALS, "y": CLASSES[:-1]}, {}, "has 60 items in 'x', but 59 in 'y'"),
        ({"x": np.empty((0, 2)), "y": CLASSES}, {}, "holds no items: its shape is (0, 2)"),
        ({"x": np.array([{}] * 60), "y": CLASSES}, {}, "holds Python objects, which are not read"),
        ({"x": TOKENS, "y": CLASSES}, {"tokens": 19}, "The token 19 in item"),
        ({"x": np.where(SIGNALS > 2, np.nan, SIGNALS), "y": CLASSES}, {}, "must be finite numbers in single precision"),
        ({"x": SIGNALS, "y": SIGNALS}, {"kind": "segmentation"}, "a class for each pixel and 255 for none"),
        ({"x": SIGNALS, "y": TOKENS}, {}, "must be one class for each item, but has the shape (60, 5)"),
        ({"x_train": SIGNALS, "y_train": CLASSES, "x_test": SIGNALS[:, :1], "y_test": CLASSES}, {}, "of one shape"),
        (
            {"x_train": SIGNALS, "y_train": CLASSES, "x_test": SIGNALS, "y_test": CLASSES + 1},
            {},
            "'3' * is in 'test', but",
        ),
    ],
)
def test_arrays_that_are_not_right(tmp_path, arrays, settings, said):
    message = refusal_of_batches(Arrays(file=npz(tmp_path, **arrays), **settings))
    for part in said.split(" * "):
        assert part in message


def test_no_pickle_in_a_file_is_ever_loaded(tmp_path, monkeypatch):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "run",)

    path = npz(tmp_path, x=np.array([Trap()] * 4), y=np.arange(4) % 2)
    assert "Python objects" in refusal(Arrays(file=path))
    assert not (tmp_path / "run").exists()


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = npz(tmp_path, x=SIGNALS, y=CLASSES)
    monkeypatch.setattr(array_files, "MOST_BYTES", 1000)
    assert "would take 0.0 GB of memory" in refusal(Arrays(file=path))
    parquet.write_table(arrow.table({"x": SIGNALS[:, 0].tolist(), "y": CLASSES}), tmp_path / "data.parquet")
    assert "would take" in refusal(Table(file=str(tmp_path / "data.parquet"), target="y"))
    monkeypatch.setattr(columns, "MOST_CSV", 10)
    assert "MB of CSV are read" in refusal(Table(file=csv(tmp_path, *rows()), target="label"))


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path):
    path = tmp_path / "bomb.npz"
    header = np.zeros(1)
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x.npy", "y.npy"):
            with archive.open(name, "w") as stream:
                np.lib.format.write_array_header_1_0(
                    stream, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
                )
                stream.write(header.tobytes())
    assert "would take 16000.0 GB" in refusal(Arrays(file=str(path)))


def test_a_split_of_one_row_is_refused(tmp_path):
    task = Table(file=csv(tmp_path, *rows(8)), target="label")
    with pytest.raises(SettingError, match=r"The split 'validation' of the 8 items of .* has 1 item, on which"):
        task.count("train")
    assert Table(file=task.file, target="label", validation_fraction=0.25, test_fraction=0.25).count("validation") == 2
    assert Table(file=task.file, target="label", validation_fraction=0, test_fraction=0).count("train") == 8


def test_the_auc_needs_all_classes(tmp_path):
    path = csv(tmp_path, *rows(40, lambda i: "rare" if i < 2 else "often"))
    with pytest.raises(DataError, match=r"The AUC needs items of every class, but '.*' of .* has none of 'rare'"):
        Table(file=path, target="label", scored_by="auc").count("train")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "clasification"}, "Did you mean 'classification'"),
        ({"scored_by": "acuracy"}, "There is no metric 'acuracy'. Did you mean 'accuracy'"),
        ({"scored_by": "mae"}, "'mae' does not fit the kind 'classification', which has accuracy"),
        ({"validation_fraction": 1.0}, "`0 <= validation_fraction < 1` must hold"),
        ({"train_fraction": 0}, "`0 < train_fraction <= 1` must hold"),
        ({"kind": "regression", "balanced_loss": True}, "`balanced_loss` weights classes"),
        ({"positive": "a"}, "`positive` needs kind = 'binary'"),
        ({"kind": "binary", "positive": "c"}, "There is no class 'c'"),
        ({"shape": (0,)}, "`shape` must be whole numbers from 1 on"),
        ({"tokens": -1}, "`tokens >= 0` must hold"),
        ({"target": ("x", "y")}, "names 2 columns, but the kind 'classification' has one target"),
        ({"features": ("label",)}, "'label' is a target or says the split"),
        ({"split_column": "x", "test_file": "t.csv"}, "use one of them"),
    ],
)
def test_settings_that_are_not_right(tmp_path, settings, said):
    with pytest.raises(SettingError, match=None) as caught:
        Table(**{"file": csv(tmp_path, *rows()), "target": "label", **settings}).count("train")
    assert said in str(caught.value)
