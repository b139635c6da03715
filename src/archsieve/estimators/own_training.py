"""Own training: the user's function trains a network and returns its quality."""

from __future__ import annotations

import errno
import hashlib
import importlib
import inspect
import math
import shutil
import textwrap
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve._files import remove_file
from archsieve._spent import tell_spent
from archsieve.errors import (
    ArchsieveError,
    RunFolderError,
    ScoringError,
    SettingError,
    UnknownNameError,
    describe_error,
    ends_the_run,
)
from archsieve.estimators.contract import Price
from archsieve.fingerprints import fingerprint
from archsieve.networks.building import build_network
from archsieve.networks.generators import drawing
from archsieve.randomness import derive_seed
from archsieve.registry import near_miss
from archsieve.tasks.contract import measure_of
from archsieve.training.checkpoint import save_weights_of, spent_toward
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from archsieve.estimators.contract import Context, Scores
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

_EXTRAS = ("folder", "seed", "device")


@dataclass(frozen=True)
class OwnTraining:
    """Scores an architecture by the value that the function `train(network, task, budget)` returns.

    The function trains the network, which is newly initialised by the run's seed and lies on the CPU, as it likes: its
    own loss, augmentation, optimiser. It may name further arguments, and then gets them: `folder`, a folder of the
    architecture's own that exists and is there again for a greater budget, so that training goes on; `seed`, the run's;
    `device`, the session's. torch, numpy and `random` are seeded before each call.

    A function that raises, or returns no finite number, costs that network's score alone; the reason is recorded.

    The weights that the network has when the function returns are kept for `archsieve export` and `model()` of a
    result, as long as a stage keeps the network; an average that is meant instead must be copied into it.

    The source text of the function, comments too, is part of the identity: a change scores anew. What it calls is not;
    raise `revision` where that changes.

    Args:
        function: "module:name". The module is imported: name only code you trust.
        budget: passed on, for example as the number of epochs; forecasts take it for epochs.
        returns: "metric", a value of the task's metric in the metric's own direction, such as an error of 0.2; or
            "score", any number of which higher is better.
        revision: raise it when code that the function calls changes.
    """

    function: str = field(metadata={"code": True})
    budget: int = 1
    returns: str = "metric"
    revision: int = 1
    version: ClassVar[int] = 1
    chunk_size: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("data", "labels")

    def __post_init__(self) -> None:
        """Check the settings; the function is imported on first use."""
        if not isinstance(self.function, str) or not all(self.function.partition(":")):
            raise SettingError(f"`function` must be module:name, e.g. my_training:train, but got {self.function!r}.")
        if self.returns not in ("metric", "score"):
            raise SettingError(f"`returns` must be 'metric' or 'score', but got {self.returns!r}.")
        check_whole("budget", self.budget, least=0)
        check_whole("revision", self.revision)

    @property
    def name(self) -> str:
        """The name with the budget."""
        return f"own_training[{self.budget}]"

    @property
    def scores_metric(self) -> bool:
        """Whether scores are values of the task's metric."""
        return self.returns == "metric"

    @property
    def lineage(self) -> OwnTraining:
        """The same training with no budget: its work folder holds the folders of all architectures."""
        return replace(self, budget=0)

    def identity(self) -> dict[str, Any]:
        """Return the settings and a hash of the function's source."""
        return {
            "type": "OwnTraining",
            "version": self.version,
            "function": self.function,
            "source": source_of(function_of(self.function)),
            "budget": self.budget,
            "returns": self.returns,
            "revision": self.revision,
        }

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return `budget` epochs per network; larger budgets continue smaller ones if the function takes a folder."""
        cost = float(n * self.budget)
        goes_on = "folder" in _extras(function_of(self.function), self.function)
        return Price(cost, 0.0) if goes_on else Price(0.0, cost)

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the function's values, shape (n,), negated if lower is better.

        Raises:
            ScoringError: the function raises, or returns no finite number.
            UnknownNameError: its module has no such function.
            RunFolderError: there is no room on the disk.
        """
        return np.array([self._trained(arch, ctx) for arch in archs])

    def forget(self, archs: Sequence[Architecture], ctx: Context) -> None:
        """Delete the folders and weights of these architectures."""
        for arch in archs:
            shutil.rmtree(_folder(arch, ctx), ignore_errors=True)
            remove_file(_weights(arch, ctx))

    def _trained(self, arch: Architecture, ctx: Context) -> float:
        function = function_of(self.function)
        extras: dict[str, Any] = {"seed": ctx.seed, "device": ctx.device, "folder": _folder(arch, ctx)}
        chosen = {name: extras[name] for name in _extras(function, self.function)}
        network = build_network(ctx.space, arch, ctx.task, ctx.seed)
        earlier, begun = self._earlier(arch, ctx), time.perf_counter()
        tell_spent(earlier)
        try:
            if "folder" in chosen:
                chosen["folder"].mkdir(parents=True, exist_ok=True)
            with drawing(derive_seed(ctx.seed, "train", "own"), ctx.device):
                returned = function(network, ctx.task, self.budget, **chosen)
        except ScoringError:
            raise
        except Exception as error:  # whatever the user's code raises
            raise _failed(self.function, error) from error
        score = self._score(returned, ctx.task)
        spent = earlier + time.perf_counter() - begun
        save_weights_of(_weights(arch, ctx), network, self.budget, toward=fingerprint(self), spent=spent)
        return score

    def _earlier(self, arch: Architecture, ctx: Context) -> float:
        """Return the seconds of an earlier call that ended before its score was stored."""
        return spent_toward(_weights(arch, ctx), fingerprint(self))

    def _score(self, returned: Any, task: Task) -> float:
        """Return the function's value as a number, negated if lower is better.

        Raises:
            ScoringError: it is no finite number, or an error below zero.
        """
        value = _number(returned)
        if value is None:
            what = "nothing" if returned is None else f"{returned!r:.60} ({type(returned).__name__})"
            raise ScoringError(f"{self.function} must return a number, but returned {what}")
        if not math.isfinite(value):
            raise ScoringError(
                f"{self.function} returned {value}: the training diverged, or there was nothing to score"
            )
        measure = measure_of(task)
        if self.returns == "score" or measure.higher_is_better:
            return value
        if value < 0 and "error" in measure.name:
            raise ScoringError(
                f"{self.function} returned {value:g}, but the {measure.name} is never below 0: return the error "
                f"itself, or set returns = 'score' where higher is better"
            )
        return 0.0 - value


