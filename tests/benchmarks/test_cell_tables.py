"""NAS-Bench-201's table as CSV and as parquet, whole and damaged."""

import csv
import sys

import numpy as np
import pytest

from archsieve.benchmarks.column_files import LARGEST_TEXT
from archsieve.errors import DataError, MissingPackageError, UnknownNameError
from archsieve.registry import BENCHMARKS
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench201.space import unique_string

CELLS = BENCHMARKS["nasbench201-cifar10"]
HEADER = ["arch_str", "unique_str", *CELLS.columns, "more"]
OF_OPERATIONS = (0, 5, 8, 11, 2)
"""What an operation on an edge is worth in a made-up accuracy, in order of the operations."""


@pytest.fixture(scope="module")
def rows():
    """A table of the whole space: made-up accuracies, no zen score in the second row."""
    space = CELLS.space
    return [
        [space.describe(arch), f"u{i}", *[accuracy(arch)] * 4, -1e8 if i == 1 else i, i, -i]
        for i, arch in enumerate(enumerate_space(space))
    ]


def accuracy(arch):
    """Return chance where the output does not depend on the input, else what the operations are worth."""
    return 20 + sum(OF_OPERATIONS[o] for o in arch) if "0" in unique_string(arch) else 10


def write_csv(folder, rows, header=HEADER):
    path = folder / "nasbench201-cifar10.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def write_parquet(folder, rows, header=HEADER):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    columns = [pyarrow.array(column) for column in zip(*rows, strict=True)]
    path = folder / "nasbench201-cifar10.parquet"
    parquet.write_table(pyarrow.Table.from_arrays(columns, names=header), path)
    return path


def check_table(table):
    assert table.archs[:2] == ((0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 1))
    assert len(table.archs) == 15_625
    assert set(table.columns) == {*CELLS.columns, "more"}
    assert table.row((0, 0, 0, 0, 1, 0))["test_acc_200"] == 10
    assert table.row((3, 0, 2, 0, 1, 4))["test_acc_200"] == 46
    assert table.row((0, 0, 0, 0, 1, 0))["more"] == -5
    zen = table.columns["published_zen"]
    assert np.flatnonzero(np.isnan(zen)).tolist() == [1]
    assert zen[2] == 2
    assert CELLS.text("unique_str")[(0, 0, 0, 0, 1, 0)] == "u5"


def test_csv(folder, rows):
    write_csv(folder, rows)
    assert CELLS.is_present()
    assert CELLS.source.state(check=True) == "unchecked"  # a CSV is the user's own writing
    check_table(CELLS.load())


def test_parquet_goes_before_csv(folder, rows):
    write_csv(folder, rows[:1])
    path = write_parquet(folder, rows)
    assert CELLS.source.find() == path
    assert CELLS.source.state(check=True) == "differs"
    check_table(CELLS.load())


def test_empty_fields_are_nan(folder, rows):
    write_csv(folder, [[*rows[0][:3], "", *rows[0][4:]], *rows[1:]])
    values = CELLS.load().columns["val_acc_200"]
    assert np.flatnonzero(np.isnan(values)).tolist() == [0]


def test_parquet_without_pyarrow_names_the_extra(folder, rows, monkeypatch):
    write_parquet(folder, rows[:1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"'pyarrow'.*archsieve\[data\]"):
        CELLS.load()


def test_an_unknown_text_column(folder, rows):
    write_csv(folder, rows)
    with pytest.raises(UnknownNameError, match=r"no column 'unique_st'\. Did you mean 'unique_str'"):
        CELLS.text("unique_st")


def changed(rows, row, column, value):
    made = list(rows)
    made[row] = [*rows[row][:column], value, *rows[row][column + 1 :]]
    return made


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows[:-1], "holds 15,624 architectures, but nasbench201 has 15,625"),
        (lambda rows: [*rows, rows[7]], "holds the architecture .* twice"),
        (lambda rows: changed(rows, 3, 0, "|none~0|"), "wrong architecture: '|none~0|' is not an architecture"),
        (lambda rows: changed(rows, 3, 0, ""), "wrong architecture: ''"),
        (lambda rows: changed(rows, 3, 2, "high"), "more than numbers in its column 'test_acc_200'"),
        (lambda rows: changed(rows, 3, 2, ""), "holds nan as test_acc_200 of .*accuracy in percent"),
        (lambda rows: changed(rows, 3, 2, 100.5), r"holds 100\.5 as test_acc_200 of"),
        (lambda rows: [*rows[:-1], rows[-1][:4]], "has 4 fields in line 15626, but its header has 9"),
    ],
)
def test_csv_with_one_thing_wrong(folder, rows, change, sentence):
    path = write_csv(folder, change(rows))
    with pytest.raises(DataError, match=sentence) as caught:
        CELLS.load()
    assert str(caught.value).startswith(f"The file {path} ")


def test_missing_columns_are_named(folder, rows):
    write_csv(folder, [row[:2] for row in rows], HEADER[:2])
    with pytest.raises(DataError, match=r"lacks the columns test_acc_200; it has arch_str, unique_str"):
        CELLS.load()


def test_the_truth_is_enough(folder, rows):
    write_csv(folder, [[row[0], row[2]] for row in rows], ["arch_str", "test_acc_200"])
    assert set(CELLS.load().columns) == {"test_acc_200"}


def test_digits_do_not_say_whose_order_they_have(folder, rows):
    write_csv(folder, changed(rows, 3, 0, "000003"))
    with pytest.raises(DataError, match="which does not say whose order of edges and operations it has"):
        CELLS.load()


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_column_twice(folder, rows, write):
    write(folder, rows, [*HEADER[:-1], "index"])
    with pytest.raises(DataError, match="names a column twice"):
        CELLS.load()


@pytest.mark.parametrize("content", [b"\n", b"\xff\xfe\x00", b'arch_str,"unclosed\n'])
def test_no_csv(folder, content):
    (folder / "nasbench201-cifar10.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"is empty|is damaged, or is not CSV"):
        CELLS.load()


def test_truncated_parquet(folder, rows):
    path = write_parquet(folder, rows)
    content = path.read_bytes()
    for part in (content[: len(content) // 2], content[4:], b"", b"PAR1", b"PAR1" + b"\xff" * 50 + b"PAR1"):
        path.write_bytes(part)
        with pytest.raises(DataError, match=r"\.parquet (is damaged, or is not parquet: \S|lacks its end|is empty)"):
            CELLS.load()


def test_parquet_of_another_shape(folder, rows):
    write_parquet(folder, [row[:2] for row in rows[:5]], HEADER[:2])
    with pytest.raises(DataError, match="lacks the columns test_acc_200"):
        CELLS.load()
    write_parquet(folder, [[i, *row[1:]] for i, row in enumerate(rows)])
    with pytest.raises(DataError, match="where the text of an architecture is expected"):
        CELLS.load()


def test_a_large_text_file_says_what_to_do(folder, rows, monkeypatch):
    path = write_csv(folder, rows[:9])
    monkeypatch.setattr("archsieve.benchmarks.column_files.LARGEST_TEXT", 100)
    with pytest.raises(
        DataError, match=r"is too large: it has [\d,]+ bytes, and at most 100 are read\. Write it as parquet"
    ):
        CELLS.load()
    assert path.stat().st_size > 100


def test_all_of_nas_bench_101_as_text_is_not_too_large():
    row = f'{"0" * 49},"input,{"conv3x3-bn-relu," * 5}output",12345678' + ",94.123456789012345" * 6
    assert 423_624 * len(row) < LARGEST_TEXT
