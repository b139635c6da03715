"""Tables, and the choice of a benchmark for a space."""

from dataclasses import dataclass

import numpy as np
import pytest

from archsieve.benchmarks import contract as module
from archsieve.benchmarks import records
from archsieve.benchmarks.contract import benchmarks_of, codes_of, find_benchmark, noisy_truths, table_of
from archsieve.benchmarks.records import Surrogate, Table
from archsieve.errors import ArchitectureError, MissingDataError, SettingError, UnknownNameError
from archsieve.registry import Registry
from archsieve.sources import Source
from archsieve.spaces.contract import SearchSpace

TABLE = Table(((0, 1), (1, 1), (1, 0)), {"accuracy": np.array([90.0, 80.0, 70.0]), "size": np.array([3.0, 2, 1])})


@dataclass(frozen=True)
class Bits(SearchSpace):
    length: int = 2

    @property
    def choices(self):
        return (2,) * self.length

    def build(self, arch, task):
        raise NotImplementedError


NOWHERE = Source("fake.json", "nowhere", "none", "nobody")


@dataclass(frozen=True)
class Fake:
    name: str
    present: bool = True
    truth: str | None = "accuracy"
    columns: tuple = ("accuracy", "size")
    space: SearchSpace = Bits()
    task: str = "none"
    source: Source = NOWHERE
    records: Table | Surrogate = TABLE

    def is_present(self):
        return self.present

    def load(self):
        if not self.present:
            raise MissingDataError(f"{self.name} is not there")
        return self.records


@pytest.fixture
def registered(monkeypatch):
    def register(*benchmarks):
        registry = Registry("benchmark")
        for benchmark in benchmarks:
            registry.add(benchmark.name, benchmark)
        monkeypatch.setattr(module, "BENCHMARKS", registry)

    return register


def test_lookup_follows_the_order_asked_and_gives_nan_for_strangers():
    found = TABLE.lookup("size", [(1, 0), (0, 0), (0, 1), (1, 0)])
    np.testing.assert_array_equal(found, [1, np.nan, 3, 1])
    assert TABLE.lookup("size", []).shape == (0,)


def test_lookup_of_an_unknown_column_offers_the_near_miss():
    with pytest.raises(UnknownNameError, match=r"no column 'acuracy'\. Did you mean 'accuracy'"):
        TABLE.lookup("acuracy", [(0, 1)])


def test_row():
    assert TABLE.row((1, 1)) == {"accuracy": 80.0, "size": 2.0}
    with pytest.raises(ArchitectureError, match=r"no row for \(0, 0\)"):
        TABLE.row((0, 0))


# Three members: for (0, 1) they say 80, 90, 100, for (1, 1) 70 each.
MODEL = Surrogate(
    {"accuracy": lambda archs: np.array([[80.0 + 10 * k if a == (0, 1) else 70.0 for a in archs] for k in range(3)])}
)


def test_a_surrogate_is_the_mean_of_its_members():
    np.testing.assert_allclose(MODEL.lookup("accuracy", [(0, 1), (1, 1), (0, 1)]), [90, 70, 90])
    np.testing.assert_allclose(MODEL.spread("accuracy", [(1, 1), (0, 1)]), [0, (200 / 3) ** 0.5])
    assert MODEL.lookup("accuracy", []).shape == MODEL.spread("accuracy", []).shape == (0,)
    with pytest.raises(UnknownNameError, match=r"no column 'acuracy'\. Did you mean 'accuracy'"):
        MODEL.lookup("acuracy", [(0, 1)])


def test_a_value_of_a_surrogate_does_not_depend_on_its_company():
    rng = np.random.default_rng(0)
    members = {arch: rng.standard_normal(37) * 1e3 for arch in [(0, 1), (1, 1), (1, 0)]}
    model = Surrogate({"accuracy": lambda archs: np.stack([members[a] for a in archs], axis=1)})
    for look_up in (model.lookup, model.spread):
        together = look_up("accuracy", list(members))
        assert [look_up("accuracy", [arch])[0] for arch in members] == together.tolist()
    np.testing.assert_allclose(model.lookup("accuracy", list(members)), [m.mean() for m in members.values()])
    np.testing.assert_allclose(model.spread("accuracy", list(members)), [m.std() for m in members.values()])


