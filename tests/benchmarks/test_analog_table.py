"""The pickled table: found without an import, read without running anything."""

import dataclasses
import pickle
import sys
import types

import pytest

from archsieve.errors import DataError, MissingDataError
from archsieve.registry import BENCHMARKS
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench201.space import to_naslib, unique_string

ANALOG = BENCHMARKS["nasbench201-analog"]
PACKAGE = "pretended_analog_package"


@pytest.fixture(scope="module")
def classes():
    """The two classes under the names that the published pickle uses."""
    module = types.ModuleType("analognasbench.data")
    for name in ("Architecture", "DriftMeasurement"):
        setattr(module, name, type(name, (), {"__module__": module.__name__}))
    return module


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """The benchmark, looking into an installed package that must not be imported."""
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    return dataclasses.replace(ANALOG, source=dataclasses.replace(ANALOG.source, package=PACKAGE))


def entry_of(classes, value):
    entry = classes.Architecture()
    for name in ANALOG.columns:
        if "drift" in name:
            drift = classes.DriftMeasurement()
            drift.__dict__.update(value=value, uncertainty=0.5)
            setattr(entry, name, drift)
        else:
            setattr(entry, name, value)
    return entry


@pytest.fixture(scope="module")
def content(classes):
    """A whole table: a cell has one accuracy everywhere, chance where its output does not depend on its input."""
    return {to_naslib(arch): entry_of(classes, accuracy(arch)) for arch in enumerate_space(ANALOG.space)}


def accuracy(arch):
    return 20 + sum((0, 5, 8, 11, 2)[o] for o in arch) if "0" in unique_string(arch) else 10.0


def write(benchmark, tmp_path, data):
    path = tmp_path / PACKAGE / "data.anb"
    path.write_bytes(data)
    assert benchmark.source.find() == path
    return path


@pytest.fixture
def dump(classes, monkeypatch):
    def dumped(value):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, "analognasbench", types.ModuleType("analognasbench"))
            patched.setitem(sys.modules, classes.__name__, classes)
            return pickle.dumps(value, protocol=4)

    return dumped


def refused(benchmark, path, sentence):
    with pytest.raises(DataError, match=sentence) as caught:
        benchmark.load()
    assert str(caught.value).startswith(f"The file {path} ")
    assert "\n" not in str(caught.value)


def test_a_whole_table(benchmark, tmp_path, dump, content):
    write(benchmark, tmp_path, dump(content))
    assert benchmark.source.state(check=True) == "differs"
    table = benchmark.load()
    assert table.archs == tuple(enumerate_space(ANALOG.space))
    assert set(table.columns) == set(ANALOG.columns)
    assert set(table.row((3, 0, 2, 0, 1, 4)).values()) == {46}
    assert PACKAGE not in sys.modules


def test_a_package_without_the_file(benchmark):
    assert not benchmark.is_present()
    with pytest.raises(MissingDataError, match=r"'data.anb' .* pip install 'archsieve\[nb201\]'"):
        benchmark.load()


class Calling:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_in_the_file_is_not_run(benchmark, tmp_path, protocol):
    target = tmp_path / "made_by_the_pickle"
    calls = [
        (
            r"names \w+\.mkdir, which is not allowed: the file was not read",
            Calling(__import__("os").mkdir, str(target)),
        ),
        (r"names \w+\.eval, which is not allowed", Calling(eval, f"open({str(target)!r}, 'w')")),
    ]
    for sentence, call in calls:
        path = write(benchmark, tmp_path, pickle.dumps({(0,) * 6: call}, protocol=protocol))
        refused(benchmark, path, sentence)
        assert not target.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("analognasbench.data", "pickle"),
        ("analognasbench.data", "Architecture.__init__.__globals__"),
        ("analognasbench", "Architecture"),
        ("builtins", "getattr"),
        ("numpy", "ndarray"),
    ],
)
def test_other_names_are_refused(benchmark, tmp_path, module, name):
    data = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name))
    path = write(benchmark, tmp_path, data + b"\x93.")
    refused(benchmark, path, rf"names {module}\.{name}, which is not allowed")


def test_what_a_file_sets_on_a_stand_in_ends_with_it(benchmark, tmp_path, dump, content):
    """BUILD with slot state sets attributes even on a class: the next file must not meet them."""
    header = b"\x80\x04\x8c\x13analognasbench.data\x8c\x0cArchitecture\x93"
    state = b"N}\x8c\x11baseline_accuracyK\x05s\x86b."
    path = write(benchmark, tmp_path, header + state)
    refused(benchmark, path, "holds a type where a dictionary is expected")
    write(benchmark, tmp_path, dump(content))
    assert benchmark.load().row((0,) * 6)["baseline_accuracy"] == 10


