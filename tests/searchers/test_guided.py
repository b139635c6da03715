"""A stage with a search: what it pays for, what it is told, and that its journal is enough to go on from."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from archsieve.errors import ArchitectureError, RunFolderError, SettingError
from archsieve.searchers.batches import Batches
from archsieve.searchers.contract import Candidates, Stage
from archsieve.searchers.funnel import funnel_search, run_funnel
from archsieve.searchers.guided import REPEATS, Guide, InMemory, search
from archsieve.searchers.random_search import RandomSearch
from archsieve.searchers.regularized_evolution import RegularizedEvolution

from .conftest import Toy


@dataclass(frozen=True)
class Twins(Toy):
    """The order of the options makes no difference."""

    def canonical(self, arch):
        return tuple(sorted(arch))


SPACE = Twins((3, 3, 3, 3))  # 81 codes, 15 networks
WIDE = Toy((5,) * 4)
EVOLUTION = RegularizedEvolution(population=6, tournament=3)
NAN = float("nan")


@dataclass(frozen=True)
class Fixed:
    """Asks for given lists of codes, and notes what it is told and how often it is asked."""

    lists: tuple
    told: list
    asks: list

    def begin(self, candidates, rng):
        self.told.clear()
        self.asks.clear()
        return Noting(self)

    def steps(self):
        for archs in self.lists:
            yield list(archs)


class Noting(Batches):
    def __init__(self, searcher):
        super().__init__(searcher.steps())
        self.searcher = searcher

    def ask(self, n):
        self.searcher.asks.append(n)
        return super().ask(n)

    def tell(self, archs, scores):
        self.searcher.told.extend(zip(archs, np.asarray(scores).tolist(), strict=True))
        super().tell(archs, scores)


def fixed(*lists):
    return Fixed(lists, [], [])


class Scores:
    """Scores by a function, notes the calls, and may die at one of them."""

    def __init__(self, score=lambda arch: 10.0 * arch[0] + arch[-1], dies_at=None):
        self.score, self.dies_at, self.calls = score, dies_at, []

    def __call__(self, archs):
        if len(self.calls) == self.dies_at:
            raise KeyboardInterrupt
        self.calls.append(list(archs))
        return np.array([self.score(arch) for arch in archs], dtype=float)

    @property
    def scored(self):
        return [arch for call in self.calls for arch in call]


def run(searcher, scores, budget, *, space=SPACE, left=None, journal=None, seed=0):
    return search(
        searcher,
        Candidates(space, left),
        scores,
        budget,
        np.random.default_rng(seed),
        journal=InMemory() if journal is None else journal,
    )


def test_known_networks_are_told_and_not_scored_again():
    searcher, scores = fixed([(0, 0, 0, 1), (1, 0, 0, 0), (0, 0, 2, 2)], [(2, 2, 0, 0), (1, 1, 1, 1)]), Scores(sum)
    known = run(searcher, scores, 10)
    assert scores.calls == [[(0, 0, 0, 1), (0, 0, 2, 2)], [(1, 1, 1, 1)]]
    assert searcher.told == [
        ((0, 0, 0, 1), 1.0),
        ((1, 0, 0, 0), 1.0),
        ((0, 0, 2, 2), 4.0),
        ((2, 2, 0, 0), 4.0),
        ((1, 1, 1, 1), 4.0),
    ]
    assert known == {(0, 0, 0, 1): 1.0, (0, 0, 2, 2): 4.0, (1, 1, 1, 1): 4.0}


@pytest.mark.parametrize("searcher", [EVOLUTION, RandomSearch(batch=7)])
@pytest.mark.parametrize("budget", [6, 11])
def test_the_budget_is_of_distinct_networks_and_all_searchers_pay_alike(searcher, budget):
    scores = Scores()
    known = run(searcher, scores, budget)
    assert len(known) == len(set(scores.scored)) == len(scores.scored) == budget
    assert all(arch == tuple(sorted(arch)) for arch in known)


def test_a_search_ends_when_every_network_was_scored_or_nothing_new_comes():
    networks = [arch for arch in np.ndindex(3, 3, 3, 3) if list(arch) == sorted(arch)]
    assert set(run(EVOLUTION, Scores(), 15, left=networks)) == set(networks)
    journal = InMemory()
    assert len(run(RandomSearch(), Scores(), 500, journal=journal)) == 15  # there are no more
    assert REPEATS <= len(journal.archs) < REPEATS + 300
    again = InMemory(list(journal.archs))
    assert len(run(RandomSearch(), Scores(), 500, journal=again)) == 15
    assert again.archs == journal.archs  # gone on with, it is over as well
    assert list(run(fixed([(0, 0, 0, 0)]), Scores(), 5)) == [(0, 0, 0, 0)]


def test_what_is_no_candidate_costs_nothing_and_is_told_as_a_failure():
    left = [(0, 0, 0, 1), (1, 1, 1, 1)]
    searcher, scores = fixed([(2, 2, 2, 2), (1, 0, 0, 0)]), Scores(sum)
    assert run(searcher, scores, 5, left=left) == {(0, 0, 0, 1): 1.0}
    assert searcher.told[0][0] == (2, 2, 2, 2)
    assert math.isnan(searcher.told[0][1])
    limited = Toy((3, 3, 3, 3), limit=2)
    assert list(run(fixed([(2, 2, 2, 2), (1, 0, 0, 0)]), Scores(sum), 5, space=limited)) == [(1, 0, 0, 0)]
    for wrong in ((0, 0, 0, 3), (0, 0, 0), (0, 0, 0, 0.5)):
        journal = InMemory()
        with pytest.raises((ArchitectureError, SettingError)):
            run(fixed([wrong]), Scores(), 5, journal=journal)
        assert journal.archs in ([], [(0, 0, 0, 0)])


@pytest.mark.parametrize("searcher", [EVOLUTION, RegularizedEvolution(8, 4, batch=3), RandomSearch(batch=5)])
def test_killed_at_any_score_it_goes_on_as_if_nothing_had_happened(searcher):
    whole, journal = Scores(), InMemory()
    expected = run(searcher, whole, 40, space=WIDE, journal=journal)
    for dies_at in range(min(20, len(whole.calls))):
        kept, stored = InMemory(), {}

        def recalled(archs, scores, stored=stored):
            missing = [arch for arch in archs if arch not in stored]
            if missing:
                stored |= zip(missing, scores(missing), strict=True)
            return np.array([stored[arch] for arch in archs])

        first, second = Scores(dies_at=dies_at), Scores()
        with pytest.raises(KeyboardInterrupt):
            run(searcher, lambda archs: recalled(archs, first), 40, space=WIDE, journal=kept)  # noqa: B023
        assert kept.archs == journal.archs[: len(kept.archs)]  # journalled before it is scored
        assert len(kept.archs) > len(first.scored)
        found = run(searcher, lambda archs: recalled(archs, second), 40, space=WIDE, journal=kept)  # noqa: B023
        assert (list(found.items()), kept.archs) == (list(expected.items()), journal.archs)
        assert first.scored + second.scored == whole.scored


def test_a_journal_is_read_and_the_search_asked_only_beyond_its_end():
    codes = [(0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 0, 2), (0, 0, 1, 1)]
    searcher = fixed(*([code] for code in codes))
    assert list(run(searcher, Scores(), 3, journal=InMemory(codes[:3]))) == codes[:3]
    assert searcher.asks == []
    assert list(run(searcher, Scores(), 4, journal=InMemory(codes[:3]))) == codes
    assert searcher.asks == [1]
    assert list(run(searcher, Scores(), 2, journal=InMemory(codes))) == codes[:2]  # of a larger budget
    with pytest.raises(RunFolderError, match="journal in this run folder belongs to another search"):
        run(searcher, Scores(), 4, journal=InMemory([(2, 2, 2, 2)]))


def test_a_larger_budget_goes_on_where_a_smaller_one_ended():
    for searcher in (EVOLUTION, RandomSearch(batch=9)):
        journal = InMemory()
        run(searcher, Scores(), 13, space=WIDE, journal=journal)
        longer = run(searcher, Scores(), 30, space=WIDE, journal=journal)
        assert longer == run(searcher, Scores(), 30, space=WIDE)


def column(estimators, archs):
    return np.array([[estimator(arch) for estimator in estimators] for arch in archs], dtype=float)


def first(arch):
    return arch[0]


def test_a_funnel_may_search_in_its_first_stage_and_in_a_later_one():
    stages = [Stage(first, keep=0.5, search=EVOLUTION, budget=41), Stage(sum, top=2, search=EVOLUTION, budget=9)]
    rounds = dict(run_funnel(stages, None, column, guide=Guide(WIDE)))
    one, two = rounds[stages[0]], rounds[stages[1]]
    assert (len(one.archs), len(one.kept)) == (41, 20)
    assert (len(two.archs), len(two.kept)) == (9, 2)
    survivors = {tuple(one.archs[i].tolist()) for i in one.kept}
    assert {tuple(code) for code in two.archs.tolist()} < survivors
    result = funnel_search(stages, None, column, guide=Guide(WIDE))
    assert sum(result.best) == result.best_score == two.scores.max()
    pool = [arch for arch in np.ndindex(5, 5, 5, 5) if sum(arch) % 2]
    (of_pool,) = funnel_search(stages[:1], pool, column, guide=Guide(WIDE)).rounds
    places = [pool.index(tuple(code)) for code in of_pool.archs.tolist()]
    assert places == sorted(places)  # the order of the pool resolves ties
    assert len(places) == 41


def test_a_search_says_after_every_batch_how_many_of_its_budget_are_scored():
    calls = []
    guide = Guide(WIDE, progress=lambda *call: calls.append(call))
    stage = Stage(first, top=1, search=EVOLUTION, budget=41, label="evolve")
    funnel_search([stage], None, column, guide=guide)
    labels, done, totals = zip(*calls, strict=True)
    assert set(labels) == {"evolve: search"}
    assert list(done) == sorted(done)
    assert len(done) > 3
    assert (done[-1], set(totals)) == (41, {41})


def test_the_progress_of_a_search_ends_even_if_nothing_is_left_to_ask():
    calls = []
    pool = [(0, 0, 0, 1), (0, 0, 0, 2)]
    stages = [Stage(first, top=1, search=fixed(pool), budget=9, label="two")]
    funnel_search(stages, None, column, guide=Guide(WIDE, progress=lambda *call: calls.append(call)))
    assert calls[-1] == ("two: search", 2, 2)


def test_a_search_needs_a_guide_and_all_candidates_a_pool():
    searching = Stage(first, top=1, search=EVOLUTION, budget=9)
    with pytest.raises(SettingError, match="needs a `guide` with the space"):
        funnel_search([searching], None, column)
    with pytest.raises(SettingError, match="scores all candidates, but got no pool"):
        funnel_search([Stage(first, top=1)], None, column, guide=Guide(WIDE))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"search": EVOLUTION}, "both `search` and `budget`, or neither"),
        ({"budget": 9}, "both `search` and `budget`, or neither"),
        ({"search": EVOLUTION, "budget": 5}, "`budget >= population` must hold for a search, but got budget=5, popul"),
        ({"search": EVOLUTION, "budget": 9.5}, "`budget` must be a whole number"),
        ({"search": RandomSearch(), "budget": 0}, "`budget >= 1` must hold"),
        ({"search": "random_search", "budget": 5}, "must be a searcher with a method `begin`, but got 'random_search'"),
    ],
)
def test_wrong_stages_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        Stage(first, top=1, **settings)
