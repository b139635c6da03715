"""Optuna's samplers as searchers; skipped where Optuna is not installed."""

from itertools import product

import numpy as np
import pytest

from archsieve.errors import MissingPackageError, SettingError
from archsieve.registry import SEARCHERS
from archsieve.searchers.contract import Candidates, Stage
from archsieve.searchers.guided import InMemory, search

from .conftest import Toy

SPACE = Toy((4, 1, 4, 3, 4))
QUICK = pytest.mark.parametrize("sampler", ["tpe", "nsga2"])


def score(arch):
    return float("nan") if arch[0] == 3 else sum(arch) - 2.0 * (arch[2] == 1)


class Scores:
    def __init__(self, dies_at=None):
        self.dies_at, self.calls = dies_at, []

    def __call__(self, archs):
        if len(self.calls) == self.dies_at:
            raise KeyboardInterrupt
        self.calls.append(list(archs))
        return np.array([score(arch) for arch in archs])


def run(sampler, *, budget=24, seed=0, journal=None, scores=None, space=SPACE, left=None, **settings):
    searcher = SEARCHERS["optuna"](sampler, population=8, **settings)
    journal = InMemory() if journal is None else journal
    rng = np.random.default_rng(seed)
    known = search(searcher, Candidates(space, left), scores or Scores(), budget, rng, journal=journal)
    return [(arch, None if np.isnan(value) else value) for arch, value in known.items()]


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"needs the package 'optuna'.*pip install 'archsieve\[optuna\]'"):
        SEARCHERS["optuna"]()


class TestInstalled:
    @pytest.fixture(autouse=True)
    def optuna(self):
        pytest.importorskip("optuna", reason="Optuna is not installed: pip install 'archsieve[optuna]'")

    @QUICK
    def test_the_seed_decides_everything_and_it_learns(self, sampler):
        found = run(sampler)
        assert len(found) == 24
        assert run(sampler) == found != run(sampler, seed=1)
        assert {arch[1] for arch, _ in found} == {0}
        wide = [value or 0 for _, value in run(sampler, budget=60, space=Toy((5,) * 6))]
        assert np.mean(wide[-20:]) > np.mean(wide[:8]) + 1

    @QUICK
    @pytest.mark.parametrize("batch", [1, 3])
    def test_killed_at_any_score_it_goes_on_and_nothing_is_asked_again(self, sampler, batch):
        whole, journal = Scores(), InMemory()
        expected = run(sampler, scores=whole, journal=journal, budget=16, batch=batch)
        for dies_at in range(min(len(whole.calls), 20)):
            kept = InMemory()
            with pytest.raises(KeyboardInterrupt):
                run(sampler, scores=Scores(dies_at), journal=kept, budget=16, batch=batch)
            assert kept.archs == journal.archs[: len(kept.archs)]
            assert run(sampler, journal=kept, budget=16, batch=batch) == expected
            assert kept.archs == journal.archs

    @pytest.mark.slow
    def test_a_gaussian_process_goes_on_from_its_journal_too(self):
        journal = InMemory()
        found = run("gp", budget=10, journal=journal)
        assert run("gp", budget=10, journal=InMemory(journal.archs[:9])) == found

    def test_of_a_model_a_journal_is_believed_although_the_model_would_ask_for_others(self):
        asked = [(0, 0, 0, 0, k) for k in range(4)] + [(1, 0, 0, 0, k) for k in range(4)] + [(2, 0, 2, 2, 0)]
        journal = InMemory(list(asked))
        found = run("tpe", journal=journal, budget=12)
        assert [arch for arch, _ in found[:9]] == asked
        assert len(found) == 12

    @QUICK
    def test_tells_come_in_any_order_and_n_changes_nothing(self, sampler):
        def drive(at_once, order):
            searcher = SEARCHERS["optuna"](sampler, population=5, batch=4)
            running, asked = searcher.begin(Candidates(SPACE), np.random.default_rng(2)), []
            while len(asked) < 21:
                archs = running.ask(min(at_once, 21 - len(asked)))
                assert running.ask(len(archs)) == archs
                asked += archs
                running.tell(archs[::order], [score(arch) for arch in archs[::order]])
            running.ask(1)
            with pytest.raises(SettingError, match="did not ask for"):
                running.tell([(3, 0, 3, 2, 9)], [1.0])
            return asked

        assert drive(99, 1) == drive(3, -1) == drive(1, 1)

    @QUICK
    def test_limits_and_survivors_are_kept_to(self, sampler):
        limited = Toy((4, 4, 4, 4), limit=3)
        assert all(sum(arch) <= 3 for arch, _ in run(sampler, space=limited, budget=12))
        left = [arch for arch in product(range(4), (0,), range(4), range(3), range(4)) if sum(arch) == 5][:12]
        assert {arch for arch, _ in run(sampler, left=left, budget=9)} < set(left)

    def test_settings(self):
        with pytest.raises(SettingError, match="`sampler` must be one of tpe, gp, nsga2, but got 'tbe'"):
            SEARCHERS["optuna"]("tbe")
        with pytest.raises(SettingError, match="`batch >= 1`"):
            SEARCHERS["optuna"](batch=0)
        with pytest.raises(SettingError, match="`budget >= population`"):
            Stage(None, top=1, search=SEARCHERS["optuna"](), budget=9)
        assert SEARCHERS["optuna"]("gp").name == "optuna[gp]"
