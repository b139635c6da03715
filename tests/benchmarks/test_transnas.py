"""TransNAS-Bench-101: a user's own tables, and every way to join them wrongly."""

from __future__ import annotations

import csv
import itertools

import numpy as np
import pytest

from archsieve.benchmarks.contract import task_of
from archsieve.benchmarks.foreign import ForeignTable
from archsieve.benchmarks.records import Table
from archsieve.benchmarks.transnas import MACRO, MICRO, TASKS
from archsieve.errors import DataError
from archsieve.registry import BENCHMARKS
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.transnas.space import to_naslib
from archsieve.testing import BenchmarkContract
from plugins.commands import invoke

TABLES = {"micro": MICRO["class_object"], "macro": MACRO["class_object"]}
ARCHS = {kind: list(enumerate_space(table.space)) for kind, table in TABLES.items()}
NAMES = {kind: [table.space.describe(arch) for arch in ARCHS[kind]] for kind, table in TABLES.items()}
SIZES = {kind: np.array([t.space.encoder_params(a) for a in ARCHS[kind]], dtype=float) for kind, t in TABLES.items()}


def has_path(e):
    return e[3] or (e[0] and e[4]) or (e[5] and (e[1] or (e[0] and e[2])))


def truths(kind):
    """Return made-up accuracies: they grow with the size, and cells that no input reaches are at chance."""
    values = 20 + 3 * np.log(SIZES[kind]) + np.random.default_rng(0).normal(0, 1, len(SIZES[kind]))
    if kind == "micro":
        values[[not has_path(arch) for arch in ARCHS[kind]]] = 5.0
    return values


TRUTH_NAME = TABLES["micro"].truth
TRUTH = {kind: truths(kind) for kind in TABLES}


def write(folder, kind, **changed):
    columns = {
        "arch_str": NAMES[kind],
        "encoder_params": SIZES[kind],
        "class_object_test_top1": TRUTH[kind],
        "class_object_valid_top1": TRUTH[kind] + 1,
        **changed,
    }
    columns = {name: values for name, values in columns.items() if values is not None}
    path = folder / TABLES[kind].source.file.replace(".parquet", ".csv")
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([list(columns), *zip(*columns.values(), strict=True)])


@pytest.mark.parametrize("kind", ["micro", "macro"])
def test_a_table_of_the_published_strings(folder, kind):
    order = np.random.default_rng(1).permutation(len(ARCHS[kind]))
    by_row = {
        "arch_str": np.array(NAMES[kind])[order],
        "encoder_params": SIZES[kind][order] / 1e6,
        "class_object_test_top1": TRUTH[kind][order],
        "class_object_valid_top1": TRUTH[kind][order],
    }
    write(folder, kind, **by_row, jigsaw_test_top1=TRUTH[kind][order] / 2)
    table = TABLES[kind].load()
    assert table.lookup("class_object_test_top1", ARCHS[kind]).tolist() == TRUTH[kind].tolist()
    assert table.lookup("jigsaw_test_top1", ARCHS[kind][:1])[0] == TRUTH[kind][0] / 2


def strings(kind, codes):
    space = TABLES[kind].space
    return [space.describe(tuple(code)) for code in codes]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (strings("micro", map(to_naslib, ARCHS["micro"])), "do not belong together"),
        (strings("micro", (a[::-1] for a in ARCHS["micro"])), "do not belong together"),
        (strings("micro", ((a[0], a[1], a[3], a[2], a[4], a[5]) for a in ARCHS["micro"])), "do not belong together"),
        (strings("micro", ([(0, 1, 3, 2)[o] for o in a] for a in ARCHS["micro"])), "do not belong together"),
        (strings("micro", ([(1, 0, 2, 3)[o] for o in a] for a in ARCHS["micro"])), "do not belong together"),
        (NAMES["micro"][::-1], "do not belong together"),
        (["".join(map(str, arch)) for arch in ARCHS["micro"]], "does not say whose order"),
        ([str(arch) for arch in ARCHS["micro"]], "does not say whose order"),
        (["64-41414-1_02_334", *NAMES["micro"][1:]], "wrong architecture"),
        (["32-41414-0_00_000", *NAMES["micro"][1:]], "wrong architecture"),
        ([NAMES["micro"][1], *NAMES["micro"][1:]], "twice"),
    ],
    ids=[
        *("NASLib's order", "edges backwards", "edges by source", "1x1 and 3x3 exchanged", "zero and skip exchanged"),
        *("rows reversed", "digits", "tuples", "unknown operation", "another skeleton", "twice"),
    ],
)
def test_a_wrong_join_of_cells_is_refused(folder, names, sentence):
    write(folder, "micro", arch_str=names)
    with pytest.raises(DataError, match=sentence):
        TABLES["micro"].load()


