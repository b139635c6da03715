"""Limits of cost, and spaces within them."""

from __future__ import annotations

import copy
import json
import pickle
import re
import tracemalloc
from collections import Counter
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from typer.testing import CliRunner

import archsieve
from archsieve.benchmarks.contract import benchmarks_of, find_benchmark
from archsieve.cli import app
from archsieve.cli import progress as progress_module
from archsieve.errors import ArchitectureError, SettingError
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import fingerprint, identity
from archsieve.judging.judge import judge
from archsieve.networks.supernets import build_supernet
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.run import run_plan, tables_about, true_rank
from archsieve.registry import SPACES
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from archsieve.spaces import sampling as pool_module
from archsieve.spaces import within as module
from archsieve.spaces.attentivenas.space import AttentiveNAS
from archsieve.spaces.contract import SearchSpace, check, enumerate_space, neighbours, size
from archsieve.spaces.form import Form, form_of
from archsieve.spaces.limits import Limits
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.sampling import draw_pool, pool_size
from archsieve.spaces.within import Within
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import SpaceContract
from plugins.commands import invoke
from plugins.toy import Counting

pytest_plugins = ["plugins.fixtures"]

LARGE, FORM = AttentiveNAS(), Form((3, 224, 224), 1000)
LEAST = 203_389_568  # multiply-adds of its smallest network


@dataclass(frozen=True)
class Weighty(SearchSpace):
    """Codes whose cost is a sum by hand: 1, 10 and 100 for each option of the decisions, and 1 for being there."""

    options: tuple = (4, 3, 2)

    @property
    def choices(self):
        return self.options

    def build(self, arch, task):
        raise NotImplementedError

    def macs(self, arch, task):
        return 1 + sum(10**place * option for place, option in enumerate(arch))

    def params(self, arch, task):
        return task.num_outputs * (1 + arch[0])


SMALL = Form((1,), 2)


def within(space=None, form=SMALL, **limits):
    return Within(Weighty() if space is None else space, form, Limits(**limits))


def large(**limits):
    return Within(LARGE, FORM, Limits(**limits))


def macs(arch):
    return LARGE.macs(arch, FORM)


class TestWithinMacro(SpaceContract):
    task = Synthetic(shape=(3, 16, 16), num_outputs=7, images=20)
    space = Within(NASBenchMacro(stem_width=4, widths=(6, 8), stages=(2, 3), head_width=10), task, Limits(max_macs=2e5))


class TestWithinCells(SpaceContract):
    task = Synthetic(shape=(3, 16, 16), num_outputs=7, images=20)
    space = Within(NASBench201(width=4, cells=1, stages=2), task, Limits(max_params=2000, min_macs=1))


def test_the_contract_is_tested_on_limits_that_exclude():
    for case in (TestWithinMacro, TestWithinCells):
        everything, kept = size(case.space), sum(1 for _ in enumerate_space(case.space))
        assert 0.1 * everything < kept < 0.9 * everything


def test_limits_by_hand():
    limits = Limits(max_macs=100, min_macs=10, max_params=5)
    assert limits.admits({"macs": 100, "params": 5})
    assert limits.admits({"macs": 10, "params": 0})
    assert not limits.admits({"macs": 101, "params": 5})
    assert not limits.admits({"macs": 9, "params": 5})
    assert not limits.admits({"macs": 50, "params": 6})
    assert not limits.admits({"macs": float("nan"), "params": 5})
    assert limits.excess({"macs": 100, "params": 5}) == 0
    # A fifth too many multiply-adds; half of the least too few, and as many parameters again as are allowed.
    assert limits.excess({"macs": 120, "params": 5}) == pytest.approx(0.2)
    assert limits.excess({"macs": 5, "params": 10}) == pytest.approx(0.5 + 1.0)
    assert str(limits) == "10 <= macs <= 100 and params <= 5"
    assert str(Limits(max_macs=979_515_488, min_params=1e6)) == "macs <= 979,515,488 and params >= 1,000,000"


