"""NAS-Bench-101 and its parts: a user's table, isomorphic graphs, and every way to join it wrongly."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from archsieve.benchmarks.nasbench101 import NASBENCH101, ONE_SHOT_1, ONE_SHOT_2, ONE_SHOT_3, TEST, VALIDATION
from archsieve.benchmarks.records import Surrogate
from archsieve.errors import DataError, MissingDataError
from archsieve.notices import listening
from archsieve.registry import BENCHMARKS
from archsieve.spaces.nasbench101.one_shot_space import OneShot1, OneShot3
from archsieve.tasks.cifar import CIFAR10
from archsieve.testing import BenchmarkContract
from plugins.commands import invoke

SPACE, TASK = NASBENCH101.space, CIFAR10()
RNG = np.random.default_rng(0)
ONE_SHOT = [OneShot1().whole_code(OneShot1().sample(RNG)) for _ in range(40)]
ARCHS = list(dict.fromkeys(SPACE.canonical(a) for a in (*ONE_SHOT, *(SPACE.sample(RNG) for _ in range(160)))))
SIZES = [SPACE.params(arch, TASK) for arch in ARCHS]
TRUTH = 75 + np.log(SIZES) + RNG.normal(0, 0.3, len(ARCHS))
INCEPTION = "0111010" + 2 * "0000001" + "0000100" + 2 * "0000001" + 7 * "0"
NAMES = "input,conv1x1-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,maxpool3x3,output"


def columns(**changed):
    texts = [SPACE.describe(arch).split(":") for arch in ARCHS]
    runs = {f"test_acc_108_{run}": TRUTH + run / 10 for run in (1, 2, 3)}
    runs |= {f"val_acc_108_{run}": TRUTH + run for run in (1, 2, 3)}
    matrices, names = zip(*texts, strict=True)
    return {"module_adjacency": matrices, "module_operations": names, "trainable_parameters": SIZES, **runs, **changed}


def write(folder, **changed):
    content = {name: values for name, values in columns(**changed).items() if values is not None}
    with (folder / "nasbench101.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([list(content), *zip(*content.values(), strict=True)])


def test_the_truth_is_the_mean_of_the_trainings(folder):
    write(folder, training_seconds=TRUTH)
    table = NASBENCH101.load()
    assert table.lookup(TEST, ARCHS) == pytest.approx(TRUTH + 0.2)
    assert table.lookup(VALIDATION, ARCHS[:1]) == pytest.approx(TRUTH[:1] + 2)
    assert table.row(ARCHS[0])["training_seconds"] == TRUTH[0]


def test_an_isomorphic_graph_has_the_values_of_its_network(folder):
    # The published example with the operations of vertices 1 and 2 and of no edge exchanged.
    other = NAMES.replace("conv1x1-bn-relu,conv3x3-bn-relu", "conv3x3-bn-relu,conv1x1-bn-relu")
    rows = {"module_adjacency": [INCEPTION], "module_operations": [NAMES], "trainable_parameters": [2_694_282]}
    write(folder, **rows, **{name: values[:1] for name, values in columns().items() if "acc" in name})
    table = NASBENCH101.load()
    codes = [SPACE.parse(f"{INCEPTION}:{names}") for names in (NAMES, other)]
    assert codes[0] != codes[1]
    assert table.lookup(TEST, codes).tolist() == [pytest.approx(TRUTH[0] + 0.2)] * 2
    assert np.isnan(table.lookup(TEST, [SPACE.parse("0100:input,output"), (9,) * 26])).all()
    assert table.within(SPACE) is table


def renamed(names, first, second):
    exchange = {first: second, second: first}
    return [",".join(exchange.get(name, name) for name in row.split(",")) for row in names]


MATRICES, OPERATIONS = columns()["module_adjacency"], columns()["module_operations"]
TURNED = ["".join(row[i :: int(len(row) ** 0.5)] for i in range(int(len(row) ** 0.5))) for row in MATRICES]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"module_operations": renamed(OPERATIONS, "conv3x3-bn-relu", "conv1x1-bn-relu")}, "do not belong together"),
        ({"module_operations": renamed(OPERATIONS, "conv3x3-bn-relu", "maxpool3x3")}, "do not belong together"),
        ({"module_adjacency": TURNED}, "an edge to an earlier vertex"),
        ({"trainable_parameters": SIZES[::-1]}, "do not belong together"),
        ({"trainable_parameters": [size / 1e6 for size in SIZES]}, "where a number from 1 to 1e.09 is expected"),
        ({"module_operations": ["0,1,2"] * len(ARCHS)}, r"in row 1, .* Write both as text, such as"),
        ({"module_adjacency": [str(int(row)) for row in MATRICES]}, "wrong architecture in row 1"),
        ({"module_adjacency": [MATRICES[1], *MATRICES[1:]], "module_operations": [OPERATIONS[1], *OPERATIONS[1:]]},
         "rows 1 and 2 are isomorphic"),
        ({f"test_acc_108_{run}": TRUTH / 100 for run in (1, 2, 3)}, "where percent are expected"),
        ({"val_acc_108_1": TRUTH / 100}, "'val_acc_108_1', where percent are expected"),
        ({"test_acc_108_2": TRUTH + 20}, "where a number from 0 to 100 is expected"),
        ({"val_acc_108_2": [0.91, *TRUTH[1:]]}, r"holds 0\.91 as val_acc_108_2 of .*write percent, not a fraction"),
        ({"val_acc_108_3": None}, "lacks the columns val_acc_108_3"),
        ({"test_acc_108_2": 175 - TRUTH}, "'test_acc_108_2' that should rank networks alike"),
        ({"val_acc_108_1": RNG.permutation(TRUTH)}, "'val_acc_108_1' that should rank networks alike"),
        ({"trainable_parameters": [1e300, *SIZES[1:]]}, "holds 1e.300 as trainable_parameters"),
    ],
    ids=[
        *("1x1 and 3x3 exchanged", "3x3 and pooling exchanged", "matrix turned", "rows reversed", "millions"),
        *("numbers of operations", "leading zeros lost", "twice", "fractions"),
        *("one run in fractions", "above 100", "one fraction", "a run is missing"),
        *("errors", "one run in another order", "a size beyond any network"),
    ],
)  # fmt: skip
def test_a_wrong_join_is_refused(folder, changed, sentence):
    write(folder, **changed)
    with pytest.raises(DataError, match=sentence):
        NASBENCH101.load()


def test_a_table_in_another_form_is_named(folder):
    (folder / "nasbench101.json").write_text("[]")
    with pytest.raises(MissingDataError, match=r"has 'nasbench101\.json': if it is the one, save it as nasb"):
        NASBENCH101.load()


def test_a_part_that_is_too_small_for_a_check_is_told(folder):
    write(folder)
    told = []
    with listening(told.append):
        table = NASBENCH101.load()
    assert told == [
        f"nasbench101-cifar10: rows of accuracies are not fully checked: there are only {len(ARCHS)} networks."
    ]
    assert table.within(SPACE).remarks == tuple(told)


def test_two_files_of_one_table_are_told(folder):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    write(folder)
    parquet.write_table(pyarrow.table({name: list(values) for name, values in columns().items()}), folder / "x.parquet")
    (folder / "x.parquet").rename(folder / "nasbench101.parquet")
    told = []
    with listening(told.append):
        NASBENCH101.load()
    assert told[:1] == [f"Both nasbench101.parquet and nasbench101.csv are in {folder}: nasbench101.parquet is read."]


def test_the_parts_look_up_their_codes(part, table):
    space = ONE_SHOT_1.space
    assert len(part.archs) >= 40
    for arch in part.archs[::29]:
        code = SPACE.parse(space.published(arch))
        assert part.lookup(TEST, [arch])[0] == table.lookup(TEST, [code])[0]


def test_the_third_part_is_looked_up_when_asked(folder):
    space = OneShot3()
    archs = [space.sample(np.random.default_rng(seed)) for seed in range(3)]
    texts = dict.fromkeys(space.published(arch) for arch in archs[:2])
    matrices, names = zip(*(text.split(":") for text in texts), strict=True)
    count = len(texts)
    sizes = [space.params(arch, TASK) for arch in archs[:2]][:count]
    accuracies = {name: values[:count] for name, values in columns().items() if "acc" in name}
    write(folder, module_adjacency=matrices, module_operations=names, trainable_parameters=sizes, **accuracies)
    records = ONE_SHOT_3.load()
    assert isinstance(records, Surrogate)
    values = records.lookup(TEST, archs)
    assert values[:2] == pytest.approx(TRUTH[:2] + 0.2)
    assert np.isnan(values[2])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHSIEVE_DATA", str(folder))
        write(folder)
        return NASBENCH101.load()


class TestTable(BenchmarkContract):
    benchmark = NASBENCH101

    @pytest.fixture(autouse=True)
    def _table(self, table):
        self.records = table


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHSIEVE_DATA", str(folder))
        write(folder)
        return ONE_SHOT_1.load()


class TestPart(BenchmarkContract):
    benchmark = ONE_SHOT_1

    @pytest.fixture(autouse=True)
    def _table(self, part):
        self.records = part


def test_measure_takes_it_by_name(folder):
    write(folder)
    result = invoke("measure", "nasbench101", "--benchmark", "nasbench101-cifar10", "--proxy", "params")
    assert result.exit_code == 0, result.stderr
    assert f"Truth: test_acc_108 of nasbench101-cifar10, {len(ARCHS)} codes" in result.stdout


def test_a_remark_on_a_file_is_printed_once(folder):
    write(folder)
    result = invoke("measure", "nasbench1shot1-1", "--benchmark", "nasbench1shot1-1-cifar10", "--proxy", "params")
    assert result.stderr.count("are not fully checked") == 1


def test_they_are_in_the_catalogue():
    tables = (NASBENCH101, ONE_SHOT_1, ONE_SHOT_2, ONE_SHOT_3)
    assert [BENCHMARKS[table.name] for table in tables] == list(tables)