BACKWARDS = {name: f"64-{name.split('-')[1][::-1]}-basic" for name in NAMES["macro"]}


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (list(BACKWARDS.values()), "do not belong together"),
        ([name.translate(str.maketrans("23", "32")) for name in NAMES["macro"]], "excluded|do not belong together"),
        (NAMES["macro"][::-1], "do not belong together"),
        ([name.split("-")[1] for name in NAMES["macro"]], "does not say whose order"),
        (["64-1111-basic", *NAMES["macro"][1:]], "excluded"),
    ],
    ids=["modules backwards", "kinds exchanged", "rows reversed", "digits", "outside of the space"],
)
def test_a_wrong_join_of_skeletons_is_refused(folder, names, sentence):
    write(folder, "macro", arch_str=names)
    with pytest.raises(DataError, match=sentence):
        TABLES["macro"].load()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"encoder_params": None}, "lacks the columns encoder_params"),
        ({"class_object_test_top1": TRUTH["macro"] + 60}, "where a number from 0 to 100 is expected"),
        ({"class_object_test_top1": [np.nan, *TRUTH["macro"][1:]]}, "holds nan as class_object_test_top1"),
        ({"class_object_test_top1": TRUTH["macro"] / 100}, "where percent are expected"),
        ({"class_object_valid_top1": [np.nan] * len(TRUTH["macro"])}, "holds no number in its column"),
        ({"encoder_params": [0] * len(TRUTH["macro"])}, "where a size is expected"),
        ({"class_object_test_top1": ["good", *TRUTH["macro"][1:]]}, "holds more than numbers"),
    ],
    ids=["no sizes", "above 100", "missing", "fractions", "all missing", "sizes of zero", "text"],
)
def test_wrong_columns_are_refused(folder, changed, sentence):
    write(folder, "macro", **changed)
    with pytest.raises(DataError, match=sentence):
        TABLES["macro"].load()


BEST = {kind: int(np.argmax(TRUTH[kind])) for kind in TABLES}


def with_one(values, row, value):
    return np.where(np.arange(len(values)) == row, value, values)


@pytest.mark.parametrize("kind", ["micro", "macro"])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t, best: {"class_object_test_top1": with_one(t, best, t[best] / 100)}, "write percent, not a fraction"),
        (lambda t, best: {"class_object_valid_top1": with_one(t, best, 0.6)}, "write percent, not a fraction"),
        (lambda t, best: {"class_object_valid_top1": 100 - t}, "'class_object_valid_top1' that should rank networks"),
        (lambda t, best: {"class_object_valid_top1": t / 2}, "that should have similar values"),
        (lambda t, best: {"encoder_params": with_one(SIZES["micro"][: len(t)], best, np.nan)}, "a size is expected"),
    ],
    ids=["one fraction", "one fraction of validation", "errors", "another task", "a size is missing"],
)
def test_wrong_values_are_refused(folder, kind, change, sentence):
    write(folder, kind, **change(TRUTH[kind], BEST[kind]))
    with pytest.raises(DataError, match=sentence):
        TABLES[kind].load()


def test_a_cell_without_input_may_be_near_zero(folder):
    row = NAMES["micro"].index("64-41414-0_00_000")
    write(folder, "micro", class_object_test_top1=with_one(TRUTH["micro"], row, 0.4))
    assert TABLES["micro"].load().lookup("class_object_test_top1", ARCHS["micro"][row : row + 1]) == 0.4


@pytest.mark.parametrize("kind", ["micro", "macro"])
@pytest.mark.parametrize("shift", [1, -1, 777])
def test_accuracies_of_other_rows_are_refused(folder, kind, shift):
    moved = np.roll(TRUTH[kind], shift) if shift != 777 else np.random.default_rng(7).permutation(TRUTH[kind])
    write(folder, kind, class_object_test_top1=moved, class_object_valid_top1=moved + 1)
    with pytest.raises(DataError, match="do not belong together"):
        TABLES[kind].load()


def test_a_part_of_a_space_is_refused(folder):
    columns = {"arch_str": NAMES["macro"], "encoder_params": SIZES["macro"], "class_object_test_top1": TRUTH["macro"]}
    write(folder, "macro", **{k: v[:-1] for k, v in columns.items()}, class_object_valid_top1=TRUTH["macro"][:-1])
    with pytest.raises(DataError, match="holds 3,255 architectures, but transnas-macro has 3,256"):
        TABLES["macro"].load()


@pytest.fixture(scope="module")
def micro_table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHSIEVE_DATA", str(folder))
        write(folder, "micro")
        return TABLES["micro"].load()


class TestMicroTable(BenchmarkContract):
    benchmark = TABLES["micro"]

    @pytest.fixture(autouse=True)
    def _table(self, micro_table):
        self.records = micro_table


def test_nearly_all_other_orders_of_edges_are_refused(tmp_path):
    # Edges from the input have other sizes than those between inner nodes: 36 orders leave the sizes as they are.
    left = [p for p in itertools.permutations(range(6)) if {p[0], p[1], p[3]} == {0, 1, 3}]
    assert len(left) == 36
    rows = {arch: row for row, arch in enumerate(ARCHS["micro"])}
    table, passed = TABLES["micro"], []
    for order in left:
        moved = [rows[tuple(arch[i] for i in order)] for arch in ARCHS["micro"]]
        try:
            table._check_unreached(tmp_path, Table(tuple(ARCHS["micro"]), {table.truth: TRUTH["micro"][moved]}))
        except DataError:
            continue
        passed.append(order)
    assert len(passed) == 10
    assert tuple(range(6)) in passed


