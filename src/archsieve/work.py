"""A piece of work: some codes and the estimators of one pass, and how a worker scores them."""

from __future__ import annotations

import importlib
import os
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.arithmetic import EXACT, Arithmetic
from archsieve.errors import ArchsieveError, EstimatorError, PartialScoringError, ScoringError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from archsieve.estimator import Context
    from archsieve.space import Architecture, SearchSpace
    from archsieve.task import Task

_CHUNK = 32


@dataclass(frozen=True)
class Chunk:
    """What one worker gets: estimators of one pass with their contexts, codes, and modules to import first.

    `arithmetic` is how the device computes meanwhile, in whatever process that is.
    """

    estimators: tuple[Any, ...]
    archs: tuple[Architecture, ...]
    contexts: tuple[Context, ...]
    plugins: tuple[str, ...] = ()
    arithmetic: Arithmetic = EXACT


@dataclass(frozen=True, eq=False)
class ChunkScores:
    """What it gives back: scores (n, k), why some are NaN by (row, column), who computed them in how long.

    `failure` is set where the chunk could not be scored at all; one nobody foresaw is an `EstimatorError`.
    """

    chunk: Chunk
    scores: NDArray[np.float64]
    errors: dict[tuple[int, int], str]
    seconds: float
    worker: int
    failure: ArchsieveError | None = None


def chunk_size(estimator: Any, space: SearchSpace, task: Task) -> int:
    """Return how many codes an estimator wants at a time, 32 where it does not say."""
    wanted = getattr(estimator, "chunk_size", _CHUNK)
    return int(wanted(space, task) if callable(wanted) else wanted)


def score_chunk(chunk: Chunk) -> ChunkScores:
    """Score a chunk. What goes wrong is in the result: workers on other machines give back plain values only."""
    begun = time.perf_counter()
    scores = np.full((len(chunk.archs), len(chunk.estimators)), np.nan)
    errors: dict[tuple[int, int], str] = {}
    failure: ArchsieveError | None = None
    try:
        for plugin in chunk.plugins:
            importlib.import_module(plugin)
        with chunk.arithmetic.applied(chunk.contexts[0].device):
            _fill(chunk, scores, errors)
    except ArchsieveError as error:
        # An error class of a plug-in may not survive the way back: its sentence does.
        failure = error if type(error).__module__ == ArchsieveError.__module__ else EstimatorError(str(error))
    except (Exception, SystemExit) as error:
        message = f"The estimator {_culprit(chunk)}: {describe_error(error)}"
        failure = EstimatorError(message, traceback.format_exc())
    return ChunkScores(chunk, scores, errors, time.perf_counter() - begun, os.getpid(), failure)


def describe_error(error: BaseException) -> str:
    """Return the error as one line: its message, after its type where it is not one of ours."""
    text = " ".join(str(error).split()) or "no message"
    return text if isinstance(error, ArchsieveError) else f"{type(error).__name__}: {text}"


def _culprit(chunk: Chunk) -> str:
    """Return "NAME failed on ARCHITECTURE" for the first that fails alone; the whole chunk where none does."""
    describe = chunk.contexts[0].space.describe
    for arch in chunk.archs if len(chunk.archs) * len(chunk.estimators) > 1 else ():
        for estimator, context in zip(chunk.estimators, chunk.contexts, strict=True):
            try:
                _ask((estimator,), (arch,), (context,))
            except ScoringError:
                continue
            except (Exception, SystemExit):
                return f"{estimator.name!r} failed on {describe(arch)}"
    names = ", ".join(e.name for e in chunk.estimators)
    return f"{names!r} failed on {' to '.join(dict.fromkeys(describe(chunk.archs[i]) for i in (0, -1)))}"


def _fill(chunk: Chunk, scores: NDArray[np.float64], errors: dict[tuple[int, int], str]) -> None:
    """Score all at once; where something cannot be scored and the estimator does not say which, one by one."""
    try:
        scores[:] = _ask(chunk.estimators, chunk.archs, chunk.contexts)
    except PartialScoringError as failed:
        scores[:] = failed.scores.reshape(scores.shape)
        errors.update({place: " ".join(reason.split()) for place, reason in failed.reasons.items()})
        for place in failed.reasons:
            scores[place] = np.nan
    except ScoringError:
        for i, arch in enumerate(chunk.archs):
            for k, (estimator, context) in enumerate(zip(chunk.estimators, chunk.contexts, strict=True)):
                try:
                    scores[i, k] = _ask((estimator,), (arch,), (context,))[0, 0]
                except ScoringError as error:
                    errors[i, k] = describe_error(error)
    for i, k in np.argwhere(np.isnan(scores) | np.isposinf(scores)):
        errors.setdefault((int(i), int(k)), f"{chunk.estimators[k].name} returned {scores[i, k]}")
        scores[i, k] = np.nan


def _ask(estimators: Sequence[Any], archs: Sequence[Architecture], contexts: Sequence[Context]) -> NDArray[np.float64]:
    """Return the scores (n, k) of one pass.

    Raises:
        TypeError: the estimator returned something of another shape.
    """
    first = estimators[0]
    if len(estimators) == 1:
        found = np.asarray(first.score(archs, contexts[0]), dtype=np.float64)
        shape: tuple[int, ...] = (len(archs),)
    else:
        found = np.asarray(first.score_group(estimators, archs, contexts[0]), dtype=np.float64)
        shape = (len(archs), len(estimators))
    if found.shape != shape:
        raise TypeError(f"it must return scores of shape {shape}, but returned {found.shape}")
    return found.reshape(len(archs), len(estimators))