@given(st.integers(1, 2**40), st.integers(0, 2**40))
def test_no_excess_is_to_be_admitted(most, cost):
    limits = Limits(max_macs=float(most))
    assert limits.admits({"macs": cost}) == (cost <= most) == (limits.excess({"macs": cost}) == 0)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "A limit needs at least one of max_macs, max_params, min_macs, min_params, max_published_flops"),
        ({"max_macs": 5, "min_macs": 6}, "`0 <= min_macs <= max_macs` must hold, but got 6 and 5"),
        ({"max_params": 0}, "`0 <= min_params <= max_params` must hold, but got 0 and 0"),
        ({"max_macs": -1.0}, "must hold, but got 0 and -1"),
        ({"min_params": -1}, "must hold, but got -1 and inf"),
        ({"max_macs": float("nan")}, "must hold, but got 0 and nan"),
    ],
)
def test_limits_that_cannot_be(given, sentence):
    with pytest.raises(SettingError, match=sentence):
        Limits(**given)


def test_what_is_within_by_hand():
    # 1 + a + 10 b + 100 c <= 22: c = 0; b = 0 or 1 with any a, b = 2 with a <= 1.
    space = within(max_macs=22)
    assert list(enumerate_space(space)) == [a for a in product(range(4), range(3), (0,)) if a[0] + 10 * a[1] <= 21]
    assert sum(1 for _ in enumerate_space(space)) == 10
    assert [a[0] for a in enumerate_space(within(max_params=4))] == [0] * 6 + [1] * 6
    assert [a[0] for a in enumerate_space(within(form=Form((1,), 3), max_params=4))] == [0] * 6
    assert list(enumerate_space(within(min_macs=123))) == [(2, 2, 1), (3, 2, 1)]
    assert check(space, (1, 2, 0)) == (1, 2, 0)
    with pytest.raises(ArchitectureError, match=r"\(2, 2, 0\) is excluded by the limits of Weighty"):
        check(space, (2, 2, 0))
    with pytest.raises(ArchitectureError, match="'220' is beyond the limits: 23 macs, but macs <= 22"):
        space.parse("220")


def test_what_the_space_excludes_is_excluded():
    @dataclass(frozen=True)
    class Even(Weighty):
        def is_valid(self, arch):
            return arch[0] % 2 == 0

    space = within(Even(), max_macs=13)
    assert list(enumerate_space(space)) == [(0, 0, 0), (0, 1, 0), (2, 0, 0), (2, 1, 0)]
    rng = np.random.default_rng(0)
    assert {space.sample(rng) for _ in range(100)} == set(enumerate_space(space))


def test_costs_are_those_of_the_canonical_code():
    @dataclass(frozen=True)
    class Sorted(Weighty):
        options: tuple = (3, 3, 3)

        def canonical(self, arch):
            return tuple(sorted(arch, reverse=True))

    space = within(Sorted(), max_macs=12)
    # 2 and 1: canonical 210, which costs 1 + 2 + 10; 1 and 1: 110, which costs 12.
    assert not space.is_valid((0, 1, 2))
    assert space.is_valid((0, 1, 1))
    assert all(space.is_valid(space.canonical(arch)) for arch in enumerate_space(space))


def test_it_is_the_space_but_for_the_limits():
    space = large(max_macs=600e6)
    arch = space.sample(np.random.default_rng(0))
    for name in ("describe", "picture", "canonical", "values"):
        assert getattr(space, name)(arch) == getattr(LARGE, name)(arch)
    assert (space.name, space.choices, space.extremes) == (LARGE.name, LARGE.choices, LARGE.extremes)
    assert space.macs(arch, FORM) == LARGE.macs(arch, FORM)
    assert space.parse(LARGE.describe(arch)) == arch
    assert hasattr(space, "supernet")
    assert not hasattr(within(max_macs=9), "supernet")
    assert not hasattr(within(max_macs=9), "flops")
    with torch.device("meta"):
        assert isinstance(space.build(arch, Synthetic(shape=(3, 32, 32))), nn.Module)


