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


def macro_rows(sizes=SIZES):
    return {
        code: {"test_acc": [80, 81.5, 82], "mean_acc": 81 + i / 1000, "std": 0.5, "params": params, "flops": macs}
        for i, (code, (params, macs)) in enumerate(zip(CODES, sizes, strict=True))
    }


def published_rows():
    scores = {name: float(i) for i, name in enumerate(PUBLISHED.columns[:-1])}
    return {
        "(2, 2, 0, 2, 3, 2)": {**scores, "val_accuracy": 91.0},
        "(1, 1, 1, 1, 1, 1)": {**scores, "snip": -1e8, "val_accuracy": 10.0},
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
        "mean_acc": 81.005,
        "std": 0.5,
        "params": SIZES[5][0],
        "flops": SIZES[5][1],
        "test_acc_1": 80.0,
        "test_acc_2": 81.5,
        "test_acc_3": 82.0,
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


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
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
        ("", "is damaged, or is not JSON"),
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
    scores = {name: float(i) for i, name in enumerate(PUBLISHED_301.columns[:-1])}
    return {
        f"[{CELL}, {OTHER}]": {**scores, "val_accuracy": 93.0},
        f"[{OTHER}, {CELL}]": {**scores, "grasp": -1e8, "val_accuracy": 94.0},
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
            r"a value of type int for 'cifar10', where an object is expected",
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
