"""A study over tables of parts of spaces, with several truths and recorded columns as estimators."""

from __future__ import annotations

import numpy as np
import pytest

from archsieve.benchmarks.nasbench101 import GraphTable
from archsieve.benchmarks.records import Table
from archsieve.estimators.lookup import Lookup
from archsieve.judging.claims import POOLED
from archsieve.judging.mkr_study import mkr_study
from archsieve.judging.study_searches import Listed, by_code, searched
from archsieve.registry import BENCHMARKS
from archsieve.runs.session import Session
from archsieve.spaces.contract import enumerate_space, neighbours
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.tasks.synthetic import Synthetic

TRUTHS = {
    "nasbench101-cifar10": ("test_acc_108", "val_acc_108"),
    "nasbench1shot1-1-cifar10": ("test_acc_108", "val_acc_108"),
    "flexibert-glue": ("glue", "mnli"),
    "vitbench-pit-cifar100": ("c100_kd_acc", "c100_base_acc"),
    "vitbench-autoformer-flowers": ("flower_kd_acc", "flower_base_acc"),
}


def made_up(space, truths):
    """Return a table of 60 networks: two truths, and four columns that agree with them more or less."""
    rng = np.random.default_rng(0)
    archs = list(dict.fromkeys(space.canonical(space.sample(rng)) for _ in range(60)))
    truth = rng.normal(70, 5, len(archs))
    columns = {title: truth + rng.normal(0, 1, len(archs)) for title in truths}
    columns |= {f"score {noise}": truth + rng.normal(0, noise, len(archs)) for noise in (1, 4, 8, 16)}
    kind = GraphTable if space.name == "nasbench101" else Table
    return kind(tuple(archs), columns)


@pytest.mark.parametrize("name", TRUTHS)
def test_two_truths_of_a_part_of_a_space(name, tmp_path, monkeypatch):
    monkeypatch.setattr("archsieve.judging.claims._DRAWS", 50)
    benchmark, truths = BENCHMARKS[name], TRUTHS[name]
    table = made_up(benchmark.space, truths)
    monkeypatch.setattr(type(benchmark), "load", lambda self: table)
    monkeypatch.setattr(type(benchmark), "is_present", lambda self: True)
    estimators = [Lookup(f"score {noise}", name) for noise in (1, 4, 8, 16)]
    with Session(tmp_path, benchmark.space, Synthetic()) as session:
        study = mkr_study(session, estimators, truths=truths, benchmark=name, seeds=1, budget=60)
    assert study.count == len(table.archs)
    assert {finding.truth for finding in study.findings} == set(truths)
    assert {claim.truth for claim in study.claims} == {*truths, POOLED}
    best = {truth: table.columns[truth].max() for truth in truths}
    for finding in study.findings:
        assert finding.tau > 0
        for values in finding.found.values():
            assert np.isfinite(values).all()
            assert max(values) <= best[finding.truth]


def test_several_tables_of_one_space(tmp_path, monkeypatch):
    monkeypatch.setattr("archsieve.judging.claims._DRAWS", 50)
    names = [f"transnas-macro-{task}" for task in ("class-object", "jigsaw", "normal")]
    space = BENCHMARKS[names[0]].space
    archs, rng = tuple(enumerate_space(space))[::4], np.random.default_rng(0)
    sizes = np.array([space.encoder_params(arch) for arch in archs], dtype=float)
    columns = {BENCHMARKS[name].truth: np.log(sizes) + rng.normal(0, 1, len(sizes)) for name in names}
    columns |= {f"score {noise}": np.log(sizes) + rng.normal(0, noise, len(sizes)) for noise in (1, 2, 4)}
    monkeypatch.setattr(type(BENCHMARKS[names[0]]), "load", lambda self: Table(archs, columns))
    monkeypatch.setattr(type(BENCHMARKS[names[0]]), "is_present", lambda self: True)
    estimators = [Lookup(f"score {noise}", names[0]) for noise in (1, 2, 4)]
    with Session(tmp_path, space, Synthetic()) as session:
        study = mkr_study(session, estimators, benchmark=names, seeds=1, budget=60)
    assert len({finding.truth for finding in study.findings}) == 3
    assert POOLED in {claim.truth for claim in study.claims}


CELLS = NASBench201()


def test_a_whole_space_is_searched_as_it_is():
    archs = list(enumerate_space(CELLS))
    assert searched(CELLS, archs) is CELLS
    assert by_code(CELLS, archs, np.arange(15_625.0))[0, 0, 0, 0, 1, 2] == 7


def test_a_part_is_searched_among_its_codes():
    archs = tuple(enumerate_space(CELLS))[::50]
    part, rng = searched(CELLS, archs), np.random.default_rng(0)
    assert isinstance(part, Listed)
    for _ in range(50):
        arch = part.sample(rng)
        mutant = part.mutate(arch, rng)
        assert {arch, mutant} <= set(archs)
        near = {CELLS.canonical(each) for each in neighbours(CELLS, arch)}
        assert CELLS.canonical(mutant) in near or not part._near(arch)


def test_a_twin_is_known_by_the_code_of_the_table():
    code, twin = CELLS.parse("330132"), CELLS.parse("330123")
    twins = [arch for arch in enumerate_space(CELLS) if CELLS.canonical(arch) == CELLS.canonical(code)]
    part = Listed(CELLS, (twins[-1],))
    assert part.listed(twins[0]) == part.listed(twins[-1]) == twins[-1]
    assert part.listed(CELLS.parse("000000")) is None
    assert twin not in twins or part.listed(twin) == twins[-1]
