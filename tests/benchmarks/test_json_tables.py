"""The two JSON formats, whole and damaged."""

import copy
import json
from types import SimpleNamespace

import numpy as np
import pytest

from archsieve.errors import DataError
from archsieve.registry import BENCHMARKS
from archsieve.spaces.contract import enumerate_space

MACRO, PUBLISHED = BENCHMARKS["nasbench-macro-cifar10"], BENCHMARKS["nasbench201-published-proxies"]
PUBLISHED_301 = BENCHMARKS["nasbench301-published-proxies"]
CODES = ["".join(map(str, arch)) for arch in enumerate_space(MACRO.space)]


TASK = SimpleNamespace(input_shape=(3, 32, 32), num_outputs=10)
SIZES = [(MACRO.space.params(arch, TASK), MACRO.space.macs(arch, TASK)) for arch in enumerate_space(MACRO.space)]


ACCURACIES = [80 + macs / 1e7 for _, macs in SIZES]


def macro_rows(sizes=SIZES, means=ACCURACIES):
    return {
        code: {"test_acc": [mean - 1, mean, mean + 1], "mean_acc": mean, "std": 0.5, "params": params, "flops": macs}
        for code, (params, macs), mean in zip(CODES, sizes, means, strict=True)
    }


def published_scores(benchmark, arch):
    """Return made-up scores of a cell, with its own sizes in millions."""
    scores = {name: float(i) for i, name in enumerate(benchmark.columns[:-1])}
    return scores | {
        "params": benchmark.space.params(arch, TASK) / 1e6,
        "flops": benchmark.space.macs(arch, TASK) / 1e6,
    }


def published_rows():
    return {
        "(2, 2, 0, 2, 3, 2)": {**published_scores(PUBLISHED, (3, 3, 3, 1, 2, 3)), "val_accuracy": 91.0},
        "(1, 1, 1, 1, 1, 1)": {**published_scores(PUBLISHED, (0,) * 6), "snip": -1e8, "val_accuracy": 10.0},
    }


def load(benchmark, folder, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / benchmark.source.file).write_text(text)
    return benchmark.load()


def refused(benchmark, folder, content, sentence):
    with pytest.raises(DataError, match=sentence) as caught:
        load(benchmark, folder, content)
    message = str(caught.value)
    assert message.startswith(f"The file {folder / benchmark.source.file} ")
    assert message.endswith(".")
    assert "\n" not in message


def test_macro_reads_the_official_format(folder):
    table = load(MACRO, folder, macro_rows())
    assert table.row((0, 0, 0, 0, 0, 0, 1, 2)) == {
        "mean_acc": ACCURACIES[5],
        "std": 0.5,
        "params": SIZES[5][0],
        "flops": SIZES[5][1],
        "test_acc_1": ACCURACIES[5] - 1,
        "test_acc_2": ACCURACIES[5],
        "test_acc_3": ACCURACIES[5] + 1,
    }
    assert MACRO.source.state(check=True) == "differs"


@pytest.mark.parametrize(
    "kind",
    {
        "operations renumbered": [SIZES[int(code.translate(str.maketrans("012", "021")), 3)] for code in CODES],
        "backwards": [SIZES[int(code[::-1], 3)] for code in CODES],
        "two decisions exchanged": [SIZES[int(code[1] + code[0] + code[2:], 3)] for code in CODES],
        "rows shifted": SIZES[1:] + SIZES[:1],
    }.items(),
    ids=lambda kind: kind[0],
)
def test_macro_joined_wrongly(folder, kind):
    refused(MACRO, folder, macro_rows(kind[1]), "do not belong together")


def shuffled(values):
    return np.random.default_rng(0).permutation(values).tolist()


