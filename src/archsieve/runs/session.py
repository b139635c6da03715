"""A session binds space, task, seed and executor to one folder: the only state, and the only door to scores.

This module is long because known scores, requests and failures are the state of one object.
"""

from __future__ import annotations

import math
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import ArchsieveError, EstimatorError, ScoringError, SettingError, describe_error, require
from archsieve.estimators.contract import Composite, Context, Fittable, Resumable, leaves_of, refuse_relative
from archsieve.fingerprints import fingerprint
from archsieve.runs.announcements import Trial, announcement, is_announced
from archsieve.runs.arithmetic import CPU, EXACT, Arithmetic, kind_of
from archsieve.runs.chunks import ChunkScores, chunks_of, passes, score_chunk, shares_work, shortened
from archsieve.runs.composites import Combining
from archsieve.runs.executors import Serial, single_thread
from archsieve.runs.folder import ERROR_FILE, RESULTS_FILE, claim, lock
from archsieve.runs.keys import Keys
from archsieve.runs.recorded_scores import RecordedScores, sentences
from archsieve.runs.score_tables import shipped
from archsieve.runs.store import Key, Row, Store
from archsieve.searchers.contract import compared_by
from archsieve.spaces.contract import check
from archsieve.spaces.sampling import draw_pool, draw_up_to
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from archsieve.estimators.contract import Scores
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
        retry_failed: forget which scores of the folder could not be computed, so that they are tried again.

    Raises:
        RunFolderError: the folder belongs to another space or task, is in use, or its results are damaged.
        SettingError: the seed is no whole number or out of range, or the device is not there.
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
    ) -> None:
        check_whole("seed", seed)
        if not 0 <= seed < 2**63:
            raise SettingError(f"`0 <= seed < 2**63` must hold, but got seed={seed}.")
        if tensorboard:
            require("tensorboard", "tensorboard")
        if device != "cpu":
            from archsieve.networks.building import check_device

            check_device(device)
        self.folder = Path(folder)
        self.space, self.task, self.seed = space, task, int(seed)
        self.executor: Executor = executor or Serial()
        self.device, self._plugins = device, tuple(plugins)
        self._progress = progress or (lambda label, done, total: None)
        self._notify = notify
        self._tensorboard = tensorboard
        self._arithmetic = arithmetic
        offered = tables if tables is not None else shipped() if kind_of(device) == CPU else ()
        self._offered = tuple(offered)
        self._recorded = RecordedScores.of(offered, space, task, seed)
        self._elsewhere: dict[str, tuple[Any, ScoreTable]] = {}  # used, and made on other pictures
        self._asked: dict[Key, set[Architecture]] = {}
        self._known: dict[Key, dict[Architecture, float]] | None = None  # set only while `scores` runs
        self._keys_used: dict[str, dict[Key, None]] = {}  # by estimator
        self._samples: dict[int, list[Architecture]] = {}
        self._tracebacks: dict[str, str] = {}
        self._lock = lock(self.folder)
        try:
            self._prints = claim(self.folder, space, task)
            self._keys = Keys(space, self._prints, self.seed, device, arithmetic, self._recorded)
            self._store = Store(self.folder / RESULTS_FILE)
            if retry_failed:
                self._store.forget_failures()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder for this driver."""
        self._store.close()
        self._lock.close()

    def pool(self, sample: int | None = None) -> list[Architecture]:
        """Return all distinct networks of the space by canonical code, or `sample` of them, shuffled by the seed.

        The order is the tie-break of every later cut.

        Raises:
            SettingError: the space is too large to list, or holds fewer than `sample` networks.
        """
        return draw_pool(self.space, self.seed, sample, self._progress)

    def scores(self, estimators: Sequence[Any], archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the scores, shape (n, k), higher is better; NaN where an architecture could not be scored.

        Scores in the store or in a table are not computed again. The others are grouped into passes, computed on the
        executor (after learning where needed) and stored chunk by chunk. `failures` says why a score is NaN.

        Raises:
            ArchitectureError: a code is no architecture of the space.
            SettingError: a searcher that compares scores of several calls asks for some that are relative to the call.
            EstimatorError: an estimator failed for a reason that no architecture is to blame for; what was scored
                before is stored.
        """
        if searcher := compared_by():
            for estimator in estimators:
                refuse_relative(estimator, searcher)
        archs = [check(self.space, arch) for arch in archs]
        if not archs or not estimators:
            return np.empty((len(archs), len(estimators)))
        return self._scores(estimators, archs)

    def _scores(self, estimators: Sequence[Any], archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the scores, shape (n, k); nested calls share one view of the known scores.

        An estimator that learns calls this again while the outer call waits. If each call had its own view, both would
        compute the same scores.
        """
        is_outermost = self._known is None
        if self._known is None:
            self._known = {}
        try:
            combining = Combining(archs, self._sample, partial(self._known_scores, archs))
            self._make_known([pair for e in estimators for pair in combining.needed(e)], archs)
            return np.stack([combining.column(e) for e in estimators], axis=1)
        finally:
            if is_outermost:
                self._known = None

    def _known_scores(self, pool: Sequence[Architecture], leaf: Any, archs: Sequence[Architecture]) -> Scores:
        """Return scores that are known."""
        view = self._view(self._keys.key(leaf, pool))
        return np.array([view[self._keys.code(leaf, arch)] for arch in archs])

    def _make_known(self, needed: Iterable[tuple[Any, Sequence[Architecture]]], pool: Sequence[Architecture]) -> None:
        """Recall or compute the needed scores; estimators that learn from a pool learn from this one."""
        leaves: dict[Key, Any] = {}
        wanted: dict[Key, set[Architecture]] = {}
        for leaf, archs in needed:
            key = self._keys.key(leaf, pool)
            leaves[key] = leaf
            wanted.setdefault(key, set()).update(self._keys.code(leaf, arch) for arch in archs)
        for key, leaf in leaves.items():
            self._ask({key: wanted[key], **(self._store.taught(key) if isinstance(leaf, Fittable) else {})})
            self._keys_used.setdefault(fingerprint(leaf), {})[key] = None
            self._elsewhere |= self._recorded.others_behind(leaf)
            view = self._view(key)
            view.update(self._store.get(key, wanted[key] - view.keys()))
            view.update(self._recall(key, leaf, wanted[key] - view.keys()))
        for members in passes(leaves):
            self._compute(members, wanted, pool)

    def _sample(self, count: int) -> list[Architecture]:
        """Return the codes of a calibration."""
        if count not in self._samples:
            self._samples[count] = draw_up_to(self.space, self.seed, count)
        return self._samples[count]

    def _view(self, key: Key) -> dict[Architecture, float]:
        """Return the known scores of a key, as a dictionary that the caller may extend."""
        if self._known is None:
            raise RuntimeError("Nothing is known outside of `scores`.")
        return self._known.setdefault(key, {})

    def work_seconds(self) -> float:
        """Return the seconds of workers behind all scores asked for, whenever computed, learning included.

        Asked for since the session was opened, or since `count_anew`.
        """
        return math.fsum(self._store.seconds(key, codes) for key, codes in self._asked.items())

    def count_anew(self) -> None:
        """Leave out of `work_seconds` what was asked for so far."""
        self._asked.clear()

    def context(self, estimator: Any, pool: Sequence[Architecture] = ()) -> Context:
        """Return the context of an estimator, with a folder of its own; `pool` is what it may learn from."""
        name = self._keys.folder_name(estimator, pool)
        workdir = self.folder.resolve() / "artifacts" / name
        log = self.folder.resolve() / "tensorboard" / name if self._tensorboard else None
        return Context(self.space, self.task, workdir, self.seed, self.device, log)

    def failures(self, estimator: Any, archs: Sequence[Architecture]) -> dict[Architecture, str]:
        """Return why codes could not be scored, for those that could not.

        For a composite, these are the codes that a part could not score, with the part's name before its reason; the
        composite itself may have a score. For an estimator that learns from a pool, these are the failures after it
        learnt from `archs`, or from any other pool since the folder was opened.
        """
        if isinstance(estimator, Composite):
            by_part = [(part.name, self.failures(part, archs)) for part in estimator.parts]
            return {
                arch: "; ".join(f"{name}: {failed[arch]}" for name, failed in by_part if arch in failed)
                for arch in archs
                if any(arch in failed for _, failed in by_part)
            }
        reasons: dict[Architecture, str] = {}
        for key in {**self._keys_used.get(fingerprint(estimator), {}), self._keys.key(estimator, archs): None}:
            reasons |= self._store.errors(key, (self._keys.code(estimator, arch) for arch in archs))
        if not reasons:
            return {}
        return {arch: reasons[code] for arch in archs if (code := self._keys.code(estimator, arch)) in reasons}

    def require_scores(self, estimator: Any, archs: Sequence[Architecture], column: Scores) -> None:
        """Refuse a column without a single score: a failure on every architecture is a mistake in the estimator.

        Raises:
            EstimatorError: there is none.
        """
        if len(column) and np.isnan(column).all():
            raise EstimatorError(self.explain(estimator, archs), self.tracebacks)

    def explain(self, estimator: Any, archs: Sequence[Architecture]) -> str:
        """Return the sentence that says that an estimator could score none of these codes, and why."""
        reason = next(iter(self.failures(estimator, archs).values()), "").rstrip(".")
        why = f"; the first reason: {reason}" if reason else ""
        return f"The estimator {estimator.name!r} could score none of {len(archs)} architectures{why}."

    def pictures(self, estimator: Any = None) -> tuple[str, ...]:
        """Return sentences on scores that were not made on the pictures of the session's task; none if all were.

        Of one estimator, with its parts and teachers, or of all whose scores were asked for since the folder was
        opened.
        """
        sources = self._elsewhere if estimator is None else self._recorded.others_behind(estimator)
        return sentences(sources.values())

    @property
    def tracebacks(self) -> str:
        """The unforeseen errors that cost scores since the folder was opened: the first of each kind."""
        return "\n".join(self._tracebacks.values())

    def forget(self, estimator: Any, archs: Sequence[Architecture]) -> None:
        """Delete what an estimator, or each part of one, keeps to go on with these codes; their scores stay."""
        for leaf in leaves_of(estimator):
            if isinstance(leaf, Resumable):
                leaf.forget([self._keys.code(leaf, arch) for arch in archs], self.context(leaf))

    def _ask(self, codes: Mapping[Key, Iterable[Architecture]]) -> None:
        """Record which codes were requested under which keys."""
        for key, archs in codes.items():
            self._asked.setdefault(key, set()).update(archs)

    def _recall(self, key: Key, leaf: Any, codes: Collection[Architecture]) -> dict[Architecture, float]:
        """Copy the scores that tables hold into the store, so that the folder is complete."""
        scores = self._recorded.recall(leaf, codes)
        self._store.put(Row(key, arch, leaf.name, score, 0.0, 0, why) for arch, (score, why) in sorted(scores.items()))
        return {arch: score for arch, (score, _) in scores.items()}

    def _compute(
        self, members: dict[Key, Any], wanted: Mapping[Key, set[Architecture]], pool: Sequence[Architecture]
    ) -> None:
        """Compute and store the missing scores of one pass; members that lack different codes are scored apart."""
        for key, member in members.items():
            if isinstance(member, Fittable) and wanted[key] - self._view(key).keys():
                self._fit(member, key, wanted[key], pool)
        lacking: dict[tuple[Key, ...], list[Architecture]] = {}  # after learning, which may have computed some of them
        for code in sorted(set().union(*(wanted[key] for key in members))):
            if absent := tuple(key for key in members if code in wanted[key] and code not in self._view(key)):
                lacking.setdefault(absent, []).append(code)
        total, done = sum(map(len, lacking.values())), 0
        at_work = {key for absent in lacking for key in absent}
        label = ", ".join(e.name for key, e in members.items() if key in at_work)
        if total:
            self._progress(label, 0, total)
        for absent, missing in lacking.items():
            contexts = [self.context(members[key], pool) for key in absent]
            for result in self._scored([members[key] for key in absent], missing, contexts):
                self._put(self._rows(result, absent))
                done += len(result.chunk.archs)
                self._progress(label, done, total)

    def _scored(
        self, members: Sequence[Any], codes: Sequence[Architecture], contexts: Sequence[Context]
    ) -> Iterator[ChunkScores]:
        """Yield the scores of codes; announce a long pass and its expected time to `notify`."""
        workers = self.executor.workers

        def scored(part: Sequence[Architecture]) -> Iterator[ChunkScores]:
            chunks = chunks_of(members, part, contexts, workers, self._plugins, self._arithmetic)
            return self.executor.map(score_chunk, chunks)

        if self._notify is None or not is_announced(members, len(codes)):
            yield from scored(codes)
            return
        self._notify(announcement(members, len(codes), self._offered, self.space, self.task, self.seed))
        trial = Trial(codes, are_neighbours=shares_work(members, self.space, self.task))
        for part in trial.rounds():
            for result in scored(part):
                trial.add(result.seconds)
                yield result
        self._notify(trial.sentence(workers))
        yield from scored(trial.rest)

    def _fit(self, estimator: Any, key: Key, codes: Collection[Architecture], pool: Sequence[Architecture]) -> None:
        """Fit an estimator; if that fails with a `ScoringError`, all its missing scores are recorded as failed."""
        self._progress(f"{estimator.name}: learning", 0, 0)
        begun, elsewhere = time.perf_counter(), 0.0
        before, self._asked = self._asked, {}  # requests from here on are what the estimator learns from

        def scores(estimators: Sequence[Any], archs: Sequence[Architecture]) -> NDArray[np.float64]:
            nonlocal elsewhere
            start = time.perf_counter()
            values = self._scores(estimators, [check(self.space, arch) for arch in archs])
            elsewhere += time.perf_counter() - start  # these seconds are stored with the rows
            return values

        try:
            with single_thread(), self._arithmetic.applied(self.device):
                estimator.fit(pool, self.context(estimator, pool), scores)
        except ScoringError as error:
            missing = sorted(code for code in codes if code not in self._view(key))
            reason = shortened(f"while learning: {describe_error(error)}")
            self._put([Row(key, code, estimator.name, math.nan, 0.0, 0, reason) for code in missing])
        except ArchsieveError:
            raise
        except Exception as error:
            raise EstimatorError(
                f"The estimator {estimator.name!r} failed while learning: {describe_error(error)}",
                traceback.format_exc(),
            ) from error
        finally:
            # Scores of another task are not paid for.
            own = {teacher: codes for teacher, codes in self._asked.items() if teacher.task == key.task}
            self._store.learn(key, estimator.name, time.perf_counter() - begun - elsewhere, own)
            taught, self._asked = self._asked, before
            self._ask(taught)

    def _rows(self, result: ChunkScores, keys: Sequence[Key]) -> list[Row]:
        """Return the rows to store for a chunk."""
        for kind, text in result.tracebacks.items():
            self._log(kind, text)
        if result.failure is not None:
            raise result.failure
        share = result.seconds / result.scores.size
        return [
            Row(
                key,
                arch,
                e.name,
                float(result.scores[i, k]) + 0.0,  # -0.0 is 0.0: the store knows one zero
                share,
                result.worker,
                result.errors.get((i, k)),
            )
            for k, (key, e) in enumerate(zip(keys, result.chunk.estimators, strict=True))
            for i, arch in enumerate(result.chunk.archs)
        ]

    def _put(self, rows: Sequence[Row]) -> None:
        """Store scores and add them to the view."""
        self._store.put(rows)
        for row in rows:
            self._view(row.key)[row.arch] = row.score

    def _log(self, kind: str, text: str) -> None:
        """Keep the first traceback of each kind of failure, in the folder's log too."""
        if kind not in self._tracebacks:
            self._tracebacks[kind] = f"{kind}:\n{text}"
            (self.folder / ERROR_FILE).write_text(self.tracebacks, encoding="utf-8")
