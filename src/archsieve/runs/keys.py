"""Keys of scores: everything a stored score depends on besides the architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsieve.estimators.contract import Fittable, Resumable
from archsieve.fingerprints import fingerprint, identity
from archsieve.runs.arithmetic import Arithmetic, place_of
from archsieve.runs.store import Key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.runs.recorded_scores import RecordedScores
    from archsieve.runs.score_tables import ScoreTable
    from archsieve.spaces.contract import Architecture, SearchSpace


@dataclass(frozen=True)
class Keys:
    """The keys under which a session stores scores.

    Args:
        space: of the session.
        prints: fingerprints of space and task in the session's folder.
        seed: of the session.
        device: where scores are computed.
        arithmetic: settings of an accelerator.
        recorded: the score tables that the session looks up.
    """

    space: SearchSpace
    prints: tuple[str, str]
    seed: int
    device: str
    arithmetic: Arithmetic
    recorded: RecordedScores

    def key(self, estimator: AnyEstimator, pool: Sequence[Architecture]) -> Key:
        """Return the key of an estimator's scores; `pool` is the pool it may learn from."""
        space, task = self.prints
        settings = identity(estimator)
        table = self.recorded.other(settings)
        if table is not None:
            task = fingerprint(table.card.task)  # scores made on other pictures keep the key of those pictures
        learner = self._learner(estimator, settings, pool)
        return Key(space, task, fingerprint(learner, *self._where(estimator, table)), self.seed)

    def folder_name(self, estimator: AnyEstimator, pool: Sequence[Architecture]) -> str:
        """Return the name of an estimator's work folder, shared by all estimators of a lineage."""
        owner = estimator.lineage if isinstance(estimator, Resumable) else estimator
        settings = identity(owner)
        place = self._where(owner, self.recorded.other(settings))
        return fingerprint(*self.prints, self._learner(owner, settings, pool), self.seed, *place)

    def code(self, estimator: AnyEstimator, arch: Architecture) -> Architecture:
        """Return the code that a score is stored by: the canonical one, unless scores are of raw codes."""
        return arch if tells_codes_apart(estimator) else self.space.canonical(arch)

    def _where(self, estimator: AnyEstimator, table: ScoreTable | None) -> list[dict[str, Any]]:
        """Return what scores depend on besides settings; `table` is a score table made on other pictures, if used."""
        place = place_of(estimator, self.device, self.arithmetic, self.recorded.hashes)
        taught = [] if table is not None else self.recorded.prints_behind(estimator)
        return [*place, {"taught_on": taught}] if taught else place

    def _learner(self, estimator: AnyEstimator, settings: Any, pool: Sequence[Architecture]) -> Any:
        """Return the estimator's settings, with the pool if it learns from the pool."""
        depends = isinstance(estimator, Fittable) and estimator.learns_from_pool
        return [settings, sorted({self.code(estimator, arch) for arch in pool})] if depends else settings


def tells_codes_apart(estimator: Any) -> bool:
    """Whether an estimator's scores belong to raw codes rather than to networks."""
    return bool(getattr(estimator, "by_code", False))
