"""A chunk of work: codes and the estimators of one pass, and how a worker scores them."""

from __future__ import annotations

import gc
import importlib
import math
import os
import sys
import time
import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archsieve._shortage import has_memory, machine_number
from archsieve._spent import collected_seconds
from archsieve.errors import (
    AGAIN,
    ArchsieveError,
    EstimatorError,
    MachineError,
    PartialScoringError,
    ScoringError,
    collected_tracebacks,
    describe_error,
    ends_the_run,
    machine_error,
    reason_of,
)
from archsieve.estimators.contract import Grouped, Outcome
from archsieve.estimators.measured.facts import collected_facts
from archsieve.runs.arithmetic import EXACT, Arithmetic
from archsieve.runs.attempts import RETRIES
from archsieve.values import as_floats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Context
    from archsieve.estimators.measured.facts import Facts
    from archsieve.runs.store import Key
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

_CHUNK = 32
_CHUNKS_A_WORKER = 8  # so that workers end together
_LEAST_MEMORY = 64 << 20  # bytes without which nothing can be scored
_LONGEST = 200  # characters of a reason
_SENTENCE = 600  # of one that says what to do


@dataclass(frozen=True)
class Chunk:
    """The input of one worker: estimators of one pass with contexts, codes, and modules to import first.

    `arithmetic` holds the settings of the device while it computes, in the driver or in a worker. `columns` are the
    places of the estimators among those of the pass.
    """

    estimators: tuple[Any, ...]
    archs: tuple[Architecture, ...]
    contexts: tuple[Context, ...]
    plugins: tuple[str, ...] = ()
    arithmetic: Arithmetic = EXACT
    columns: tuple[int, ...] = ()

    @property
    def retries(self) -> int:
        """How often it is retried when its worker dies: once for several networks, then in smaller chunks."""
        return RETRIES if is_narrow(self) else 1

    def parts(self) -> Iterator[Chunk]:
        """Yield the chunk split into smaller ones: of few networks each, or for one network of one estimator each."""
        length = math.ceil(len(self.archs) / math.ceil(math.sqrt(len(self.archs))))
        if len(self.archs) > 1:
            for begin in range(0, len(self.archs), length):
                yield replace(self, archs=self.archs[begin : begin + length])
            return
        for column, estimator, context in zip(self.columns, self.estimators, self.contexts, strict=True):
            yield replace(self, estimators=(estimator,), contexts=(context,), columns=(column,))

    def failed(self, reason: str, seconds: float) -> ChunkScores:
        """Return the scores to store if no worker could score the chunk."""
        shape = len(self.archs), len(self.estimators)
        errors = dict.fromkeys(np.ndindex(*shape), shortened(reason))
        return ChunkScores(self, np.full(shape, np.nan), errors, seconds, 0)


@dataclass(frozen=True, eq=False)
class ChunkScores:
    """The output of one worker: scores (n, k), reasons for NaN by (row, column), seconds, and the process.

    Attributes:
        failure: set where the whole chunk could not be scored; an unforeseen error becomes an `EstimatorError`.
        tracebacks: those of unforeseen errors among the reasons, the first of each kind.
        facts: what was measured beside the scores, by architecture.
    """

    chunk: Chunk
    scores: NDArray[np.float64]
    errors: dict[tuple[int, int], str]
    seconds: float
    worker: int
    failure: ArchsieveError | None = None
    tracebacks: dict[str, str] = field(default_factory=dict)
    facts: dict[Architecture, Facts] = field(default_factory=dict)


class _UnusableError(Exception):
    """An estimator returned a wrong type or shape: a fault of the estimator, not of a network."""


def is_narrow(chunk: Chunk) -> bool:
    """Whether a chunk holds one score, and cannot be split."""
    return len(chunk.archs) * len(chunk.estimators) == 1


def chunk_size(estimator: AnyEstimator, space: SearchSpace, task: Task) -> int:
    """Return the chunk size that an estimator prefers; 32 by default."""
    size = getattr(estimator, "chunk_size", _CHUNK)
    return int(size(space, task) if callable(size) else size)


def shares_work(members: Sequence[Any], space: SearchSpace, task: Task) -> bool:
    """Whether the members of a pass prefer large chunks because networks in a chunk share parts."""
    return min(chunk_size(e, space, task) for e in members) > _CHUNK


