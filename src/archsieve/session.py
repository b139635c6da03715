"""A session binds space, task, seed and executor to one folder: the only state, and the only door to scores."""

from __future__ import annotations

import math
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from archsieve.arithmetic import CPU, EXACT, Arithmetic, kind_of, place_of
from archsieve.errors import ArchsieveError, EstimatorError, SettingError, require
from archsieve.estimator import Composite, Context, Fittable, Grouped, Resumable, fingerprint, leaves_of
from archsieve.executor import Serial, single_thread
from archsieve.pool import draw_pool, draw_up_to
from archsieve.run_folder import RESULTS_FILE, claim, lock
from archsieve.space import check
from archsieve.store import Key, Row, Store
from archsieve.tables import shipped
from archsieve.work import Chunk, ChunkScores, chunk_size, describe_error, score_chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from archsieve.executor import Executor
    from archsieve.space import Architecture, SearchSpace
    from archsieve.tables import ScoreTable
    from archsieve.task import Task

_Known: TypeAlias = "dict[Key, dict[Architecture, float]]"

_CHUNKS_A_WORKER = 8  # so that workers end together


class Session:
    """An open run folder.

    Use it as a context manager; while it is open no other driver can open the folder.

    Args:
        folder: made if it is not there. Holds `results.sqlite`, `run.json` and `artifacts/`, which may be deleted.
        space: the space searched.
        task: what networks are for.
        seed: of everything drawn.
        executor: where scores are computed; this process unless given.
        device: "cpu", "cuda", "mps". Scores of another kind of device than the CPU have keys of their own.
        plugins: modules that workers import first, for what they register.
        progress: called with (label, done, total) as work goes on.
        tables: what is looked up rather than computed. Unless given, on the CPU the score tables of the package, and
            on another device none: they were computed on a CPU.
        tensorboard: keep the losses of everything trained in `tensorboard/`.
        arithmetic: how an accelerator computes, in this process and in workers; the caller's settings are put back.

    Raises:
        RunFolderError: the folder belongs to another space or task, is in use, or its results are damaged.
        SettingError: the seed is out of range, or the device is not there.
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
        tables: Sequence[ScoreTable] | None = None,
        tensorboard: bool = False,
        arithmetic: Arithmetic = EXACT,
    ) -> None:
        if not 0 <= seed < 2**63:
            raise SettingError(f"`0 <= seed < 2**63` must hold, but got seed={seed}.")
        if tensorboard:
            require("tensorboard", "tensorboard")
        if device != "cpu":
            from archsieve.networks import check_device

            check_device(device)
        self.folder = Path(folder)
        self.space, self.task, self.seed = space, task, seed
        self.executor: Executor = executor or Serial()
        self.device, self._plugins = device, tuple(plugins)
        self._progress = progress or (lambda label, done, total: None)
        self._tensorboard = tensorboard
        self._prints = fingerprint(space), fingerprint(task)
        self._arithmetic = arithmetic
        offered = tables if tables is not None else shipped() if kind_of(device) == CPU else ()
        self._tables = [t for t in offered if t.knows(space, task, seed)]
        self._asked: dict[Key, set[Architecture]] = {}
        self._lock = lock(self.folder)
        try:
            claim(self.folder, space, task)
            self._store = Store(self.folder / RESULTS_FILE)
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
        return draw_pool(self.space, self.seed, sample)

    def scores(self, estimators: Sequence[Any], archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the scores, shape (n, k), higher is better; NaN where an architecture could not be scored.

        What the store or a table knows is not computed. The rest is grouped into passes, fitted where needed, spread
        over the executor and stored chunk by chunk.

        Raises:
            ArchitectureError: a code is no architecture of the space.
            EstimatorError: an estimator failed in a way nobody foresaw; what was scored before is stored.
        """
        archs = [check(self.space, arch) for arch in archs]
        if not archs or not estimators:
            return np.empty((len(archs), len(estimators)))
        leaves = {self._key(leaf, archs): leaf for e in estimators for leaf in leaves_of(e)}
        known: _Known = {}
        for key, leaf in leaves.items():
            codes = {self._code(leaf, arch) for arch in archs}
            self._ask({key: codes, **(self._store.taught(key) if isinstance(leaf, Fittable) else {})})
            known[key] = self._store.get(key, codes)
            known[key].update(self._recall(key, leaf, codes - known[key].keys()))
        for members in _passes(leaves):
            self._compute(members, archs, known)
        return np.stack([self._column(e, archs, known) for e in estimators], axis=1)

    def work_seconds(self) -> float:
        """Return the seconds of workers behind all scores asked for, whenever computed, learning included.

        Asked for since the session was opened, or since `count_anew`.
        """
        return math.fsum(self._store.seconds(key, codes) for key, codes in self._asked.items())

    def count_anew(self) -> None:
        """Leave out of `work_seconds` what was asked for so far."""
        self._asked.clear()

    def context(self, estimator: Any, pool: Sequence[Architecture] = ()) -> Context:
        """Return what an estimator works on, with its own folder; `pool` is what it learns from, if it does."""
        owner = estimator.lineage if isinstance(estimator, Resumable) else estimator
        name = fingerprint(*self._prints, self._learner(owner, pool), self.seed, *self._where(owner))
        workdir = self.folder.resolve() / "artifacts" / name
        log = self.folder.resolve() / "tensorboard" / name if self._tensorboard else None
        return Context(self.space, self.task, workdir, self.seed, self.device, log)

    def failures(self, estimator: Any, archs: Sequence[Architecture]) -> dict[Architecture, str]:
        """Return why codes could not be scored, for those that could not."""
        key = self._key(estimator, archs)
        wanted = {self._code(estimator, arch) for arch in archs}
        return {r.arch: r.error or "" for r in self._store.rows() if r.key == key and r.arch in wanted and r.error}

    def forget(self, estimator: Any, archs: Sequence[Architecture]) -> None:
        """Delete what an estimator keeps to go on with these codes; their scores stay."""
        if isinstance(estimator, Resumable):
            estimator.forget([self._code(estimator, arch) for arch in archs], self.context(estimator))

    def _ask(self, codes: Mapping[Key, Iterable[Architecture]]) -> None:
        """Note whose scores of which codes were asked for."""
        for key, asked in codes.items():
            self._asked.setdefault(key, set()).update(asked)

    def _key(self, estimator: Any, pool: Sequence[Architecture]) -> Key:
        return Key(*self._prints, fingerprint(self._learner(estimator, pool), *self._where(estimator)), self.seed)

    def _where(self, estimator: Any) -> list[dict[str, Any]]:
        return place_of(estimator, self.device, self._arithmetic, [table.card.sha256 for table in self._tables])

    def _learner(self, estimator: Any, pool: Sequence[Architecture]) -> Any:
        """Return the estimator, with the pool where what it learns depends on it."""
        depends = isinstance(estimator, Fittable) and estimator.learns_from_pool
        return [estimator, sorted({self._code(estimator, arch) for arch in pool})] if depends else estimator

    def _code(self, estimator: Any, arch: Architecture) -> Architecture:
        return arch if getattr(estimator, "by_code", False) else self.space.canonical(arch)

    def _column(self, estimator: Any, archs: Sequence[Architecture], known: _Known) -> NDArray[np.float64]:
        if not isinstance(estimator, Composite):
            found = known[self._key(estimator, archs)]
            return np.array([found[self._code(estimator, arch)] for arch in archs])
        columns = np.stack([self._column(part, archs, known) for part in estimator.parts], axis=1)
        if estimator.calibration is None:
            return estimator.combine(columns, columns)
        reference = draw_up_to(self.space, self.seed, estimator.calibration)
        return estimator.combine(columns, self.scores(estimator.parts, reference))

    def _recall(self, key: Key, leaf: Any, codes: Collection[Architecture]) -> dict[Architecture, float]:
        """Take what a table knows into the store, so that the folder says all there is to say."""
        found: dict[Architecture, tuple[float, str | None]] = {}
        for table in self._tables if codes else ():
            if column := table.column_of(leaf):
                found = {**table.get(column, codes), **found}
        self._store.put(Row(key, arch, leaf.name, score, 0.0, 0, why) for arch, (score, why) in sorted(found.items()))
        return {arch: score for arch, (score, _) in found.items()}

    def _compute(self, members: dict[Key, Any], archs: Sequence[Architecture], known: _Known) -> None:
        """Score what is missing of one pass and store it; members that lack different codes are split."""
        codes = sorted({self._code(e, arch) for e in members.values() for arch in archs})
        lacking: dict[tuple[Key, ...], list[Architecture]] = {}
        for code in codes:
            if absent := tuple(key for key in members if code not in known[key]):
                lacking.setdefault(absent, []).append(code)
        total, done = sum(map(len, lacking.values())), 0
        at_work = {key for absent in lacking for key in absent}
        label = ", ".join(e.name for key, e in members.items() if key in at_work)
        for key in (key for key in members if key in at_work):
            if isinstance(members[key], Fittable):
                self._fit(members[key], key, archs)
        if total:
            self._progress(label, 0, total)
        for absent, missing in lacking.items():
            chunks = self._chunks([members[key] for key in absent], missing, archs)
            for result in self.executor.map(score_chunk, chunks):
                for row in self._keep(result, absent):
                    known[row.key][row.arch] = row.score
                done += len(result.chunk.archs)
                self._progress(label, done, total)

    def _fit(self, estimator: Any, key: Key, archs: Sequence[Architecture]) -> None:
        self._progress(f"{estimator.name}: learning", 0, 0)
        begun, elsewhere = time.perf_counter(), 0.0
        before, self._asked = self._asked, {}  # what is asked for from here on is what it is taught

        def scores(estimators: Sequence[Any], archs: Sequence[Architecture]) -> NDArray[np.float64]:
            nonlocal elsewhere
            asked = time.perf_counter()
            found = self.scores(estimators, archs)
            elsewhere += time.perf_counter() - asked  # its rows have seconds of their own
            return found

        try:
            with single_thread(), self._arithmetic.applied(self.device):
                estimator.fit(archs, self.context(estimator, archs), scores)
        except ArchsieveError:
            raise
        except Exception as error:
            raise EstimatorError(
                f"The estimator {estimator.name!r} failed while learning: {describe_error(error)}",
                traceback.format_exc(),
            ) from error
        finally:
            self._store.learn(key, estimator.name, time.perf_counter() - begun - elsewhere, self._asked)
            taught, self._asked = self._asked, before
            self._ask(taught)

    def _chunks(
        self, members: Sequence[Any], codes: Sequence[Architecture], pool: Sequence[Architecture]
    ) -> Iterable[Chunk]:
        wanted = min(chunk_size(e, self.space, self.task) for e in members)
        fair = math.ceil(len(codes) / (_CHUNKS_A_WORKER * self.executor.workers))
        length = max(1, min(wanted, fair) if self.executor.workers > 1 else wanted)
        contexts = tuple(self.context(e, pool) for e in members)
        for begin in range(0, len(codes), length):
            archs = tuple(codes[begin : begin + length])
            yield Chunk(tuple(members), archs, contexts, self._plugins, self._arithmetic)

    def _keep(self, result: ChunkScores, keys: Sequence[Key]) -> list[Row]:
        if result.failure is not None:
            raise result.failure
        share = result.seconds / result.scores.size
        rows = [
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
        self._store.put(rows)
        return rows


def _passes(leaves: dict[Key, Any]) -> list[dict[Key, Any]]:
    """Return the leaves that can be computed together, in order of first appearance."""
    passes: dict[Any, dict[Key, Any]] = {}
    for key, leaf in leaves.items():
        mates = (type(leaf), leaf.group) if isinstance(leaf, Grouped) else key
        passes.setdefault(mates, {})[key] = leaf
    return list(passes.values())