def test_a_table_lists_its_codes_and_for_a_surrogate_a_sample_stands():
    assert codes_of(TABLE, Bits(), 0) == list(TABLE.archs)
    assert sorted(codes_of(MODEL, Bits(), 0)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    many = codes_of(MODEL, Bits(40), 0)
    assert len(set(many)) == 1000
    assert codes_of(MODEL, Bits(40), 1) != many == codes_of(MODEL, Bits(40), 0)
    assert table_of(Fake("table")) is TABLE
    with pytest.raises(SettingError, match="model predicts values and lists no codes: name a benchmark"):
        table_of(Fake("model", records=MODEL))


def test_the_noise_of_a_surrogate_is_what_its_members_differ_by():
    archs = [(0, 1)] * 2000 + [(1, 1)]
    found = noisy_truths(Fake("model", records=MODEL), MODEL, "accuracy", archs, 3, np.random.default_rng(0))
    assert found.shape == (3, 2001)
    assert found[:, :-1].std() == pytest.approx((200 / 3) ** 0.5, rel=0.05)
    np.testing.assert_array_equal(found[:, -1], 70)
    assert noisy_truths(Fake("table"), TABLE, "accuracy", [(0, 1)], 3, np.random.default_rng(0)) is None


def test_only_benchmarks_with_the_same_settings_are_about_a_space(registered):
    registered(Fake("two"), Fake("three", space=Bits(3)), Fake("again"))
    assert [b.name for b in benchmarks_of(Bits())] == ["two", "again"]
    assert [b.name for b in benchmarks_of(Bits(3))] == ["three"]


def test_the_first_present_one_with_the_column_is_found(registered):
    registered(Fake("absent", present=False), Fake("small", columns=("size",), truth=None), Fake("full"), Fake("later"))
    assert find_benchmark(Bits()).name == "full"
    assert find_benchmark(Bits(), "size").name == "small"
    assert find_benchmark(Bits(), name="later").name == "later"


def test_a_fitting_one_whose_file_is_missing_says_where_it_comes_from(registered):
    registered(Fake("absent", present=False), Fake("small", columns=("size",), truth=None))
    with pytest.raises(MissingDataError, match="absent is not there"):
        find_benchmark(Bits(), "accuracy").load()


def test_what_no_benchmark_knows_is_refused(registered):
    registered(Fake("two"))
    with pytest.raises(UnknownNameError, match="No benchmark covers the space Bits with these settings"):
        find_benchmark(Bits(5))
    with pytest.raises(UnknownNameError, match=r"No benchmark of Bits has a column 'sise'\. Did you mean 'size'"):
        find_benchmark(Bits(), "sise")
    with pytest.raises(UnknownNameError, match="'two' does not cover the space Bits"):
        find_benchmark(Bits(5), name="two")
    with pytest.raises(UnknownNameError, match="no benchmark 'tvo'"):
        find_benchmark(Bits(), name="tvo")


# A surrogate predicts a code once


def counting_surrogate():
    predicted = []

    def column(archs):
        predicted.extend(archs)
        return np.array([[sum(arch) + error for arch in archs] for error in (-1.0, 1.0)])

    return Surrogate({"ones": column, "again": column}), predicted


def test_a_pool_is_predicted_once_however_often_it_is_looked_up():
    model, predicted = counting_surrogate()
    pool = [(i, j) for i in range(5) for j in range(5)]
    first = model.lookup("ones", [(4, 4), *pool])
    assert model.lookup("ones", [*pool, (4, 4)]).tolist() == [*first[1:], first[0]]
    assert model.spread("ones", [(4, 4), (0, 0)]).tolist() == [1.0, 1.0]
    assert model.lookup("ones", pool).tolist() == [float(sum(arch)) for arch in pool]
    assert sorted(predicted) == sorted(pool)
    model.lookup("again", pool[:3])
    assert len(predicted) == len(pool) + 3


def test_a_surrogate_remembers_only_so_many(monkeypatch):
    monkeypatch.setattr(records, "REMEMBERED", 4)
    model, predicted = counting_surrogate()
    many = [(i, 0) for i in range(6)]
    assert [model.lookup("ones", part).tolist() for part in (many, many[:3], many[:3], many[2:6], many[:3])] == [
        [0.0, 1, 2, 3, 4, 5],
        [0.0, 1, 2],
        [0.0, 1, 2],
        [2.0, 3, 4, 5],
        [0.0, 1, 2],
    ]
    assert len(predicted) == 6 + 3 + 0 + 4 + 3