def chunks_of(
    members: Sequence[Any],
    codes: Sequence[Architecture],
    contexts: Sequence[Context],
    workers: int,
    plugins: Sequence[str] = (),
    arithmetic: Arithmetic = EXACT,
) -> Iterator[Chunk]:
    """Yield codes in chunks of the preferred size, smaller if workers would otherwise be idle."""
    space, task = contexts[0].space, contexts[0].task
    size = min(chunk_size(e, space, task) for e in members)
    fair = math.ceil(len(codes) / (_CHUNKS_A_WORKER * workers))
    length = max(1, min(size, fair) if workers > 1 else size)
    for begin in range(0, len(codes), length):
        archs = tuple(codes[begin : begin + length])
        yield Chunk(tuple(members), archs, tuple(contexts), tuple(plugins), arithmetic, tuple(range(len(members))))


def passes(leaves: dict[Key, Any]) -> list[dict[Key, Any]]:
    """Return the estimators grouped into passes that can be computed together, in order of first appearance."""
    passes: dict[Any, dict[Key, Any]] = {}
    for key, leaf in leaves.items():
        mates = (type(leaf), leaf.group) if isinstance(leaf, Grouped) else key
        passes.setdefault(mates, {})[key] = leaf
    return list(passes.values())


def score_chunk(chunk: Chunk) -> ChunkScores:
    """Score a chunk; errors are returned as part of the result, because workers may be on other machines."""
    begun = time.perf_counter()
    scored = _Scored(np.full((len(chunk.archs), len(chunk.estimators)), np.nan), {})
    tracebacks: dict[str, str] = {}
    facts: dict[Architecture, Facts] = {}
    spent: list[float] = []
    failure: ArchsieveError | None = None
    try:
        for plugin in chunk.plugins:
            importlib.import_module(plugin)
        arithmetic = chunk.arithmetic.applied(chunk.contexts[0].device)
        with collected_facts() as facts, collected_tracebacks() as tracebacks, collected_seconds() as spent, arithmetic:
            scored = _score(chunk)
    except (Exception, SystemExit) as error:
        failure = _failure(error, f"The estimator {_names(chunk)}")
    seconds = time.perf_counter() - begun + math.fsum(spent)
    return ChunkScores(chunk, *scored, seconds, os.getpid(), failure, tracebacks, facts)


def _failure(error: BaseException, what: str) -> ArchsieveError:
    """Return what ends the run, as an error of ours that the driver knows."""
    if isinstance(error, ArchsieveError) and not isinstance(error, ScoringError):
        # An error class of a plug-in may be unknown to the driver: pass on its sentence only.
        return error if type(error).__module__ == ArchsieveError.__module__ else EstimatorError(str(error))
    if machine_number(error):
        return machine_error(error, what)
    text = str(error) if isinstance(error, _UnusableError) else describe_error(error)
    return EstimatorError(f"{what}: {text}", traceback.format_exc())


def shortened(text: str, most: int = _LONGEST) -> str:
    """Return a text as one line of at most so many characters.

    >>> len(shortened("word " * 100)), shortened("two  words")
    (200, 'two words')
    """
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def _names(chunk: Chunk) -> str:
    """Return "'NAMES' failed on FIRST to LAST"."""
    describe = chunk.contexts[0].space.describe
    names = ", ".join(e.name for e in chunk.estimators)
    return f"{names!r} failed on {' to '.join(dict.fromkeys(describe(chunk.archs[i]) for i in (0, -1)))}"


class _Scored(NamedTuple):
    """Scores (n, k), and the reasons for NaN by (row, column)."""

    scores: NDArray[np.float64]
    errors: dict[tuple[int, int], str]


def _score(chunk: Chunk) -> _Scored:
    """Score all networks at once; if that fails without naming a network, score them one by one."""
    is_single = len(chunk.archs) * len(chunk.estimators) == 1
    scores, errors = (None if is_single else _score_at_once(chunk)) or _score_one_by_one(chunk)
    unusable = np.isnan(scores) | np.isposinf(scores)
    names = [estimator.name for estimator in chunk.estimators]
    if any(reason.startswith(AGAIN) for reason in errors.values()):
        _check_memory()
    returned = {(i, k): f"{names[k]} returned {scores[i, k]}" for i, k in np.argwhere(unusable).tolist()}
    return _Scored(np.where(unusable, np.nan, scores), returned | errors)


