"""The scoring core behind a session: look up, fit, compute and store.

An estimator that learns asks for scores while the outer call waits. Both have one view of what is known, so that
neither computes what the other has.
"""

from __future__ import annotations

import math
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._collector import collector_paused
from archsieve._files import write_text
from archsieve._shortage import machine_number
from archsieve._spent import collected_seconds
from archsieve.errors import (
    ArchsieveError,
    EstimatorError,
    ScoringError,
    describe_error,
    ends_the_run,
    machine_error,
    reason_of,
)
from archsieve.estimators.contract import Context, Fittable, Outcome
from archsieve.fingerprints import fingerprint
from archsieve.runs.calls import Call, Canonical
from archsieve.runs.chunks import passes, shortened
from archsieve.runs.composites import Combining, lasting
from archsieve.runs.executors import single_thread
from archsieve.runs.folder import ERROR_FILE
from archsieve.runs.learning import Learning
from archsieve.runs.requests import Reference, Requests
from archsieve.runs.store import Row
from archsieve.spaces.contract import check
from archsieve.spaces.sampling import draw_up_to

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Composite, Scores
    from archsieve.runs.chunks import ChunkScores
    from archsieve.runs.computing import Computing
    from archsieve.runs.keys import Keys
    from archsieve.runs.score_tables import ScoreTable
    from archsieve.runs.store import Key, Store
    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task