def test_every_other_order_of_edges_is_refused_where_cells_of_one_network_agree(tmp_path):
    space, networks = TABLES["micro"].space, {}
    for arch in ARCHS["micro"]:
        networks.setdefault(space.canonical(arch), len(networks))
    shared = np.random.default_rng(1).normal(40, 5, len(networks))
    values = shared[[networks[space.canonical(arch)] for arch in ARCHS["micro"]]]
    values += np.random.default_rng(2).normal(0, 0.5, len(values))
    values[[not has_path(arch) for arch in ARCHS["micro"]]] = 5.0
    rows, passed = {arch: row for row, arch in enumerate(ARCHS["micro"])}, []
    for order in itertools.permutations(range(6)):
        if {order[0], order[1], order[3]} == {0, 1, 3}:  # the others change the sizes
            moved = [rows[tuple(arch[i] for i in order)] for arch in ARCHS["micro"]]
            try:
                TABLES["micro"]._check_networks(tmp_path, Table(tuple(ARCHS["micro"]), {TRUTH_NAME: values[moved]}))
            except DataError:
                continue
            passed.append(order)
    assert passed == [tuple(range(6))]


def test_networks_that_failed_are_read(folder):
    """A network that guesses among 1,000 permutations has 0.1 %, and a loss that diverged may be large."""
    failed = with_one(TRUTH["macro"], 9, 0.1)
    write(folder, "macro", jigsaw_test_top1=failed, jigsaw_valid_top1=failed)
    assert MACRO["jigsaw"].load().columns["jigsaw_test_top1"][9] == 0.1
    losses = with_one(-1 / TRUTH["macro"], 9, -12.5)
    write(folder, "macro", room_layout_test_neg_loss=losses, room_layout_valid_neg_loss=losses)
    assert MACRO["room_layout"].load().columns["room_layout_test_neg_loss"][9] == -12.5


def test_losses_and_similarities_have_ranges_of_their_own(folder):
    write(
        folder, "macro", room_layout_test_neg_loss=-1 / TRUTH["macro"], room_layout_valid_neg_loss=-1 / TRUTH["macro"]
    )
    assert MACRO["room_layout"].load().columns["room_layout_test_neg_loss"].max() < 0
    losses = -1 / TRUTH["macro"]
    for wrong in (-np.inf, -1e300, 0.5, np.nan):
        values = with_one(losses, 9, wrong)
        write(folder, "macro", room_layout_test_neg_loss=values, room_layout_valid_neg_loss=losses)
        with pytest.raises(DataError, match="where a number from -1000 to 0 is expected"):
            MACRO["room_layout"].load()
    write(folder, "macro", autoencoder_test_ssim=TRUTH["macro"], autoencoder_valid_ssim=TRUTH["macro"])
    with pytest.raises(DataError, match="where a number from -1 to 1 is expected"):
        MACRO["autoencoder"].load()
    write(folder, "macro", room_layout_test_neg_loss=TRUTH["macro"], room_layout_valid_neg_loss=TRUTH["macro"])
    with pytest.raises(DataError, match="where a number from -1000 to 0 is expected"):
        MACRO["room_layout"].load()


def test_a_file_of_numbers_says_whose_they_are(tmp_path):
    space, archs = TABLES["micro"].space, ARCHS["micro"][::97]
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as stream:
        rows = zip(map(str, map(to_naslib, archs)), SIZES["micro"][::97], TRUTH["micro"][::97], strict=True)
        csv.writer(stream).writerows([("arch", "params", "accuracy"), *rows])
    with pytest.raises(DataError, match="--notation naslib or --notation own"):
        ForeignTable(str(path), space).load()
    with pytest.raises(DataError, match="another order of operations or edges"):
        ForeignTable(str(path), space, notation="own").load()
    assert (
        ForeignTable(str(path), space, notation="naslib").load().lookup("accuracy", archs[:1])[0] == TRUTH["micro"][0]
    )


@pytest.mark.slow
def test_measure_takes_it_by_name(folder):
    write(folder, "macro")
    result = invoke("measure", "transnas-macro", "--benchmark", "transnas-macro-class-object", "--proxy", "params")
    assert result.exit_code == 0, result.stderr
    assert "Truth: class_object_test_top1 of transnas-macro-class-object, 3256 codes" in result.stdout
    assert "archsieve has no task of this data set" in result.stdout


def test_they_are_in_the_catalogue():
    for tables in (MICRO, MACRO):
        assert [BENCHMARKS[table.name] for table in tables.values()] == list(tables.values())
        assert list(tables) == list(TASKS)
    assert task_of(MICRO["class_scene"]).num_outputs == 47
    assert "not with its decoder" in MICRO["normal"].caution
    assert "decoder" not in MICRO["class_scene"].caution