def test_its_supernet_is_the_spaces():
    task = Synthetic(shape=(3, 8, 8), num_outputs=4, images=20)
    inner = NASBenchMacro(stem_width=4, widths=(6,), stages=(3,), head_width=8)
    space = Within(inner, task, Limits(max_params=800))
    one, other = build_supernet(space, task, 0).state_dict(), build_supernet(inner, task, 0).state_dict()
    assert list(one) == list(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_equal_limits_are_one_space():
    task = Synthetic(shape=(3, 224, 224), num_outputs=1000)
    assert form_of(task) == FORM
    assert Within(LARGE, task, Limits(max_macs=6e8)) == large(max_macs=600_000_000)
    assert fingerprint(large(max_macs=6e8)) == fingerprint(large(max_macs=600_000_000))
    others = [LARGE, large(max_macs=5e8), large(max_params=6e8), Within(LARGE, SMALL, Limits(max_macs=6e8))]
    prints = [
        fingerprint(space) for space in (large(max_macs=6e8), *others, Within(others[1], FORM, Limits(max_macs=6e8)))
    ]
    assert len(set(prints)) == len(prints)
    assert identity(large(max_macs=6e8))["type"] == "AttentiveNAS"


def test_it_can_be_sent_and_copied():
    space = large(max_macs=6e8)
    arch = space.sample(np.random.default_rng(0))  # something is remembered
    for other in (pickle.loads(pickle.dumps(space)), copy.deepcopy(space), replace(space)):  # noqa: S301
        assert other == space
        assert hash(other) == hash(space)
        assert other.is_valid(arch)
        assert other.sample(np.random.default_rng(0)) == arch


def test_samples_by_rejection_are_those_of_the_space_that_are_within():
    space, rng = large(max_macs=980e6), np.random.default_rng(3)
    drawn = [LARGE.sample(rng) for _ in range(100)]
    rng = np.random.default_rng(3)
    kept = [arch for arch in drawn if macs(arch) <= 980e6]
    assert 60 < len(kept) < 100
    assert [space.sample(rng) for _ in range(len(kept))] == kept


def test_samples_are_deterministic_by_the_generator():
    space = large(max_macs=1.1 * LEAST)
    one, other = ([space.sample(rng) for _ in range(5)] for rng in (np.random.default_rng(1), np.random.default_rng(1)))
    assert one == other
    assert one != [space.sample(np.random.default_rng(2)) for _ in range(5)]


def all_within(most):
    """Return every architecture of the large space within; costs ascend with every option."""
    within_so_far = [LARGE.extremes[0]]
    for decision, options in enumerate(LARGE.choices):
        raised = ((*a[:decision], o, *a[decision + 1 :]) for a in within_so_far for o in range(options))
        within_so_far = [arch for arch in raised if macs(arch) <= most]
    return within_so_far


def test_samples_near_the_minimum_are_uniform():
    """Of 440 billion architectures 1,027 are within 1.05 times the least; a uniform draw would never meet one."""
    everything = all_within(1.05 * LEAST)
    assert len(everything) == len(set(everything)) == 1027
    space, rng, count = large(max_macs=1.05 * LEAST), np.random.default_rng(0), 700
    drawn = [space.sample(rng) for _ in range(count)]
    assert set(drawn) <= set(everything)
    # As many different ones as uniform draws meet: 1 - 1 / e^(700 / 1027) of all are 507, give or take 11.
    assert len(set(drawn)) == pytest.approx(507, abs=45)
    for decision, options in enumerate(LARGE.choices):
        one, other = (np.bincount([a[decision] for a in archs], minlength=options) for archs in (everything, drawn))
        assert 0.5 * np.abs(one / 1027 - other / count).sum() < 0.07
        assert set(np.flatnonzero(one >= 10)) <= set(np.flatnonzero(other))  # every option that so many have is met


def test_the_walk_goes_where_rejection_goes():
    """Marginals of repaired and walked samples are those of uniform ones, at a limit where both can be had."""
    space, rng, count = large(max_macs=600e6), np.random.default_rng(0), 1200
    uniform = np.array([space.sample(rng) for _ in range(count)])
    walked = np.array([space._walk(space._repair(LARGE.sample(rng), rng), rng) for _ in range(count)])
    for decision, options in enumerate(LARGE.choices):
        one, other = (np.bincount(a[:, decision], minlength=options) / count for a in (uniform, walked))
        assert 0.5 * np.abs(one - other).sum() < 0.08
    assert np.mean([macs(tuple(a)) for a in walked.tolist()]) == pytest.approx(
        np.mean([macs(tuple(a)) for a in uniform.tolist()]), rel=0.02
    )


def test_the_walk_is_uniform_on_a_space_that_can_be_listed(monkeypatch):
    monkeypatch.setattr(module, "_DRAWS", 1)
    space, rng = within(max_macs=22), np.random.default_rng(0)
    counts = Counter(space.sample(rng) for _ in range(4000))
    # One draw in 2.4 is within and uniform; the others have walked 24 moves.
    assert set(counts) == set(enumerate_space(space))
    assert list(counts.values()) == pytest.approx([400] * 10, abs=80)


def test_a_band_is_met_from_both_sides():
    space, rng = large(max_macs=603e6, min_macs=600e6, min_params=9e6), np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(10)]
    assert len(set(drawn)) == 10
    assert all(600e6 <= macs(a) <= 603e6 and LARGE.params(a, FORM) >= 9e6 for a in drawn)
    for arch in drawn[:3]:
        assert space.is_valid(space.mutate(arch, rng))