@pytest.mark.parametrize(
    ("means", "sentence"),
    [
        ([100 - mean for mean in ACCURACIES], "errors instead of accuracies"),
        (shuffled(ACCURACIES), "rows of this column in another order|errors instead of accuracies"),
        (ACCURACIES[1:] + ACCURACIES[:1], "those of neighbouring rows do by"),
        ([ACCURACIES[0] / 100, *ACCURACIES[1:]], "a number from 0 to 100 is expected|write percent, not a fraction"),
    ],
    ids=["errors", "shuffled", "shifted", "one fraction"],
)
def test_macro_with_accuracies_of_other_codes(folder, means, sentence):
    refused(MACRO, folder, macro_rows(means=means), sentence)


def test_json_with_a_mark_of_its_byte_order_is_read(folder):
    assert load(MACRO, folder, "\ufeff" + json.dumps(macro_rows())).archs[0] == (0,) * 8


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows["0" * 8].update(mean_acc=90.0), r"holds 90.0 as mean_acc .* its trainings have the mean 8"),
        (lambda rows: rows["0" * 8].update(std=float("inf")), r"holds inf as std of '00000000'"),
        (
            lambda rows: rows["0" * 8]["test_acc"].__setitem__(0, 0.81),
            r"holds 0.81 as test_acc_1 of '00000000', but trained networks have more than 5 percent",
        ),
        (lambda rows: rows.pop("22212220"), r"holds 6,560 architectures, but nasbench-macro has 6,561"),
        (lambda rows: rows.update({"3" * 8: rows["0" * 8]}), r"wrong architecture: '33333333' .* decision 0 is 3"),
        (lambda rows: rows.update({" 00000000": rows["0" * 8]}), r"holds the architecture '00000000' twice"),
        (lambda rows: rows.update({"0" * 8: [1]}), r"a value of type list for '00000000', where an object"),
        (lambda rows: rows["0" * 8].pop("std"), r"holds no 'std' for '00000000'"),
        (lambda rows: rows["0" * 8]["test_acc"].pop(), r"no list of 3 numbers as 'test_acc' of '00000000'"),
        (lambda rows: rows["0" * 8].update(flops="12"), r"'12' for 'flops' of '00000000', where a number"),
        (lambda rows: rows["0" * 8].update(params=True), r"True for 'params' of '00000000'"),
        (lambda rows: rows["0" * 8].update(params=10**400), r"'params' of '00000000' that is too large"),
        (lambda rows: rows["0" * 8].update(mean_acc=float("nan")), r"holds nan as mean_acc of '00000000'"),
        (lambda rows: rows["0" * 8].update(mean_acc=101), r"holds 101.0 as mean_acc .*accuracy in percent"),
        (lambda rows: rows.clear(), r"holds 0 architectures"),
    ],
)
def test_macro_with_one_thing_wrong(folder, change, sentence):
    rows = macro_rows()
    change(rows)
    refused(MACRO, folder, rows, sentence)


@pytest.mark.parametrize("benchmark", [MACRO, PUBLISHED, PUBLISHED_301], ids=lambda b: b.name)
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ('{"00000000": {"test_acc": [80', "is damaged, or is not JSON"),
        ("[" * 100_000, "is damaged, or is not JSON"),
        ("[1, 2]", "holds a JSON list where an object is expected"),
        ('{"a": 1, "a": 2}', "holds the key 'a' twice"),
        ("\x00\x01", "is damaged, or is not JSON"),
    ],
)
def test_no_json(folder, benchmark, text, sentence):
    refused(benchmark, folder, text, sentence)


@pytest.mark.parametrize("benchmark", [MACRO, PUBLISHED, PUBLISHED_301], ids=lambda b: b.name)
def test_other_bytes_and_a_folder_in_its_place(folder, benchmark):
    path = folder / benchmark.source.file
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(DataError, match="is damaged, or is not JSON"):
        benchmark.load()
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        benchmark.load()


