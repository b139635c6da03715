"""Laws of a searcher."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.errors import ArchitectureError
from archsieve.searchers.contract import Candidates
from archsieve.spaces.contract import SearchSpace, check
from archsieve.testing.laws import copy_of, expect, expect_plain_settings, random_states

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from archsieve.searchers.contract import Search, Searcher
    from archsieve.spaces.contract import Architecture

_ALL = 1_000_000
_STOPS = (1, 7, 23)


@dataclass(frozen=True)
class Uneven(SearchSpace):
    """A space without networks: decisions of several sizes, one with a single option, equivalent and invalid codes."""

    name = "uneven"

    @property
    def choices(self) -> tuple[int, ...]:
        """Options of each decision."""
        return 4, 3, 1, 5, 2

    def is_valid(self, arch: Architecture) -> bool:
        """Whether the options sum to at most 8."""
        return sum(arch) <= 8

    def canonical(self, arch: Architecture) -> Architecture:
        """Return the code with last option 0 if the second option is 0."""
        return arch if arch[1] else (*arch[:-1], 0)

    def build(self, arch: Architecture, task: Any) -> nn.Module:
        """Raise an error: no search needs a network.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("a search needs no network")


class SearcherContract:
    """Laws of a searcher. Set `searcher` with settings under which it learns within 40 architectures.

    `space` is one without networks unless you set another. Set `repeats` to False where what it asks for after a kill
    may differ from what it would have asked for without.
    """

    searcher: ClassVar[Searcher]
    space: ClassVar[SearchSpace] = Uneven()
    repeats: ClassVar[bool] = True
    asks: ClassVar[int] = 40

    def test_its_settings_are_plain(self) -> None:
        """It has a fingerprint and hashable settings, and an equal copy requests the same."""
        expect_plain_settings(self.searcher)
        expect(self._asked() == self._asked(searcher=copy_of(self.searcher)), "a copy asks for others")

    def test_it_asks_for_architectures(self) -> None:
        """Requests are architectures of the space, tuples of ints, and no more than allowed."""
        search = self._begin()
        for at_once in (1, 2, 7, _ALL, _ALL):
            archs = search.ask(at_once)
            expect(isinstance(archs, list) and len(archs) <= at_once, f"ask({at_once}) gave {len(archs)}")
            expect(bool(archs), "it ends before it was told anything of use")
            for arch in archs:
                is_plain = isinstance(arch, tuple) and all(type(option) is int for option in arch)
                expect(is_plain, f"it asks for {arch!r}, which is no tuple of ints")
                try:
                    check(self.space, arch)
                except ArchitectureError as error:
                    raise AssertionError(f"it asks for a code that is no architecture: {error}") from error
            search.tell(archs, _scores(archs))

    def test_asking_again_gives_the_same(self) -> None:
        """Until a score is told, requests repeat; ask(0) requests nothing."""
        search = self._begin()
        for _ in range(6):
            first, again, more = search.ask(2), search.ask(2), search.ask(_ALL)
            expect(first == again == more[: len(first)], f"asked again, it asks for {again} after {first}")
            expect(search.ask(0) == [], "ask(0) asks for something")
            search.tell(more, _scores(more))

    def test_how_many_are_asked_for_changes_nothing(self) -> None:
        """The number of workers does not change the sequence: one, three or all at a time are equal."""
        everything = self._asked()
        for at_once in (1, 3):
            expect(self._asked(at_once) == everything, f"ask({at_once}) gives another sequence")

    def test_tells_come_in_any_order(self) -> None:
        """Scores in any order do not change the sequence."""
        for score in (_scores, _ties):
            is_same = self._asked(backwards=True, score=score) == self._asked(score=score)
            expect(is_same, "the order of the tells changes what it asks for")

    def test_equal_generators_ask_for_the_same(self) -> None:
        """All random numbers come from the generator; the caller's generators do not change."""
        before = random_states()
        expect(self._asked() == self._asked(), "equal generators give other sequences")
        expect(before == random_states(), "the caller's generators moved")

    def test_two_searches_know_nothing_of_each_other(self) -> None:
        """A searcher has no state: two concurrent searches request what each requests alone."""
        alone = [_drive(self._begin(seed=seed), self.asks, _ALL, _scores) for seed in (1, 2)]
        searches = [self._begin(seed=seed) for seed in (1, 2)]
        asked: list[list[Architecture]] = [[], []]
        for _ in range(self.asks):
            for search, codes in zip(searches, asked, strict=True):
                archs = search.ask(self.asks - len(codes))
                codes += archs
                search.tell(archs, _scores(archs))
        expect(asked == alone, "two searches at the same time ask for others than each alone")

    def test_any_score_can_be_told(self) -> None:
        """Scores may be NaN, -inf or all equal: the search continues and does not modify its arguments."""
        usual = len(self._asked())
        for score in (np.nan, -np.inf, 0.0):
            try:
                asked = self._asked(score=partial(_equal, score))
            except Exception as error:
                raise AssertionError(f"it fails where every score is {score}: {error!r}") from error
            expect(len(asked) == usual, f"it ends after {len(asked)} where every score is {score}")
        search, told = self._begin(), []
        for _ in range(3):
            archs = search.ask(_ALL)
            told.append(np.linspace(1.0, 2.0, len(archs)))
            search.tell(archs, told[-1])
        is_kept = all(np.array_equal(scores, np.linspace(1.0, 2.0, len(scores))) for scores in told)
        expect(is_kept, "it writes to the scores that it is told")

    def test_several_objectives_can_be_told(self) -> None:
        """A multi-objective searcher accepts rows (n, k), and its requests do not depend on the batch size."""
        if not getattr(self.searcher, "takes_objectives", False):
            return
        asked = [
            _drive(self._begin(candidates=Candidates(self.space, objectives=2)), self.asks, at_once, _rows)
            for at_once in (_ALL, 3)
        ]
        expect(bool(asked[0]) and asked[0] == asked[1], "told several objectives, ask(3) gives another sequence")

    def test_it_goes_on_from_what_it_is_told(self) -> None:
        """After an interruption it is told its earlier requests first, without being asked again."""
        asked = self._asked()
        for done in _STOPS:
            search = self._begin()
            try:
                search.tell(asked[:done], _scores(asked[:done]))
                rest = _drive(search, len(asked) - done, _ALL, _scores)
            except Exception as error:
                raise AssertionError(f"told {done} that it asked for before, it fails: {error!r}") from error
            is_same = rest == asked[done:] if self.repeats else bool(rest)
            expect(is_same, f"told {done} that it asked for before, it goes on with others")

    def test_it_stays_among_the_candidates(self) -> None:
        """In a later stage it requests only survivors, even if there are few."""
        rng = np.random.default_rng(9)
        listed = list(dict.fromkeys(self.space.canonical(self.space.sample(rng)) for _ in range(60)))
        for count in (2, 20):
            candidates = Candidates(self.space, listed[:count])
            strangers = [arch for arch in self._asked(candidates=candidates) if arch not in candidates]
            expect(not strangers, f"it asks for {strangers[:1]}, which is none of the {count} candidates")

    def _begin(
        self, searcher: Searcher | None = None, candidates: Candidates | None = None, *, seed: int = 6
    ) -> Search:
        return (searcher or self.searcher).begin(candidates or Candidates(self.space), np.random.default_rng(seed))

    def _asked(
        self,
        at_once: int = _ALL,
        *,
        backwards: bool = False,
        searcher: Searcher | None = None,
        candidates: Candidates | None = None,
        score: Callable[[Sequence[Architecture]], Any] | None = None,
    ) -> list[Architecture]:
        """Return the requests of a search, up to `asks`."""
        search = self._begin(searcher, candidates)
        return _drive(search, self.asks, at_once, score or _scores, -1 if backwards else 1)


def _ties(archs: Sequence[Architecture]) -> Any:
    """Return scores of two values."""
    return np.array([float(sum(a) > 3) for a in archs])


def _equal(score: float, archs: Sequence[Architecture]) -> Any:
    return np.full(len(archs), score)


def _drive(
    search: Search, count: int, at_once: int, score: Callable[[Sequence[Architecture]], Any], order: int = 1
) -> list[Architecture]:
    asked: list[Architecture] = []
    while len(asked) < count and (archs := search.ask(min(at_once, count - len(asked)))):
        asked += archs
        search.tell(archs[::order], score(archs[::order]))
    return asked


def _rows(archs: Sequence[Architecture]) -> Any:
    """Return two scores per architecture, some NaN."""
    return np.stack([_scores(archs), [-float(sum(arch)) for arch in archs]], axis=1)


def _scores(archs: Sequence[Architecture]) -> Any:
    """Return scores with ties and some NaN."""
    return np.array([np.nan if sum(a) % 7 == 3 else float((7 * a[0] + 3 * a[-1] + sum(a)) % 11) for a in archs])