def test_nothing_within_is_a_sentence_with_the_least():
    rng = np.random.default_rng(0)
    sentence = "No architecture of attentivenas with macs <= 200,000,000 was found: the nearest has 203,389,568 macs"
    with pytest.raises(ArchitectureError, match=sentence):
        large(max_macs=2e8).sample(rng)
    with pytest.raises(ArchitectureError, match=r"No architecture of Weighty with macs >= 200 .* has 124 macs"):
        within(min_macs=200).sample(rng)
    for listed in (lambda space: pool_size(space), lambda space: draw_pool(space, 0, 3)):
        with pytest.raises(ArchitectureError, match="No architecture of Weighty with macs >= 200"):
            listed(within(min_macs=200))


def test_mutants_are_neighbours_within():
    rng = np.random.default_rng(0)
    space = within(max_macs=22)
    for arch in enumerate_space(space):
        near = neighbours(space, arch)
        assert {space.mutate(arch, rng) for _ in range(200)} == set(near)


def test_a_mutant_is_found_where_few_are_within():
    space, rng = large(max_macs=1.02 * LEAST), np.random.default_rng(0)
    smallest = LARGE.extremes[0]
    assert 1 < len(neighbours(space, smallest)) < 20
    for _ in range(50):
        mutant = space.mutate(smallest, rng)
        assert space.is_valid(mutant)
        assert sum(a != b for a, b in zip(mutant, smallest, strict=True)) == 1


def test_a_code_without_a_neighbour_within_mutates_further():
    space = within(max_macs=102, min_macs=101)  # 1 + 100, 1 + 1 + 100
    assert list(enumerate_space(space)) == [(0, 0, 1), (1, 0, 1)]
    alone = within(Weighty((2, 11)), max_macs=12, min_macs=11)  # 1 + 10, 1 + 1 + 10
    assert neighbours(alone, (0, 1)) == [(1, 1)]
    apart = within(Weighty((11, 2)), max_macs=11, min_macs=11)  # 1 + 10 once, or 1 + 10 * 1
    assert list(enumerate_space(apart)) == [(0, 1), (10, 0)]
    assert neighbours(apart, (0, 1)) == []
    assert {apart.mutate((0, 1), np.random.default_rng(seed)) for seed in range(3)} == {(10, 0)}


@dataclass(frozen=True)
class Leaping(Weighty):
    """Mutates two decisions at once, though single ones would do."""

    def mutate(self, arch, rng):
        return ((arch[0] + 1) % 4, (arch[1] + 1) % 3, arch[2])


def test_the_law_of_mutation_knows_codes_without_neighbours():
    law = SpaceContract.test_mutation_changes_one_decision
    between = within(Weighty((11, 2, 2)), max_macs=11, min_macs=11)  # 1 + 10 once, or 1 + 1 * 10
    assert list(enumerate_space(between)) == [(0, 1, 0), (10, 0, 0)]
    law(type("Apart", (), {"space": between})())
    for space in (Weighty(), within(max_macs=22)):
        law(type("Near", (), {"space": space})())
    with pytest.raises(AssertionError, match="is no neighbour of"):
        law(type("Far", (), {"space": Leaping()})())


def test_a_single_code_within_has_nothing_to_mutate_to():
    with pytest.raises(ArchitectureError, match="'000' has no neighbour within macs <= 1: relax the limits"):
        within(max_macs=1).mutate((0, 0, 0), np.random.default_rng(0))


@pytest.mark.parametrize("name", ["random_search", "regularized_evolution", "differential_evolution"])
@pytest.mark.parametrize("most", [600e6, 1.1 * LEAST])
def test_searchers_stay_within(name, most):
    space, asked = large(max_macs=most), []

    def evaluate(archs):
        asked.extend(archs)
        return [macs(arch) for arch in archs]

    found = getattr(archsieve, name)(space, evaluate, budget=70, rng=np.random.default_rng(0))
    assert len(asked) == 70
    assert all(space.is_valid(arch) for arch in asked)
    assert found.best_score == max(map(macs, asked)) <= most