def test_published_flat_nested_and_below_the_data_set_are_one(folder):
    flat = published_rows()
    nested = {
        key: {n: v if n == "val_accuracy" else {"score": v, "time": 0.1} for n, v in row.items()}
        for key, row in flat.items()
    }
    tables = [load(PUBLISHED, folder, form) for form in (flat, nested, {"cifar10": nested, "cifar100": {}})]
    for table in tables:
        assert table.archs == ((3, 3, 3, 1, 2, 3), (0, 0, 0, 0, 0, 0))
        assert table.row((3, 3, 3, 1, 2, 3))["jacov"] == 3.0
        assert table.row((0,) * 6)["val_accuracy"] == 10.0
        assert np.isnan(table.row((0,) * 6)["snip"])
        assert set(table.columns) == set(PUBLISHED.columns)


def test_published_further_proxies_become_columns(folder):
    rows = published_rows()
    rows["(2, 2, 0, 2, 3, 2)"]["nwot"] = 7.5
    table = load(PUBLISHED, folder, rows)
    assert table.row((3, 3, 3, 1, 2, 3))["nwot"] == 7.5
    assert np.isnan(table.row((0,) * 6)["nwot"])


@pytest.mark.parametrize(
    "key",
    [
        "__import__('os').system('false')",
        "(2, 2, 0, 2, 3)",
        "(2, 2, 0, 2, 3, 5)",
        "(2, 2, 0, 2, 3, 2) ",
        "[2, 2, 0, 2, 3, 2]",
        "(2, 2, 0, 2, 3, 2, 2)",
        "(2, 2, 0, 2, 3, -1)",
        "(٢, 2, 0, 2, 3, 2)",
        "(2, 2, 0, 2, 3, 2)\n",
    ],
)
def test_published_keys_are_read_by_a_pattern(folder, key):
    rows = {**published_rows(), key: {}}
    refused(PUBLISHED, folder, rows, r"holds the key .*, but expected is one like '\(0, 0, 4, 3, 0, 2\)'")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda row: row.pop("snip"), r"holds no snip for '\(2, 2, 0, 2, 3, 2\)'"),
        (lambda row: row.update(snip="high"), r"'high' for 'snip' of"),
        (lambda row: row.update(snip={"time": 1}), r"None for 'snip' of"),
        (lambda row: row.update(val_accuracy=-1), r"holds -1.0 as val_accuracy of"),
    ],
)
def test_published_with_one_thing_wrong(folder, change, sentence):
    rows = copy.deepcopy(published_rows())
    change(rows["(2, 2, 0, 2, 3, 2)"])
    refused(PUBLISHED, folder, rows, sentence)


def test_published_without_cells(folder):
    refused(PUBLISHED, folder, {}, "holds no architecture")


CELL = "[(0, 1), (1, 4), (2, 3), (0, 4), (1, 5), (2, 4), (1, 0), (4, 1)]"
CELL_CODE = (0, 1, 4, 1, 4, 3, 3, 5, 4, 6, 0, 1)
"""Pairs of predecessors: (0, 1) is the only one of node 2, (0, 2) the second of node 3, (1, 2) the fourth of node 4,
(1, 4) the seventh of node 5; the lower predecessor's operation first, whatever the order in the key."""
OTHER = "[(1, 0), (0, 1), (0, 6), (2, 5), (3, 5), (2, 6), (1, 5), (4, 6)]"
OTHER_CODE = (0, 1, 0, 1, 6, 5, 5, 6, 5, 6, 5, 6)


def published_301_rows():
    scores = [published_scores(PUBLISHED_301, arch) for arch in (CELL_CODE + OTHER_CODE, OTHER_CODE + CELL_CODE)]
    return {
        f"[{CELL}, {OTHER}]": {**scores[0], "val_accuracy": 93.0},
        f"[{OTHER}, {CELL}]": {**scores[1], "grasp": -1e8, "val_accuracy": 94.0},
    }