def _score_at_once(chunk: Chunk) -> _Scored | None:
    """Score all networks in one pass; None if it failed."""
    try:
        return _Scored(_ask(chunk.estimators, chunk.archs, chunk.contexts), {})
    except PartialScoringError as failed:
        if ends_the_run(failed):
            raise
        scores = np.array(failed.scores, dtype=np.float64).reshape(len(chunk.archs), len(chunk.estimators))
        for place in failed.reasons:
            scores[place] = np.nan
        if failed.reasons:
            return _Scored(scores, {place: shortened(reason) for place, reason in failed.reasons.items()})
    except Exception as error:  # whatever the code of a proxy or a network raises
        if _is_of_the_run(error):
            raise
    _free_memory()  # here, where no traceback holds tensors any more
    return None


def _score_one_by_one(chunk: Chunk) -> _Scored:
    """Score every architecture by every estimator separately, so that a failure costs only that score."""
    scores = np.full((len(chunk.archs), len(chunk.estimators)), np.nan)
    errors: dict[tuple[int, int], str] = {}
    for i, arch in enumerate(chunk.archs):
        for k, (estimator, context) in enumerate(zip(chunk.estimators, chunk.contexts, strict=True)):
            outcome = _outcome(estimator, arch, context)
            scores[i, k] = outcome.score
            if outcome.reason is not None:
                errors[i, k] = outcome.reason
                _free_memory()
    return _Scored(scores, errors)


def _outcome(estimator: AnyEstimator, arch: Architecture, context: Context) -> Outcome:
    """Score one architecture by one estimator."""
    try:
        return Outcome(float(_ask((estimator,), (arch,), (context,))[0, 0]))
    except Exception as error:
        if _is_of_the_run(error):
            raise _located(error, estimator, context.space.describe(arch)) from error
        return Outcome.failed(_reason_of(error))


def _reason_of(error: Exception) -> str:
    """Return why one architecture could not be scored."""
    if isinstance(error, PartialScoringError) and error.reasons:
        return shortened(next(iter(error.reasons.values())))
    return shortened(reason_of(error))


def _is_of_the_run(error: Exception) -> bool:
    return isinstance(error, _UnusableError) or ends_the_run(error)


def _located(error: Exception, estimator: AnyEstimator, arch: str) -> Exception:
    """Return an unforeseen error with estimator and architecture named; archsieve errors are returned unchanged."""
    if isinstance(error, ArchsieveError | _UnusableError) and not isinstance(error, ScoringError):
        return error
    return _failure(error, f"The estimator {estimator.name!r} failed on {arch}")


def _check_memory() -> None:
    """Check, after memory ran out, that there is some again: without any, every network would be blamed.

    Raises:
        MachineError: there is not.
    """
    gc.collect()
    if not has_memory(_LEAST_MEMORY):
        raise MachineError(
            f"Memory ran out: less than {_LEAST_MEMORY >> 20} MiB can still be had. No network is to blame. Free "
            f"memory, or use fewer workers, and run the same command again; finished scores are stored."
        )


def _free_memory() -> None:
    """Release cached device memory, so that a network that was too large does not affect the next one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def _ask(estimators: Sequence[Any], archs: Sequence[Architecture], contexts: Sequence[Context]) -> NDArray[np.float64]:
    """Return the scores (n, k) of one pass.

    Raises:
        _UnusableError: the estimator returned something of another shape, or no numbers.
    """
    first, is_group = estimators[0], len(estimators) > 1
    shape = (len(archs), len(estimators)) if is_group else (len(archs),)
    returned = first.score_group(estimators, archs, contexts[0]) if is_group else first.score(archs, contexts[0])
    try:
        scores = as_floats(returned)
    except (TypeError, ValueError) as error:
        raise _UnusableError(describe_error(error)) from error
    if scores.shape != shape:
        raise _UnusableError(f"TypeError: it must return scores of shape {shape}, but returned {scores.shape}")
    return scores.reshape(len(archs), len(estimators))
