"""The laws of a searcher catch searchers whose runs could not be repeated, and pass one that is right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from archsieve.testing import SearcherContract

from .broken import broken_laws, laws_of


class Climb:
    """Tries neighbours of the best it has met, four at a time."""

    def __init__(self, candidates, rng):
        self.candidates, self.rng = candidates, rng
        self.best, self.best_score = None, -np.inf
        self.batch, self.scores = [candidates.sample(rng)], [None]

    def ask(self, n):
        return [arch for arch, score in zip(self.batch, self.scores, strict=True) if score is None][:n]

    def tell(self, archs, scores):
        for arch, score in zip(archs, scores, strict=True):
            places = [
                i for i, (a, s) in enumerate(zip(self.batch, self.scores, strict=True)) if a == arch and s is None
            ]
            self.scores[places[0]] = float(score)
            if None not in self.scores:
                self.move()

    def move(self):
        for arch, score in zip(self.batch, self.scores, strict=True):
            if self.best is None or score > self.best_score:
                self.best, self.best_score = arch, -np.inf if np.isnan(score) else score
        self.batch = [self.propose() for _ in range(4)]
        self.scores = [None] * len(self.batch)

    def propose(self):
        return self.candidates.mutate(self.best, self.rng)


@dataclass(frozen=True)
class Climber:
    """Begins searches of a kind."""

    kind: type = field(default=Climb, metadata={"added": True})
    version = 1

    def begin(self, candidates, rng):
        return self.kind(candidates, rng)

    def identity(self):
        return {"kind": self.kind.__name__}


class AsksForAll(Climb):
    """Does not look at how many it may ask for."""

    def ask(self, n):
        return super().ask(10) if n else []


class AsksForLists(Climb):
    def ask(self, n):
        return [list(arch) for arch in super().ask(n)]

    def tell(self, archs, scores):
        super().tell([tuple(arch) for arch in archs], scores)


class LeavesTheSpace(Climb):
    """Changes a decision without a look at what is valid."""

    def propose(self):
        place = int(self.rng.integers(5))
        return (*self.best[:place], 3, *self.best[place + 1 :])


class LeavesTheCandidates(Climb):
    """Asks the space for neighbours, and not the candidates."""

    def propose(self):
        return self.candidates.space.mutate(self.best, self.rng)


class DrawsWhenAsked(Climb):
    """Makes a new batch whenever it is asked."""

    def ask(self, n):
        if self.best is not None:
            self.batch = [self.propose() for _ in self.batch]
        return super().ask(n)


class BatchOfTheCaller(Climb):
    """Proposes as many as it is asked for."""

    def ask(self, n):
        if self.best is not None and len(self.scores) == self.scores.count(None):
            self.batch = self.batch[:n] if n else self.batch
            self.scores = [None] * len(self.batch)
        return super().ask(n)


class RowsOfTheCaller(BatchOfTheCaller):
    """Takes rows of several objectives, as many as it is asked for."""

    def tell(self, archs, scores):
        super().tell(archs, [np.ravel(row)[0] for row in scores])


@dataclass(frozen=True)
class TakesRows(Climber):
    takes_objectives: ClassVar[bool] = True


class LastOfTheBest(Climb):
    """Of equal scores, takes the one that was told last."""

    def tell(self, archs, scores):
        for arch, score in zip(archs, scores, strict=True):
            if score >= self.best_score:
                self.best, self.best_score = arch, score
            super().tell([arch], [score])


class DrawsByItself(Climb):
    def propose(self):
        return self.candidates.mutate(self.best, np.random.default_rng(np.random.randint(2**31)))  # noqa: NPY002


class StopsAtNaN(Climb):
    """Goes on only if there is a score."""

    def move(self):
        super().move()
        if self.best_score == -np.inf:
            raise ValueError("no score is a number")


class EndsAtNaN(Climb):
    """Is over before it begins, where nothing can be scored."""

    def ask(self, n):
        return super().ask(n) if self.best_score > -np.inf or self.best is None else []


class ClearsScores(Climb):
    def tell(self, archs, scores):
        super().tell(archs, scores)
        scores[:] = 0


class KnowsWhatItAsked(Climb):
    """Takes scores only of what it was asked for in this process."""

    def __init__(self, candidates, rng):
        super().__init__(candidates, rng)
        self.asked = set()

    def ask(self, n):
        archs = super().ask(n)
        self.asked.update(archs)
        return archs

    def tell(self, archs, scores):
        if not self.asked.issuperset(archs):
            raise KeyError("never asked for")
        super().tell(archs, scores)


class RemembersOthers(Climb):
    """Two searches share what they learn."""

    met: dict = {}  # noqa: RUF012

    def move(self):
        super().move()
        self.met[id(self)] = (self.best_score, self.best)
        if len(self.met) > 1:
            self.best = max(self.met.values())[1]


@dataclass
class Unfrozen:
    kind: type = Climb
    begin, identity = Climber.begin, Climber.identity


WRONG = [
    (Unfrozen(), "test_its_settings_are_plain"),
    (AsksForAll, "test_it_asks_for_architectures"),
    (AsksForLists, "test_it_asks_for_architectures"),
    (LeavesTheSpace, "test_it_asks_for_architectures"),
    (EndsAtNaN, "test_any_score_can_be_told"),
    (DrawsWhenAsked, "test_asking_again_gives_the_same"),
    (BatchOfTheCaller, "test_how_many_are_asked_for_changes_nothing"),
    (TakesRows(RowsOfTheCaller), "test_several_objectives_can_be_told"),
    (LastOfTheBest, "test_tells_come_in_any_order"),
    (DrawsByItself, "test_equal_generators_ask_for_the_same"),
    (RemembersOthers, "test_two_searches_know_nothing_of_each_other"),
    (StopsAtNaN, "test_any_score_can_be_told"),
    (ClearsScores, "test_any_score_can_be_told"),
    (KnowsWhatItAsked, "test_it_goes_on_from_what_it_is_told"),
    (LeavesTheCandidates, "test_it_stays_among_the_candidates"),
]
NAMES = [f"{getattr(wrong, '__name__', type(wrong).__name__)}-{law}" for wrong, law in WRONG]


@pytest.mark.parametrize(("wrong", "law"), WRONG, ids=NAMES)
def test_a_wrong_searcher_is_caught(wrong, law, tmp_path):
    RemembersOthers.met.clear()
    searcher = Climber(wrong) if isinstance(wrong, type) else wrong
    assert broken_laws(SearcherContract, tmp_path, [law], searcher=searcher) == [law]


def test_every_law_catches_something():
    assert {law for _, law in WRONG} == set(laws_of(SearcherContract))


def test_a_right_searcher_passes(tmp_path):
    assert broken_laws(SearcherContract, tmp_path, searcher=Climber()) == []