class Scoring:
    """Scores architectures, and stores scores and failures in a run folder.

    Args:
        folder: of the run.
        task: what networks are for.
        keys: under which scores are stored; know the space, the seed, the device and the score tables.
        store: the stored scores.
        computing: computes what is missing.
        tensorboard: keep the losses of everything trained in `tensorboard/`.
    """

    def __init__(
        self, folder: Path, task: Task, keys: Keys, store: Store, computing: Computing, *, tensorboard: bool = False
    ) -> None:
        self._folder, self._space, self._task = folder, keys.space, task
        self._keys, self._store, self._computing, self._tensorboard = keys, store, computing, tensorboard
        self._requests = Requests()
        self._keys_used: dict[str, dict[Key, None]] = {}  # by estimator
        self._samples: dict[int, list[Architecture]] = {}
        self._references: dict[Any, Reference] = {}
        self._tracebacks: dict[str, str] = {}
        self.elsewhere: dict[str, tuple[Any, ScoreTable]] = {}  # tables used that were made on other pictures

    def scores(self, estimators: Sequence[AnyEstimator], archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the scores of architectures of the space, shape (n, k); see `Session.scores`."""
        return self._answer(Call(archs, {}, self._requests, Canonical(self._space), {}), estimators)

    def seconds(self) -> float:
        """Return the worker seconds behind all requested scores, including earlier ones and fitting."""
        return math.fsum(self._store.seconds(key, codes) for key, codes in self._requests.codes.items())

    def count_anew(self) -> None:
        """Reset `seconds`: exclude everything requested so far."""
        self._requests = Requests()

    def context(self, estimator: AnyEstimator, pool: Sequence[Architecture] = ()) -> Context:
        """Return the context of an estimator with its own folder; `pool` is the pool it may learn from."""
        name, folder = self._keys.folder_name(estimator, pool), self._folder.resolve()
        log = folder / "tensorboard" / name if self._tensorboard else None
        keys = self._keys
        return Context(self._space, self._task, folder / "artifacts" / name, keys.seed, keys.device, log)

    def failures(self, leaf: Any, archs: Sequence[Architecture]) -> dict[Architecture, str]:
        """Return by code the reasons why a non-composite estimator could not score it."""
        reasons: dict[Architecture, str] = {}
        for key in {**self._keys_used.get(fingerprint(leaf), {}), self._keys.key(leaf, archs): None}:
            reasons |= self._store.errors(key, (self._keys.code(leaf, arch) for arch in archs))
        if not reasons:
            return {}
        return {arch: reasons[code] for arch in archs if (code := self._keys.code(leaf, arch)) in reasons}

    @property
    def tracebacks(self) -> str:
        """The first unforeseen error of each kind that cost a score."""
        return "\n".join(self._tracebacks.values())

    def _answer(self, call: Call, estimators: Sequence[AnyEstimator]) -> NDArray[np.float64]:
        """Return the scores, shape (n, k), of a call's pool."""
        composites = [composite for estimator in estimators for composite in lasting(estimator)]
        known = {c: self._references[c] for c in composites if c in self._references}
        for composite, reference in known.items():
            call.requests.add_reference(composite, reference)
        columns = {composite: reference.columns for composite, reference in known.items()}
        combining = Combining(call.pool, self._sample, partial(self._of_leaf, call), columns)
        self._make_known(call, [pair for e in estimators for pair in combining.needed(e)])
        scores = np.stack([combining.column(e) for e in estimators], axis=1)
        for composite in composites:
            if composite not in known:
                self._references[composite] = self._reference(call, composite, combining)
        return scores

    def _reference(self, call: Call, composite: Composite, combining: Combining) -> Reference:
        """Return a composite's reference for later calls; its scores are already known."""
        sample = self._sample(composite.calibration or 0)
        pairs = [pair for part in composite.parts for pair in combining._replace(references={}).needed(part, sample)]
        return Reference(combining.reference(composite), self._wanted(call, pairs)[1])

    def _wanted(
        self, call: Call, needed: Iterable[tuple[Any, Sequence[Architecture]]]
    ) -> tuple[dict[Key, Any], dict[Key, set[Architecture]]]:
        """Return the estimators that compute needed scores, and the stored codes, by key."""
        leaves: dict[Key, Any] = {}
        codes: dict[Key, set[Architecture]] = {}
        for leaf, archs in needed:
            key = call.key(leaf, self._keys)
            leaves[key] = leaf
            codes.setdefault(key, set()).update(call.canonical.distinct(call.codes(leaf, archs)))
        return leaves, codes

    def _of_leaf(self, call: Call, leaf: Any, archs: Sequence[Architecture]) -> Scores:
        """Return known scores."""
        view = call.view(call.key(leaf, self._keys))
        return np.array([view[code] for code in call.codes(leaf, archs)])

    def _make_known(self, call: Call, needed: Sequence[tuple[Any, Sequence[Architecture]]]) -> None:
        """Look up or compute the needed scores; estimators that learn from a pool use the call's."""
        with collector_paused():
            leaves, wanted = self._wanted(call, needed)
            self._recall_known(call, leaves, wanted)
        for members in passes(leaves):
            self._compute(call, members, wanted)

    def _recall_known(self, call: Call, leaves: Mapping[Key, Any], wanted: Mapping[Key, set[Architecture]]) -> None:
        """Add the wanted scores in the store and the tables to the view."""
        for key, leaf in leaves.items():
            if isinstance(leaf, Fittable) and key not in call.requests.codes:
                call.requests.add(self._store.taught(key))
            call.requests.add({key: wanted[key]})
            self._keys_used.setdefault(fingerprint(leaf), {})[key] = None
            self.elsewhere |= self._keys.recorded.others_behind(leaf)
            view = call.view(key)
            view.update(self._store.get(key, wanted[key] - view.keys()))
            view.update(self._recall(key, leaf, wanted[key] - view.keys()))

    def _sample(self, count: int) -> list[Architecture]:
        """Return the codes of a calibration sample."""
        if count not in self._samples:
            self._samples[count] = draw_up_to(self._space, self._keys.seed, count)
        return self._samples[count]

    def _recall(self, key: Key, leaf: Any, codes: Collection[Architecture]) -> dict[Architecture, float]:
        """Copy scores from tables into the store, so that the folder is complete."""
        outcomes = self._keys.recorded.recall(leaf, codes)
        self._store.put(_row(key, arch, leaf, outcome) for arch, outcome in sorted(outcomes.items()))
        return {arch: outcome.score for arch, outcome in outcomes.items()}

    def _compute(self, call: Call, members: Mapping[Key, Any], wanted: Mapping[Key, set[Architecture]]) -> None:
        """Compute and store the missing scores of one pass; members that lack different codes are scored separately."""
        for key, member in members.items():
            if isinstance(member, Fittable) and wanted[key] - call.view(key).keys():
                self._fit(call, member, key, wanted[key])
        if all(wanted[key] <= call.view(key).keys() for key in members):  # after learning, which may have computed some
            return
        lacking: dict[tuple[Key, ...], list[Architecture]] = {}
        for code in sorted(set().union(*(wanted[key] for key in members))):
            if absent := tuple(key for key in members if code in wanted[key] and code not in call.view(key)):
                lacking.setdefault(absent, []).append(code)
        total, done = sum(map(len, lacking.values())), 0
        at_work = {key for absent in lacking for key in absent}
        label = ", ".join(e.name for key, e in members.items() if key in at_work)
        if total:
            self._computing.progress(label, 0, total)
        for absent, missing in lacking.items():
            contexts = [self.context(members[key], call.pool) for key in absent]
            for result in self._computing.scored([members[key] for key in absent], missing, contexts):
                self._keep(call, self._rows(result, absent))
                done += len(result.chunk.archs) if 0 in result.chunk.columns else 0
                self._computing.progress(label, done, total)

    def _fit(self, call: Call, estimator: Any, key: Key, codes: Collection[Architecture]) -> None:
        """Fit an estimator; on a `ScoringError` all its missing scores are stored as failed."""
        told = partial(self._computing.progress, f"{estimator.name}: learning")
        told(0, 0)
        requests, context = Requests(), self.context(estimator, call.pool)
        learning = Learning(self._store, key, estimator.name, context.workdir, requests)
        learning.begin()

        def scores(estimators: Sequence[AnyEstimator], archs: Sequence[Architecture]) -> NDArray[np.float64]:
            start = time.perf_counter()
            checked = [check(self._space, arch) for arch in archs]
            values = self._answer(Call(checked, call.known, requests, Canonical(self._space), {}), estimators)
            learning.elsewhere += time.perf_counter() - start  # these seconds are stored with the rows
            learning.note()
            return values

        try:
            arithmetic = self._computing.arithmetic.applied(self._keys.device)
            with single_thread(), arithmetic, collected_seconds() as spent:
                estimator.fit(call.pool, replace(context, progress=told), scores)
        except ScoringError as error:
            if ends_the_run(error):
                raise machine_error(error, f"The estimator {estimator.name!r} failed while learning") from error
            failed = Outcome.failed(shortened(reason_of(error, "while learning: ")))
            missing = sorted(code for code in codes if code not in call.view(key))
            self._keep(call, [_row(key, code, estimator, failed) for code in missing])
        except ArchsieveError:
            raise
        except Exception as error:
            if machine_number(error):
                raise machine_error(error, f"The estimator {estimator.name!r} failed while learning") from error
            raise EstimatorError(
                f"The estimator {estimator.name!r} failed while learning: {describe_error(error)}",
                traceback.format_exc(),
            ) from error
        finally:
            told(1, 1)
            learning.end(math.fsum(spent))
            call.requests.add(requests.codes)

    def _rows(self, result: ChunkScores, keys: Sequence[Key]) -> list[Row]:
        """Return the rows to store for a chunk, given the keys of its pass's estimators."""
        for kind, text in result.tracebacks.items():
            self._log(kind, text)
        if result.failure is not None:
            raise result.failure
        share, facts = result.seconds / result.scores.size, result.facts
        return [
            Row(
                keys[column],
                arch,
                e.name,
                _score(result, i, k),
                share,
                result.worker,
                result.errors.get((i, k)),
                facts.get(arch),
            )
            for k, (column, e) in enumerate(zip(result.chunk.columns, result.chunk.estimators, strict=True))
            for i, arch in enumerate(result.chunk.archs)
        ]

    def _keep(self, call: Call, rows: Sequence[Row]) -> None:
        """Store scores and add them to the view."""
        self._store.put(rows)
        for row in rows:
            call.view(row.key)[row.arch] = row.score

    def _log(self, kind: str, text: str) -> None:
        """Keep the first traceback of each kind of failure, also in the folder's log."""
        if kind not in self._tracebacks:
            self._tracebacks[kind] = f"{kind}:\n{text}"
            with suppress(OSError):  # the reason itself is stored with the score
                write_text(self._folder / ERROR_FILE, self.tracebacks)


def _row(key: Key, arch: Architecture, leaf: Any, outcome: Outcome) -> Row:
    """Return a row to store that took no time."""
    return Row(key, arch, leaf.name, outcome.score + 0.0, 0.0, 0, outcome.reason)


def _score(result: ChunkScores, i: int, k: int) -> float:
    """Return a score of a chunk, with -0.0 normalised to 0.0."""
    return float(result.scores[i, k]) + 0.0