@dataclass(frozen=True)
class Uncounted(SearchSpace):
    """A space without closed forms: a linear layer of width 1 to 5, and one of 1 to 3."""

    @property
    def choices(self):
        return (5, 3)

    def build(self, arch, task):
        return nn.Sequential(nn.Linear(2, 1 + arch[0]), nn.Linear(1 + arch[0], 1 + arch[1]))


def test_costs_without_closed_form_are_counted_once(monkeypatch):
    space = Within(Uncounted(), Form((2,), 2), Limits(max_macs=8, max_params=14))
    built = Counter()
    build = Uncounted.build
    monkeypatch.setattr(Uncounted, "build", lambda self, arch, task: built.update([arch]) or build(self, arch, task))
    # 2 w + w v products; 3 w + (w + 1) v parameters: (1, v), (2, 1), (2, 2).
    expected = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert list(enumerate_space(space)) == expected
    assert list(enumerate_space(space)) == expected
    assert set(built.values()) == {2}  # multiply-adds and parameters


@dataclass(frozen=True)
class Towers(SearchSpace):
    """46,656 codes without closed forms."""

    @property
    def choices(self):
        return (6,) * 6

    def build(self, arch, task):
        BUILT.append(arch)
        if len(BUILT) == INTERRUPTED_AT:
            raise KeyboardInterrupt
        return nn.Sequential(
            nn.Flatten(), *(nn.Linear(64, 1 + option) for option in arch[:1]), nn.Linear(1 + arch[0], 10)
        )


BUILT, INTERRUPTED_AT = [], 600
TOWERS = """
space = "towers"
task = "digits"
pool = {pool}
[limits]
max_params = 300
[[stage]]
estimator = "params"
top = 1
"""


@pytest.fixture
def towers(restored, tmp_path):
    """Return a function that writes a plan of a pool; the space is registered."""
    SPACES.add("towers", Towers)
    BUILT.clear()

    def write(pool):
        (tmp_path / "plan.toml").write_text(TOWERS.replace("{pool}", pool))
        return tmp_path / "plan.toml"

    return write


def test_a_sample_within_limits_builds_what_it_draws(towers, tmp_path):
    # 64 w + w + 10 w + 10 <= 300: w <= 3, half of the codes.
    plan = towers("{ sample = 40 }")
    told = invoke("search", plan, "--dry-run", "--no-timing", "--json")
    assert [(row["candidates"], row["kept"]) for row in json.loads(told.stdout)] == [(40, 1)]
    assert BUILT == []
    found = invoke("search", plan, "--out", tmp_path / "run", "--json")
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["stages"][0]["candidates"] == 40
    assert 40 < len(BUILT) < 300  # some were beyond, and those within were scored
    assert json.loads(found.stdout)["code"][0] == 2


@pytest.mark.parametrize("arguments", [("--dry-run",), ()])
def test_a_whole_space_of_built_networks_shows_progress_and_can_be_interrupted(
    towers, tmp_path, monkeypatch, arguments
):
    monkeypatch.setattr(pool_module, "_QUIET", 0.0)
    monkeypatch.setattr(pool_module, "_EVERY", 0.0)
    monkeypatch.setattr(progress_module, "_PLAIN_EVERY", 0.0)
    plan = towers('"all"')
    result = CliRunner().invoke(app, ["search", str(plan), "--out", str(tmp_path / "run"), *arguments])
    assert result.exit_code == 130
    *progress, last = result.stderr.splitlines()
    assert re.fullmatch(r"towers: (codes checked|networks drawn): 1/46656", progress[0])
    assert 300 < len(progress) <= INTERRUPTED_AT
    assert last.startswith("Interrupted.")


def test_spaces_say_whether_their_codes_are_costly_to_check():
    assert not LARGE.is_costly_to_list
    assert not large(max_macs=6e8).is_costly_to_list
    counted = Within(Towers(), Form((1, 8, 8), 10), Limits(max_macs=1e6))
    assert counted.is_costly_to_list
    assert Within(counted, Form((1, 8, 8), 10), Limits(max_params=1e6)).is_costly_to_list
    assert pickle.loads(pickle.dumps(counted)).is_costly_to_list  # noqa: S301