def test_damaged_bytes(benchmark, tmp_path, dump, content):
    whole = dump(content)
    for data in (b"", b"\x80", whole[: len(whole) // 2], whole[:-1], b"no pickle at all", whole[1000:]):
        path = write(benchmark, tmp_path, data)
        refused(benchmark, path, "is damaged, or is not a pickle: .")


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bytes_end_in_a_data_error(benchmark, tmp_path, dump, content, seed):
    import random

    draw = random.Random(seed)  # noqa: S311
    data = bytearray(dump(dict(list(content.items())[:40])))
    for _ in range(20):
        data[draw.randrange(len(data))] = draw.randrange(256)
    path = write(benchmark, tmp_path, bytes(data))
    refused(benchmark, path, ".")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda table: table.popitem(), "holds 15,624 architectures, but nasbench201 has 15,625"),
        (lambda table: table.update({(0, 0, 0, 0, 0): 1}), r"a key that is not a tuple of six numbers in 0\.\.4"),
        (lambda table: table.update({(0, 0, 0, 0, 0, 5): 1}), r"a key that is not a tuple of six numbers"),
        (lambda table: table.update({(0, 0, 0, 0, 0, 10**5000): 1}), r"a key that is not a tuple of six numbers"),
        (lambda table: table.update({"(0, 0, 0, 0, 0, 0)": 1}), r"a key that is not a tuple of six numbers"),
        (lambda table: table.update({(1,) * 6: 3.5}), "None for 'baseline_accuracy' of"),
        (lambda table: table.update({(1,) * 6: None}), "None for 'baseline_accuracy' of"),
    ],
)
def test_another_content(benchmark, tmp_path, dump, content, change, sentence):
    table = dict(content)
    change(table)
    refused(benchmark, write(benchmark, tmp_path, dump(table)), sentence)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("baseline_accuracy", "93", r"'93' for 'baseline_accuracy' of \(0, 0, 0, 0, 0, 0\)"),
        ("baseline_accuracy", 940.0, r"holds 940\.0 as baseline_accuracy"),
        ("analog_drift_60", 90.0, "None for 'analog_drift_60'"),
        ("ptq_accuracy", [[]], "a value of type list for 'ptq_accuracy'"),
    ],
)
def test_another_entry(benchmark, tmp_path, dump, classes, content, name, value, sentence):
    entry = entry_of(classes, 1.0)
    setattr(entry, name, value)
    path = write(benchmark, tmp_path, dump({**content, (1,) * 6: entry}))
    refused(benchmark, path, sentence)


def test_a_list_is_no_table(benchmark, tmp_path, dump):
    refused(benchmark, write(benchmark, tmp_path, dump([1, 2])), "holds a list where a dictionary is expected")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda cell: tuple((0, 1, 3, 2, 4)[o] for o in cell), "do not belong together"),
        (lambda cell: tuple(cell[e] for e in (0, 1, 3, 2, 4, 5)), "do not belong together"),
        (lambda cell: cell[::-1], "do not belong together"),
    ],
    ids=["3x3 for 1x1", "edges by their target", "edges backwards"],
)
def test_accuracies_of_other_cells_are_refused(benchmark, tmp_path, dump, content, change, sentence):
    moved = {change(cell): entry for cell, entry in content.items()}
    refused(benchmark, write(benchmark, tmp_path, dump(moved)), sentence)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [(0.5, r"less than chance"), (170, "a number from 0 to 100 is expected"), (float("nan"), "holds nan as")],
    ids=["fraction", "above 100", "missing"],
)
@pytest.mark.parametrize("name", ["baseline_accuracy", "ptq_accuracy", "analog_drift_60"])
def test_one_wrong_value_of_any_column_is_refused(benchmark, tmp_path, dump, classes, content, name, value, sentence):
    cell = to_naslib((3,) * 6)
    entry = entry_of(classes, accuracy((3,) * 6))
    if "drift" in name:
        getattr(entry, name).value = value
    else:
        setattr(entry, name, value)
    path = write(benchmark, tmp_path, dump({**content, cell: entry}))
    refused(benchmark, path, f"{sentence}|accuracy in percent")
