"""Keys of scores: what a stored score depends on besides the architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsieve.estimators.contract import Fittable, Resumable
from archsieve.fingerprints import fingerprint
from archsieve.runs.arithmetic import Arithmetic, place_of
from archsieve.runs.store import Key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.runs.recorded_scores import RecordedScores
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
        """Return the key of an estimator's scores; `pool` is what it may learn from."""
        space, task = self.prints
        if table := self.recorded.other(estimator):
            task = fingerprint(table.card.task)  # scores made on other pictures keep the key of those pictures
        return Key(space, task, fingerprint(self._learner(estimator, pool), *self._where(estimator)), self.seed)

    def folder_name(self, estimator: AnyEstimator, pool: Sequence[Architecture]) -> str:
        """Return the name of an estimator's own folder, which all estimators of a lineage share."""
        owner = estimator.lineage if isinstance(estimator, Resumable) else estimator
        return fingerprint(*self.prints, self._learner(owner, pool), self.seed, *self._where(owner))

    def code(self, estimator: AnyEstimator, arch: Architecture) -> Architecture:
        """Return the code by which a score is stored: the canonical one, unless the estimator tells codes apart."""
        return arch if tells_codes_apart(estimator) else self.space.canonical(arch)

    def _where(self, estimator: AnyEstimator) -> list[dict[str, Any]]:
        place = place_of(estimator, self.device, self.arithmetic, self.recorded.hashes)
        taught = self.recorded.prints_behind(estimator)
        return [*place, {"taught_on": taught}] if taught else place

    def _learner(self, estimator: AnyEstimator, pool: Sequence[Architecture]) -> Any:
        """Return the estimator, with the pool if the estimator learns from it."""
        depends = isinstance(estimator, Fittable) and estimator.learns_from_pool
        return [estimator, sorted({self.code(estimator, arch) for arch in pool})] if depends else estimator


def tells_codes_apart(estimator: Any) -> bool:
    """Whether the scores of an estimator are of raw codes rather than of networks."""
    return bool(getattr(estimator, "by_code", False))
