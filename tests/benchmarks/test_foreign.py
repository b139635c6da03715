"""Files of one's own: codes in several notations, twins, and every fault as a sentence."""

import csv
import re
from dataclasses import dataclass

import numpy as np
import pytest

from archsieve.benchmarks.foreign import ForeignTable, check_truth, column_of
from archsieve.errors import DataError, MissingDataError, SettingError, UnknownNameError
from archsieve.notices import listening
from archsieve.plans.joins import check_join
from archsieve.spaces.contract import check
from archsieve.spaces.limits import Limits
from archsieve.spaces.nasbench201.space import NASBench201, to_naslib
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.text import NumberOrder
from archsieve.spaces.within import Within
from archsieve.tasks.form_only import FormOnly

CELLS = NASBench201()
MACRO = NASBenchMacro(stages=(1, 1, 1), widths=(8, 8, 8))
RNG = np.random.default_rng(0)
CODES = list(dict.fromkeys(tuple(map(int, RNG.integers(0, 5, 6))) for _ in range(60)))


def write(path, codes, title="arch", **columns):
    columns = columns or {"accuracy": range(len(codes))}
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([title, *columns])
        writer.writerows(zip(codes, *columns.values(), strict=True))
    return str(path)


@pytest.mark.parametrize(
    ("notation", "text"),
    [
        ("", CELLS.describe),
        ("", lambda a: "".join(map(str, a))),
        ("", lambda a: "-".join(map(str, a))),
        ("own", str),
        ("own", lambda a: str(list(a))),
        ("naslib", lambda a: str(to_naslib(a))),
        ("naslib", lambda a: "".join(map(str, to_naslib(a)))),
    ],
    ids=["string", "digits", "dashes", "tuple", "list", "naslib", "naslib digits"],
)
def test_codes_are_read_in_every_notation(tmp_path, notation, text):
    path = write(tmp_path / "t.csv", [text(a) for a in CODES])
    table = ForeignTable(path, CELLS, notation=notation).load()
    assert table.archs[: len(CODES)] == tuple(CODES)
    assert table.lookup("accuracy", CODES[::-1]).tolist() == list(range(len(CODES)))[::-1]


def test_numbers_get_their_leading_zeros_back(tmp_path):
    path = write(tmp_path / "t.csv", ["0", "12", "210"])
    assert ForeignTable(path, MACRO).load().archs[:3] == ((0, 0, 0), (0, 1, 2), (2, 1, 0))
    path = write(tmp_path / "short.csv", ["0", "12"])  # of another space, or cut
    with pytest.raises(DataError, match="'0' in row 1"):
        ForeignTable(path, MACRO).load()


@pytest.mark.parametrize(("name", "separator"), [("t.csv", ";"), ("t.tsv", "\t"), ("t.txt", ",")])
def test_fields_are_cut_as_spreadsheets_do(tmp_path, name, separator):
    path = tmp_path / name
    path.write_text("\n".join(separator.join(fields) for fields in (("arch", "acc"), ("012", "93.5"), ("210", "8"))))
    table = ForeignTable(str(path), MACRO).load()
    assert table.lookup("acc", [(2, 1, 0), (0, 1, 2)]).tolist() == [8, 93.5]