def _number(returned: Any) -> float | None:
    """Return a number, or a one-element tensor, as a float; None for other values."""
    if returned is None or isinstance(returned, str | bytes | bool):
        return None
    try:
        return float(returned)
    except (TypeError, ValueError, RuntimeError):  # the last by tensors of several numbers
        return None


def _folder(arch: Architecture, ctx: Context) -> Path:
    return ctx.workdir / "-".join(map(str, arch))


def _weights(arch: Architecture, ctx: Context) -> Path:
    return ctx.workdir / f"{'-'.join(map(str, arch))}.pt"


def _failed(name: str, error: Exception) -> Exception:
    """Return the error for a network on which the function failed; errors that affect every network end the run."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunFolderError(f"{name} found no room on the disk ({error.strerror}): make room, and start again.")
    is_own = isinstance(error, ArchsieveError)
    if not is_own and not isinstance(error, OSError | ImportError) and ends_the_run(error):
        return error  # a device that is lost
    return ScoringError(f"{name} raised {describe_error(error)}")


def function_of(name: str) -> Callable[..., Any]:
    """Return the function "module:name".

    Raises:
        UnknownNameError: the module is not there, or has no such function.
        SettingError: it is no function.
    """
    module, _, attribute = name.partition(":")
    try:
        attributes = vars(importlib.import_module(module))
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise UnknownNameError(f"There is no module {module!r}: add --plugin {module}.py.") from error
    if attribute not in attributes:
        raise UnknownNameError(f"The module {module!r} has no {attribute!r}.{near_miss(attribute, attributes)}")
    function = attributes[attribute]
    if not callable(function):
        raise SettingError(f"{name} must be a function train(network, task, budget), but is {function!r:.100}.")
    return function  # type: ignore[no-any-return]


def _extras(function: Callable[..., Any], name: str) -> list[str]:
    """Return the names of further arguments that a function accepts.

    Raises:
        SettingError: it does not take a network, a task and a budget, or needs something else.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of a function without one
        return []
    parameters = signature.parameters
    named = [extra for extra in _EXTRAS if extra in parameters]
    try:
        signature.bind(None, None, 0, **dict.fromkeys(named))
    except TypeError as error:
        raise SettingError(
            f"{name} must be called as train(network, task, budget), and may name {', '.join(_EXTRAS)}, but: {error}."
        ) from error
    return named


def source_of(function: Callable[..., Any]) -> str:
    """Return a hash of a function's source text, or its name if the source is unavailable."""
    try:
        text = textwrap.dedent(inspect.getsource(function)).strip()
    except (OSError, TypeError):
        text = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