def test_published_darts_flat_and_nested_are_one(folder):
    flat = published_301_rows()
    nested = {
        key: {n: v if n == "val_accuracy" else {"score": v, "time": 0.1} for n, v in row.items()}
        for key, row in flat.items()
    }
    for form in (flat, nested, {"cifar10": nested}):
        table = load(PUBLISHED_301, folder, form)
        assert table.archs == (CELL_CODE + OTHER_CODE, OTHER_CODE + CELL_CODE)
        assert table.row(CELL_CODE + OTHER_CODE)["jacov"] == 3.0
        assert np.isnan(table.row(OTHER_CODE + CELL_CODE)["grasp"])


ROWS = {PUBLISHED: published_rows(), PUBLISHED_301: published_301_rows()}


@pytest.mark.parametrize(
    ("benchmark", "names"),
    [
        (PUBLISHED, ("nasbench201",)),
        (PUBLISHED, ("nasbench201", "cifar10")),
        (PUBLISHED, ("cifar10", "nasbench201")),
        (PUBLISHED_301, ("nasbench301",)),
        (PUBLISHED_301, ("darts",)),
        (PUBLISHED_301, ("nasbench301", "cifar10")),
    ],
)
@pytest.mark.parametrize("with_time", [False, True])
def test_published_below_the_names_of_space_and_data_set(folder, benchmark, names, with_time):
    flat = ROWS[benchmark]
    content = flat
    if with_time:
        content = {key: {n: {"score": v, "time": 2.5} for n, v in row.items()} for key, row in flat.items()}
    for name in reversed(names):  # other spaces and data sets may stand beside
        content = {"cifar100": {}, name: content, "nasbench101": {"(0, 1)": {}}}
    wrapped, plain = load(benchmark, folder, content), load(benchmark, folder, flat)
    assert wrapped.archs == plain.archs
    assert len(plain.archs) == 2
    assert list(wrapped.columns) == list(plain.columns)
    for name, column in plain.columns.items():
        np.testing.assert_array_equal(wrapped.columns[name], column)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: {"nasbench301": rows}, r"the key 'nasbench301', but .*, or 'nasbench201' or 'cifar10' around"),
        (lambda rows: {"nasbench201": {"cifar100": rows}}, r"holds the key 'cifar100', but expected is one like"),
        (
            lambda rows: {"nasbench201": {"cifar10": {"nasbench201": rows}}},
            r"holds the key 'nasbench201', but expected",
        ),
        (lambda rows: {"nasbench201": [rows]}, r"a value of type list for 'nasbench201', where an object is expected"),
        (
            lambda rows: {"nasbench201": {"cifar10": 3}},
            r"holds 3 for 'cifar10', where an object is expected",
        ),
        (lambda rows: {"nasbench201": {"cifar10": {}}}, r"holds no architecture"),
        (
            lambda rows: {"nasbench201": dict.fromkeys(rows, 1.5)},
            r"holds 1.5 for '\(2, 2, 0, 2, 3, 2\)', where an object",
        ),
    ],
)
def test_published_below_other_names_is_refused(folder, change, sentence):
    refused(PUBLISHED, folder, change(published_rows()), sentence)


@pytest.mark.parametrize(
    "key",
    [
        "__import__('os').system('false')",
        f"[{CELL}]",
        f"[{CELL}, {CELL[:-9]}]]",
        f"[{CELL}, {CELL.replace('(4, 1)', '(5, 1)')}]",
        f"[{CELL}, {CELL.replace('(4, 1)', '(4, 7)')}]",
        f"[{CELL}, {CELL.replace('(4, 1)', '(1, 1)')}]",
    ],
)
def test_published_darts_keys_are_read_and_not_run(folder, key):
    refused(PUBLISHED_301, folder, {**published_301_rows(), key: {}}, r"holds the key .*, but expected is one like")


def test_one_darts_cell_written_in_two_ways_is_held_twice(folder):
    rows = published_301_rows()
    first = next(iter(rows))
    rows[first.replace("(2, 3), (0, 4)", "(0, 4), (2, 3)")] = rows[first]
    refused(PUBLISHED_301, folder, rows, r"holds the architecture .* twice")
