"""Optuna's samplers as searchers: every decision is a categorical parameter of an ask-and-tell study.

TPE and GP learn a model, whose next proposal may differ on another processor. What they asked for before a kill is
therefore never asked again: it is added to the study as it was. Their random numbers depend on the seed and on the
place of a proposal, and not on how often the process was started. NSGA-II only draws. NSGA-II and TPE take several
objectives.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from archsieve.errors import SettingError, require
from archsieve.searchers.batches import Batches
from archsieve.searchers.modelled import Modelled
from archsieve.values import check_whole

if TYPE_CHECKING:
    from archsieve.searchers.batches import Steps
    from archsieve.searchers.contract import Candidates, Search
    from archsieve.spaces.contract import Architecture

_ATTEMPTS = 20  # proposals that are no candidates, before one is drawn at random instead
_SAMPLERS = {"tpe": "TPESampler", "gp": "GPSampler", "nsga2": "NSGAIISampler"}


@dataclass(frozen=True)
class OptunaSearcher:
    """Requests a random first population, then the proposals of one of Optuna's samplers.

    Args:
        sampler: "tpe" (tree-structured Parzen estimators), "gp" (a Gaussian process; needs torch), or "nsga2".
        population: for "tpe" and "gp" how many are drawn at random first; for "nsga2" its population.
        batch: how many are proposed at a time afterwards, each without the scores of the others.
    """

    sampler: Literal["tpe", "gp", "nsga2"] = "tpe"
    population: int = 10
    batch: int = 1
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the settings, and that the packages are installed."""
        if self.sampler not in _SAMPLERS:
            raise SettingError(f"`sampler` must be one of {', '.join(_SAMPLERS)}, but got {self.sampler!r}.")
        check_whole("population", self.population, 2)
        check_whole("batch", self.batch, 1)
        require("optuna", "optuna")
        if self.sampler == "gp":
            require("torch", "torch")

    @property
    def name(self) -> str:
        """The catalogue's name with the sampler."""
        return f"optuna[{self.sampler}]"

    @property
    def takes_objectives(self) -> bool:
        """Whether the sampler supports several objectives."""
        return self.sampler != "gp"

    def begin(self, candidates: Candidates, rng: np.random.Generator) -> Search:
        """Return a new search."""
        seed = int(rng.integers(2**31))
        if self.sampler == "nsga2":
            return Batches(_evolve(self, candidates, seed))
        return Modelled(self.population, self.batch, _Proposals(self, candidates, seed))


class _Study:
    """An Optuna study over the decisions with more than one option."""

    def __init__(self, candidates: Candidates) -> None:
        import optuna

        choices = candidates.space.choices
        self._length = len(choices)
        self._decisions: dict[str, Any] = {
            str(i): optuna.distributions.CategoricalDistribution(tuple(range(n)))
            for i, n in enumerate(choices)
            if n > 1
        }
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it announces every study
        try:
            self.study = optuna.create_study(directions=["maximize"] * candidates.objectives)
        finally:
            optuna.logging.set_verbosity(before)

    def use(self, kind: str, seed: int, **settings: Any) -> None:
        """Use a new sampler for later proposals."""
        import optuna

        sampler = getattr(optuna.samplers, _SAMPLERS[kind], None)
        if sampler is None:
            raise SettingError(f"Optuna {optuna.__version__} has no {_SAMPLERS[kind]}: install a later version.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.sampler = sampler(seed=seed, **settings)

    def ask(self) -> tuple[Any, Architecture]:
        """Return a trial and its architecture."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on settings that are not the user's
            trial = self.study.ask(self._decisions)
        return trial, tuple(int(trial.params.get(str(i), 0)) for i in range(self._length))

    def enqueue(self, arch: Architecture) -> None:
        """Make this architecture the next proposal."""
        self.study.enqueue_trial(self._params(arch))

    def tell(self, trial: Any, score: Any) -> None:
        """Record the score of a trial, or the scores of several objectives; NaN: it failed."""
        import optuna

        if _failed(score):
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, score)

    def add(self, arch: Architecture, score: Any) -> None:
        """Add an architecture with its score or scores, unless one is NaN."""
        import optuna

        if not _failed(score):
            values = list(score) if isinstance(score, tuple) else [score]
            trial = optuna.trial.create_trial(params=self._params(arch), distributions=self._decisions, values=values)
            self.study.add_trial(trial)

    def _params(self, arch: Architecture) -> dict[str, int]:
        return {name: arch[int(name)] for name in self._decisions}


def _failed(score: Any) -> bool:
    return any(map(math.isnan, score if isinstance(score, tuple) else (score,)))


def _evolve(settings: OptunaSearcher, candidates: Candidates, seed: int) -> Steps:
    """Yield the batches of NSGA-II."""
    study, rng = _Study(candidates), np.random.default_rng(seed)
    study.use("nsga2", seed, population_size=settings.population)
    count = settings.population
    while True:
        trials = [_candidate(study, candidates, rng) for _ in range(count)]
        scores = yield [arch for _, arch in trials]
        for (trial, _), score in zip(trials, scores, strict=True):
            study.tell(trial, score)
        count = settings.batch


def _candidate(study: _Study, candidates: Candidates, rng: np.random.Generator) -> tuple[Any, Architecture]:
    """Return a trial whose architecture is a candidate; others are redrawn."""
    for _ in range(_ATTEMPTS):
        trial, arch = study.ask()
        if candidates.space.is_valid(arch) and arch in candidates:
            return trial, arch
        study.tell(trial, math.nan)
    study.enqueue(candidates.sample(rng))
    return study.ask()


class _Proposals:
    """Proposals by a model; each depends on the seed, its position, and the scores of earlier batches."""

    def __init__(self, settings: OptunaSearcher, candidates: Candidates, seed: int) -> None:
        self._settings, self._candidates, self._seed = settings, candidates, seed
        self._study = _Study(candidates)
        self._learnt = 0

    def __call__(self, archs: list[Architecture], scores: list[Any], count: int) -> list[Architecture]:
        """Learn from the complete batches, and propose the missing part of the next one."""
        for told in range(self._learnt, len(scores)):
            self._study.add(archs[told], scores[told])
        self._learnt = len(scores)
        return [self._proposal(place) for place in range(len(archs), len(archs) + count)]

    def _proposal(self, place: int) -> Architecture:
        rng = np.random.default_rng([self._seed, place])
        own = {"constant_liar": False} if self._settings.sampler == "tpe" else {}
        self._study.use(
            self._settings.sampler, int(rng.integers(2**31)), n_startup_trials=self._settings.population, **own
        )
        trial, arch = _candidate(self._study, self._candidates, rng)
        self._study.tell(trial, math.nan)  # its score comes later, as a trial of its own
        return arch