def test_parquet_with_lists(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    parquet.write_table(
        pyarrow.table({"code": [list(a) for a in CODES], "acc": list(map(float, range(len(CODES))))}), path
    )
    assert ForeignTable(str(path), CELLS, notation="own").load().lookup("acc", CODES[3:4]).tolist() == [3.0]
    with pytest.raises(DataError, match="--notation naslib or --notation own"):
        ForeignTable(str(path), CELLS).load()


def test_a_network_known_by_a_twin_has_its_values(tmp_path):
    twin = (3, 0, 0, 1, 0, 0)
    canonical = CELLS.canonical(twin)
    assert canonical != twin
    path = write(tmp_path / "t.csv", [CELLS.describe(twin)], accuracy=[71.5])
    assert ForeignTable(path, CELLS).load().lookup("accuracy", [canonical, twin]).tolist() == [71.5, 71.5]


def test_brackets_need_a_notation_and_sizes_hint_at_it(tmp_path):
    path = write(tmp_path / "t.csv", [str(to_naslib(a)) for a in CODES])
    with pytest.raises(DataError, match="nothing in it tells"):
        ForeignTable(path, CELLS).load()
    task = FormOnly("cifar100", (3, 32, 32), 100)
    sizes = [CELLS.params(a, task) for a in CODES]
    path = write(tmp_path / "sized.csv", [str(to_naslib(a)) for a in CODES], accuracy=range(len(CODES)), params=sizes)
    with pytest.raises(DataError, match="'params' speaks for naslib"):
        ForeignTable(path, CELLS).load()
    with pytest.raises(DataError, match=r"sizes in its column 'params' that are not those of its codes"):
        ForeignTable(path, CELLS, notation="own").load()
    assert ForeignTable(path, CELLS, notation="naslib").load().archs[0] == CODES[0]


@pytest.mark.parametrize(
    ("codes", "settings", "error", "words"),
    [
        (["333123", "|nor_conv_3x3~0|"], {}, DataError, "row 2"),
        (["333123", "333125"], {}, DataError, r"'333125' in row 2"),
        (["333123", "333123"], {}, DataError, "twice"),
        ([], {"columns": {"accuracy": []}}, DataError, "no column of numbers"),
        (["333123"], {"columns": {"accuracy": ["good"]}}, DataError, "no column of numbers"),
        (["333123"], {"title": "cell"}, UnknownNameError, "--codes"),
        (["333123"], {"codes": "cells"}, UnknownNameError, "'cells'"),
    ],
    ids=["cut string", "alphabet", "twice", "empty", "text", "no codes", "wrong codes"],
)
def test_faults_are_sentences(tmp_path, codes, settings, error, words):
    path = write(tmp_path / "t.csv", codes, settings.get("title", "arch"), **settings.get("columns", {}))
    with pytest.raises(error, match=words):
        ForeignTable(path, CELLS, settings.get("codes", "")).load()


def test_other_faults(tmp_path):
    with pytest.raises(MissingDataError, match="no file"):
        ForeignTable(str(tmp_path / "none.csv"), CELLS).load()
    with pytest.raises(SettingError, match="naslib"):
        ForeignTable("x", CELLS, notation="nasbench")
    path = write(tmp_path / "t.csv", ["(0, 1, 2)"])
    with pytest.raises(DataError, match="has none"):
        ForeignTable(path, MACRO, notation="naslib").load()
    assert ForeignTable(path, MACRO).load().archs == ((0, 1, 2),)  # one notation only: nothing to say


def test_a_changed_file_is_read_again_and_has_other_keys(tmp_path):
    from archsieve.estimators.lookup import Lookup
    from archsieve.fingerprints import fingerprint

    path = write(tmp_path / "t.csv", ["012"], accuracy=[1.0])
    prints = [fingerprint(Lookup("accuracy", file=path))]
    assert ForeignTable(path, MACRO).load().lookup("accuracy", [(0, 1, 2)]) == [1.0]
    write(tmp_path / "t.csv", ["012"], accuracy=[22.0])
    assert ForeignTable(path, MACRO).load().lookup("accuracy", [(0, 1, 2)]) == [22.0]
    prints += [fingerprint(Lookup("accuracy", file=path)), fingerprint(Lookup("accuracy"))]
    (tmp_path / "t.csv").rename(tmp_path / "moved.csv")
    assert fingerprint(Lookup("accuracy", file=str(tmp_path / "moved.csv"))) == prints[1]
    assert len(set(prints)) == 3


@dataclass(frozen=True)
class Backwards(NASBenchMacro):
    """A space whose codes somebody publishes from the last decision to the first."""

    @property
    def number_orders(self):
        def turned(numbers):
            return check(self, tuple(numbers)[::-1])

        return {"reversed": NumberOrder("a paper's", turned, lambda arch: arch[::-1])}


def test_the_orders_of_numbers_are_those_of_the_space(tmp_path):
    space = Backwards(stages=(1, 1, 1))
    path = write(tmp_path / "t.csv", ["(0, 1, 2)", "(2, 2, 0)"])
    with pytest.raises(
        DataError, match=r"may be a paper's or this space's own .*--notation reversed or --notation own"
    ):
        ForeignTable(path, space).load()
    assert ForeignTable(path, space, notation="reversed").load().archs == ((2, 1, 0), (0, 2, 2))
    assert ForeignTable(path, space, notation="own").load().archs == ((0, 1, 2), (2, 2, 0))
    limited = Within(space, FormOnly("cifar10", (3, 32, 32), 10), Limits(max_params=1e9))
    assert ForeignTable(path, limited, notation="reversed").load().archs[0] == (2, 1, 0)
    with pytest.raises(SettingError, match="one of space, own, reversed, but got 'naslib'"):
        ForeignTable(path, space, notation="naslib")
    check_join(ForeignTable(path, space, notation="own", truth="accuracy"))  # no shipped scores: nothing to compare
    small = NASBench201(cells=1)
    path = write(tmp_path / "small.csv", [str(a) for a in CODES])
    check_join(ForeignTable(path, small, notation="own", truth="accuracy"))


MANY = [tuple(map(int, code)) for code in np.ndindex(*(5,) * 4)]  # of the first four edges
WORTH = np.array([40 + sum((0, 5, 8, 11, 2)[option] for option in code) for code in MANY], dtype=float)
NAMES = [CELLS.describe((*code, 3, 3)) for code in MANY]


def served(tmp_path, **columns):
    path = write(tmp_path / "mine.csv", NAMES, **columns)
    table = ForeignTable(path, CELLS, truth="test_acc")
    told = []
    with listening(told.append):
        check_truth(table)
    return told


def test_a_truth_of_one_unit_that_follows_the_networks_is_taken_in_silence(tmp_path):
    assert served(tmp_path, test_acc=WORTH, val_acc=WORTH - 1) == []
    assert served(tmp_path, test_acc=WORTH / 100) == []  # all of them fractions
    failed = np.where(np.arange(len(WORTH)) == 3, 0.1, WORTH)  # a network that failed: 10 is no value of the others
    assert served(tmp_path, test_acc=failed) == []


@pytest.mark.parametrize("title", ["test_acc_std", "acc_rank", "top1_err", "accuracy_drop"])
def test_deviations_and_ranks_may_fall_with_accuracy(tmp_path, title):
    assert served(tmp_path, test_acc=WORTH, **{title: 100 - WORTH}) == []


@pytest.mark.parametrize("column", ["test_acc", "val_acc"])
def test_one_fraction_among_percent_is_refused(tmp_path, column):
    values = np.where(np.arange(len(WORTH)) == 3, WORTH / 100, WORTH)
    with pytest.raises(DataError, match=f"holds 0.5[0-9]* as '{column}' of .*write percent, not a fraction"):
        served(tmp_path, **{"test_acc": WORTH, "val_acc": WORTH, column: values})


def test_errors_called_accuracies_are_refused_where_another_column_shows_it(tmp_path):
    with pytest.raises(DataError, match="'test_acc' and 'val_acc' of accuracies that rank networks the other way"):
        served(tmp_path, test_acc=100 - WORTH, val_acc=WORTH)


def test_accuracies_that_may_be_low_or_opposed_are_told(tmp_path):
    """After one epoch many networks are near chance; accuracies under attack may fall with clean ones."""
    early = np.concatenate([np.linspace(0.6, 4, 9), WORTH[9:]])
    (told,) = served(tmp_path, test_acc=early)
    assert told.startswith("Check your table: the file ")
    assert "write percent, not a fraction" in told
    attacked = RNG.permutation(len(WORTH)) / 6 - 2.5 * WORTH + 300
    (told,) = served(tmp_path, test_acc=WORTH, attacked_acc=attacked * 100 / attacked.max())
    assert "'test_acc' and 'attacked_acc' of accuracies that rank networks the other way round" in told


@pytest.mark.parametrize("values", [RNG.permutation(WORTH), np.roll(WORTH, 1)], ids=["shuffled", "shifted"])
def test_a_truth_that_does_not_follow_the_networks_is_told(tmp_path, values):
    (told,) = served(tmp_path, test_acc=values)
    assert told.startswith("Check the rows of your table: the file ")
    assert "follow the decisions of its architectures by" in told


def test_a_file_that_may_have_been_cut_is_told(tmp_path):
    path = write(tmp_path / "mine.csv", NAMES, test_acc=WORTH)
    content = (tmp_path / "mine.csv").read_bytes()
    (tmp_path / "mine.csv").write_bytes(content[:-3])
    told = []
    with listening(told.append):
        ForeignTable(path, CELLS).load()
    assert told == [f"The file {path} has no line break at its end, as if it was cut: check its last row."]


@pytest.mark.parametrize("value", ["93,5", "93.5%", "about 93"])
def test_a_column_of_text_says_what_it_holds(tmp_path, value):
    write(tmp_path / "mine.csv", NAMES[:2], acc=[value] * 2, seconds=[1, 2])
    foreign = ForeignTable(str(tmp_path / "mine.csv"), CELLS)
    said = (
        f"has no column of numbers 'acc'. Its column 'acc' holds '{value}' in row 1: write numbers alone, with a deci"
    )
    with pytest.raises(UnknownNameError, match=re.escape(said)):
        column_of(foreign.load(), foreign.path, "acc")
    with pytest.raises(UnknownNameError, match="Did you mean 'seconds'"):
        column_of(foreign.load(), foreign.path, "second")
    write(tmp_path / "mine.csv", NAMES[:2], acc=[value] * 2)
    number = " Its column 'acc' holds" if value[0] == "9" else ""
    with pytest.raises(DataError, match=rf"mine\.csv holds no column of numbers\.{number}"):
        foreign.load()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.json", b"{}", "is no parquet file: a file with columns as text must have a name that ends in .csv, .tsv"),
        ("t.dat", b"arch,acc", "is no parquet file"),
        ("t.xlsx", b"PK\x03\x04", "is compressed, a workbook of a spreadsheet or a file of torch.save: unpack it"),
        ("t.csv.gz", b"\x1f\x8b", "is compressed: unpack it"),
    ],
)
def test_a_file_of_another_form_says_which_forms_are_read(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        ForeignTable(str(tmp_path / name), CELLS).load()
