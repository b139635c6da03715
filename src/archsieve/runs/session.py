"""The session: binds space, task, seed and executor to one folder, and is the only access to scores.

How scores come about is told in `archsieve.runs.scoring`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archsieve._files import remove_leftovers
from archsieve.errors import EstimatorError, RunFolderError, SettingError, require
from archsieve.estimators.contract import (
    Composite,
    Resumable,
    check_estimator,
    check_estimators,
    leaves_of,
    refuse_relative,
    scores_metric,
)
from archsieve.fingerprints import fingerprint
from archsieve.runs.arithmetic import CPU, EXACT, Arithmetic, kind_of
from archsieve.runs.computing import Computing
from archsieve.runs.executors import Serial
from archsieve.runs.folder import RESULTS_FILE, claim, lock
from archsieve.runs.journal import Journal
from archsieve.runs.keys import Keys
from archsieve.runs.presence import Presence
from archsieve.runs.recorded_scores import RecordedScores, sentences
from archsieve.runs.score_tables import shipped
from archsieve.runs.scoring import Scoring
from archsieve.runs.scratch import Scratch
from archsieve.runs.store import Row, Store
from archsieve.searchers.contract import compared_by
from archsieve.searchers.guided import Guide
from archsieve.spaces.contract import check, check_space
from archsieve.spaces.sampling import draw_pool
from archsieve.tasks.contract import Measure, check_task, measure_of
from archsieve.values import check_list, check_number, check_whole, offers, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Context, Scores
    from archsieve.runs.executors import Executor
    from archsieve.runs.score_tables import ScoreTable
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


class Session:
    """An open run folder.

    Use it as a context manager; while it is open no other driver can open the folder.

    Args:
        folder: created if missing. Holds `results.sqlite`, `run.json` and `artifacts/`; the last may be deleted.
        space: the space searched.
        task: what networks are for.
        seed: of all random numbers.
        executor: where scores are computed; this process unless given.
        device: "cpu", "cuda", "mps". Scores of another kind of device than the CPU have keys of their own.
        plugins: modules that workers import first, for what they register.
        progress: called with (label, done, total) as work goes on.
        notify: called with sentences when proxies are to score many networks: first the number, and why the scores are
            not looked up; then the expected time.
        tables: score tables to look scores up in. The default is the package's tables on the CPU, and none on another
            device, because they were computed on a CPU. Scores made on another copy of the task's pictures are stored
            as such; see `pictures`.
        tensorboard: keep the losses of everything trained in `tensorboard/`.
        arithmetic: how an accelerator computes, in this process and in workers; the caller's settings are put back.
        retry_failed: forget which scores of the folder could not be computed, so that they are tried again; what the
            machine may be to blame for, as a lack of memory, always is.
        durable: bring every score to the disk before going on; else a power cut may lose those of the last seconds
            (`archsieve.runs.durability`).
        repair: leave damaged rows of the results file out, so that they are computed again; `notify` is told of them.
        scratch: the folder goes when the session ends: scores stay in memory instead of `results.sqlite`.

    Raises:
        RunFolderError: the folder belongs to another space or task, is in use, or its results are damaged.
        SettingError: space or task is a name or a class, the seed is no whole number or out of range, or the device is
            not there.
        MissingPackageError: tensorboard is asked for and not installed.
    """

    def __init__(
        self,
        folder: str | Path,
        space: SearchSpace,
        task: Task,
        *,
        seed: int = 0,
        executor: Executor | None = None,
        device: str = "cpu",
        plugins: Sequence[str] = (),
        progress: Callable[[str, int, int], None] | None = None,
        notify: Callable[[str], None] | None = None,
        tables: Sequence[ScoreTable] | None = None,
        tensorboard: bool = False,
        arithmetic: Arithmetic = EXACT,
        retry_failed: bool = False,
        durable: bool = False,
        repair: bool = False,
        scratch: bool = False,
    ) -> None:
        _check_kinds(folder, space, task, executor)
        check_list("`plugins`", plugins, "modules")
        check_list("`tables`", () if tables is None else tables, "score tables")
        check_whole("seed", seed)
        if not 0 <= seed < 2**63:
            raise SettingError(f"`0 <= seed < 2**63` must hold, but got seed={seed}.")
        if tensorboard:
            require("tensorboard", "tensorboard")
        if device != "cpu":
            if not isinstance(device, str):
                raise wrong_kind("`device`", "a text such as 'cpu' or 'cuda'", device)
            from archsieve.networks.building import check_device

            check_device(device)
        self.folder, self._is_closed = Path(folder), False
        self.space, self.task, self.seed, self.device = space, task, int(seed), device
        self.executor: Executor = executor or Serial()
        self._progress = progress or (lambda label, done, total: None)
        offered = tuple(tables if tables is not None else shipped() if kind_of(device) == CPU else ())
        self._recorded = RecordedScores.of(offered, space, task, seed)
        computing = Computing(self.executor, tuple(plugins), arithmetic, offered, self._progress, notify)
        self._lock = lock(self.folder)
        self._presence = Presence(self.folder)
        try:
            remove_leftovers(self.folder)
            self._prints = claim(self.folder, space, task)
            self._keys = Keys(space, self._prints, self.seed, device, arithmetic, self._recorded)
            self._store = Scratch() if scratch else Store(self.folder / RESULTS_FILE, durable=durable, repair=repair)
            if notify is not None:
                for sentence in self._store.repaired:
                    notify(sentence)
            self._store.before_writing = self._presence.check
            self._store.refuse_damaged_rows()
            self._store.forget_failures(of_machine=not retry_failed)
        except BaseException:
            self._lock.close()
            raise
        self._scoring = Scoring(self.folder, task, self._keys, self._store, computing, tensorboard=tensorboard)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close and unlock the folder."""
        self._is_closed = True
        self._store.close()
        self._lock.close()

    def check_folder(self) -> None:
        """Check that the folder is still where it was opened.

        Raises:
            RunFolderError: it was moved, renamed or deleted.
        """
        self._presence.check()

    def guide(self) -> Guide:
        """Return what a funnel's searches need: their requests are journalled in the folder."""
        return Guide(self.space, self.seed, self._journal, self._stored, progress=self._progress)

    def _stored(self, estimator: AnyEstimator) -> dict[Architecture, float]:
        """Return an estimator's stored scores by canonical code; empty for a composite."""
        if isinstance(estimator, Composite):
            return {}
        scores = self._store.all_of(self._keys.key(estimator, ()))
        return {arch: score for arch, score in scores.items() if self.space.canonical(arch) == arch}

    def _journal(self, name: str, estimators: Sequence[AnyEstimator]) -> Journal:
        """Return the journal of a search; it differs where score keys differ, e.g. on another device."""
        keys = [self._keys.key(leaf, ()) for estimator in estimators for leaf in leaves_of(estimator)]
        return Journal(self._store, fingerprint(name, [[key.task, key.estimator] for key in keys]))

    def pool(self, sample: int | None = None) -> list[Architecture]:
        """Return all distinct networks of the space by canonical code, or `sample` of them, shuffled by the seed.

        The order is the tie-break of every later cut.

        Raises:
            SettingError: the space is too large to list, or holds fewer than `sample` networks.
        """
        return draw_pool(self.space, self.seed, sample, self._progress)

    def scores(self, estimators: Sequence[AnyEstimator], archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the scores, shape (n, k), higher is better; NaN for architectures that could not be scored.

        Scores in the store or in a table are not computed again. The others are grouped into passes, computed on the
        executor (after learning where needed) and stored chunk by chunk. `failures` says why a score is NaN.

        Raises:
            ArchitectureError: a code is not an architecture of the space.
            SettingError: `estimators` is one estimator or a name, or a searcher that compares scores of several calls
                asks for some that are relative to the call.
            EstimatorError: an estimator failed for a reason that no architecture is to blame for; what was scored
                before is stored.
            RunFolderError: the session is closed.
        """
        if self._is_closed:
            raise RunFolderError(
                f"The session of the folder {self.folder} is closed: ask for scores inside of `with Session(...)`."
            )
        self.check_folder()
        check_estimators(estimators)
        if searcher := compared_by():
            for estimator in estimators:
                refuse_relative(estimator, searcher)
        check_list("`archs`", archs, "architectures", "read one with `space.parse`, and give a list of them")
        archs = [check(self.space, arch) for arch in archs]
        if not archs or not estimators:
            return np.empty((len(archs), len(estimators)))
        return self._scoring.scores(estimators, archs)

    def tell(self, estimator: AnyEstimator, arch: Architecture, score: float, error: str | None = None) -> None:
        """Store a score computed elsewhere, or NaN with the reason; a repeated call must give the same score.

        Higher is better, whatever the direction of the metric is.

        Raises:
            ArchitectureError: the code is not an architecture of the space.
            SettingError: another score is stored.
        """
        check_estimator(estimator)
        check_number("score", score)
        key, code = self._keys.key(estimator, ()), self._keys.code(estimator, check(self.space, arch))
        stored = self._store.get(key, [code])
        if code not in stored:
            self._store.put([Row(key, code, estimator.name, score, 0.0, 0, error)])
        elif stored[code] != score and not (math.isnan(stored[code]) and math.isnan(score)):
            measure = measure_of(self.task) if scores_metric(estimator) else Measure()
            told = self._store.errors(key, [code]).get(code, measure.value(stored[code]))
            raise SettingError(
                f"The architecture {self.space.describe(code)} already has a stored result: {told}. Stored scores do "
                f"not change."
            )

    def work_seconds(self) -> float:
        """Return the worker seconds behind all requested scores, including earlier ones and fitting.

        Asked for since the session was opened, or since `count_anew`.
        """
        return self._scoring.seconds()

    def count_anew(self) -> None:
        """Reset `work_seconds`: exclude everything requested so far."""
        self._scoring.count_anew()

    def context(self, estimator: AnyEstimator, pool: Sequence[Architecture] = ()) -> Context:
        """Return the context of an estimator with its own folder; `pool` is the pool it may learn from."""
        return self._scoring.context(estimator, pool)

    def failures(self, estimator: AnyEstimator, archs: Sequence[Architecture]) -> dict[Architecture, str]:
        """Return by code the reasons why it could not be scored.

        For a composite, these are the codes that a part could not score, with the part's name before its reason; the
        composite itself may have a score. For an estimator that learns from a pool, these are the failures after it
        learnt from `archs`, or from any other pool since the folder was opened.
        """
        check_estimator(estimator)
        if isinstance(estimator, Composite):
            by_part = [(part.name, self.failures(part, archs)) for part in estimator.parts]
            return {
                arch: "; ".join(f"{name}: {failed[arch]}" for name, failed in by_part if arch in failed)
                for arch in archs
                if any(arch in failed for _, failed in by_part)
            }
        return self._scoring.failures(estimator, archs)

    def require_scores(self, estimator: AnyEstimator, archs: Sequence[Architecture], column: Scores) -> None:
        """Raise an error if a column has no score: failing on every architecture means a mistake in the estimator.

        Raises:
            EstimatorError: there is none.
        """
        if len(column) and np.isnan(column).all():
            raise EstimatorError(self.explain(estimator, archs), self.tracebacks)

    def explain(self, estimator: AnyEstimator, archs: Sequence[Architecture]) -> str:
        """Return the sentence on an estimator that could score none of these codes, with the reason."""
        reason = next(iter(self.failures(estimator, archs).values()), "").rstrip(".")
        why = f"; the first reason: {reason}" if reason else ""
        return f"The estimator {estimator.name!r} could score none of {len(archs)} architectures{why}."

    def pictures(self, estimator: AnyEstimator | None = None) -> tuple[str, ...]:
        """Return sentences on scores made on other pictures than the session's task; empty if there are none.

        Of one estimator, with its parts and teachers, or of all whose scores were asked for since the folder was
        opened.
        """
        sources = self._scoring.elsewhere if estimator is None else self._recorded.others_behind(estimator)
        return sentences(sources.values())

    @property
    def tracebacks(self) -> str:
        """The first unforeseen error of each kind that cost a score since the folder was opened."""
        return self._scoring.tracebacks

    def forget(self, estimator: AnyEstimator, archs: Sequence[Architecture]) -> None:
        """Delete the saved states of an estimator, or of its parts, for these codes; their scores are kept."""
        for leaf in leaves_of(estimator):
            if isinstance(leaf, Resumable):
                leaf.forget([self._keys.code(leaf, arch) for arch in archs], self.context(leaf))


def _check_kinds(folder: object, space: object, task: object, executor: object) -> None:
    """Check that the arguments are a path, a space and a task, in this order, and an optional executor."""
    if not isinstance(folder, str | Path):
        raise wrong_kind("`folder`", "a path", folder, "write Session(folder, space, task)")
    check_space(space)
    check_task(task)
    if executor is not None and not offers(executor, "map"):
        raise wrong_kind("`executor`", "an executor", executor)