@pytest.fixture
def published(publish):
    macro = NASBenchMacro(stem_width=4, widths=(6,), stages=(3,), head_width=8)
    publish(macro, {"truth": np.arange(27.0)}, "truth")
    return macro


def test_benchmarks_about_the_space_are_about_it(published):
    task = Synthetic(shape=(3, 8, 8), num_outputs=4, images=20)
    space = Within(published, task, Limits(max_params=700))
    assert [b.name for b in benchmarks_of(space)] == ["made-up"]
    assert find_benchmark(space).name == "made-up"
    assert benchmarks_of(Within(replace(published, head_width=9), task, Limits(max_params=700))) == []


def test_truths_and_judgements_are_of_what_is_within(published, tmp_path):
    task, limits = Synthetic(shape=(3, 8, 8), num_outputs=4, images=20), Limits(max_params=2500)
    space = Within(published, task, limits)
    kept = list(enumerate_space(space))
    assert 10 < len(kept) < 27
    values = [9 * a + 3 * b + c for a, b, c in kept]
    ((_, table),) = tables_about(space, task)[0]
    assert sorted(table.archs) == kept
    truth = true_rank((find_benchmark(space), table), kept[0], kept)
    assert (truth.count, truth.best) == (len({published.canonical(arch) for arch in kept}), max(values))
    with Session(tmp_path / "within", space, task) as session:
        (found,) = judge(session, [Counting()])
        assert found.count == len(kept)
    with Session(tmp_path / "whole", published, task) as session:
        (same,) = judge(session, [Counting()], limits=limits)
        assert (same.count, same.tau, same.mkr) == (found.count, found.tau, found.mkr)


PARTS = tuple(ZeroCost(name, batch_size=4) for name in ("l2_norm", "nwot", "zen"))


@pytest.mark.parametrize(
    "pool", [Pool(sample=8), Pool(evolve=MeanRank(PARTS, calibration=4), budget=8, population=4, tournament=2)]
)
def test_a_funnel_of_proxies_stays_within(pool, tmp_path):
    task = Synthetic(shape=(3, 16, 16), num_outputs=4, images=20)
    inner = AttentiveNAS(
        resolutions=(8, 16),
        widths=((8,), (8, 16), (8, 16, 24), (16, 24)),
        depths=((1, 2), (1, 2)),
        kernels=((3, 5),) * 2,
        expansions=((1,), (2, 3)),
        strides=(1, 2),
        squeezes=(False, True),
    )
    smallest, largest = (inner.macs(arch, task) for arch in inner.extremes)
    space = Within(inner, task, Limits(max_macs=(smallest + largest) / 4))
    plan = Plan(space, task, (Stage(Vote(PARTS, quantile=0.5), above=1), Stage(MeanRank(PARTS), top=1)), pool)
    with Session(tmp_path, space, task) as session:
        result = run_plan(plan, session)
        assert all(map(space.is_valid, pool.draw(session)))
    assert space.parse(result.best) == result.code
    assert result.stages[0].candidates <= 8


@pytest.mark.slow
@pytest.mark.parametrize(("most", "count"), [(600e6, 100_000), (1.05 * LEAST, 10_000)])
def test_many_samples_take_no_memory(most, count):
    space, rng = large(max_macs=most), np.random.default_rng(0)
    for _ in range(1000):
        space.sample(rng)
    tracemalloc.start()
    space.sample(rng)
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(count):
        assert macs(space.sample(rng)) <= most
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 16e6


def test_memory_of_activations_is_a_limit():
    from archsieve.fingerprints import identity
    from archsieve.spaces.sizes import size_of

    limits = Limits(max_activation_bytes=20_000)
    assert str(limits) == "activation_bytes <= 20,000"
    assert "max_activation_bytes" not in identity(Limits(max_macs=1e6))  # earlier folders of limits stay valid
    space = NASBenchMacro(stem_width=4, widths=(4, 8), stages=(1, 1), head_width=8)
    task = Synthetic(shape=(3, 16, 16))
    within = Within(space, task, limits)
    sizes = {arch: size_of(space, arch, task, "activation_bytes") for arch in enumerate_space(space)}
    assert 0 < sum(size <= 20_000 for size in sizes.values()) < len(sizes)
    assert {arch for arch in sizes if within.is_valid(arch)} == {a for a, size in sizes.items() if size <= 20_000}
    assert within.is_costly_to_list
