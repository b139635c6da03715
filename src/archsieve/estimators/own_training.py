"""Own training: the user's function trains a network and returns its quality."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve._files import remove_file
from archsieve._spent import tell_spent
from archsieve.errors import ScoringError, SettingError, ends_the_run
from archsieve.estimators.contract import Price
from archsieve.estimators.training_function import (
    contained,
    extras_of,
    failed,
    function_of,
    number_of,
    source_of,
    what_is,
)
from archsieve.fingerprints import fingerprint
from archsieve.networks.building import build_network
from archsieve.notices import notice
from archsieve.randomness import derive_seed
from archsieve.tasks.contract import measure_of
from archsieve.training.checkpoint import save_weights_of, spent_toward
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from archsieve.estimators.contract import Context, Scores
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class OwnTraining:
    """Scores an architecture by the value that the function `train(network, task, budget)` returns.

    The function trains the network, which is newly initialised by the run's seed and lies on the CPU, as it likes: its
    own loss, augmentation, optimiser. It may name further arguments, and then gets them: `folder`, a folder of the
    architecture's own that exists and is there again for a greater budget, so that training goes on; `seed`, the run's;
    `device`, the session's. torch, numpy and `random` are seeded before each call. What it changes for the whole
    process (torch's default precision, threads, modes, the directory) is put back, and what it prints goes to standard
    error.

    A function that raises or exits, or returns no finite number, costs that network's score alone; the reason is
    recorded with the line of its file.

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
        goes_on = "folder" in extras_of(function_of(self.function), self.function)
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
        chosen = {name: extras[name] for name in extras_of(function, self.function)}
        network = build_network(ctx.space, arch, ctx.task, ctx.seed)
        tensors = _forms_of(network)
        earlier, begun = self._earlier(arch, ctx), time.perf_counter()
        tell_spent(earlier)
        old = None
        try:
            if "folder" in chosen:
                chosen["folder"].mkdir(parents=True, exist_ok=True)
                old = chosen["folder"] if any(chosen["folder"].iterdir()) else None
            with contained(derive_seed(ctx.seed, "train", "own"), ctx.device):
                returned = function(network, ctx.task, self.budget, **chosen)
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            if isinstance(error, ScoringError) and not ends_the_run(error):
                raise
            raise failed(self.function, error, network, ctx.task, old) from error
        score = self._score(returned, ctx.task)
        spent = earlier + time.perf_counter() - begun
        path = _weights(arch, ctx)
        if changed := _changed(tensors, _forms_of(network)):
            remove_file(path)
            notice(
                f"{self.function} changed the tensors of the network ({changed}), so its weights are not kept for "
                f"`archsieve export`: undo such changes (pruning, parametrisations, fused layers) before it returns."
            )
        else:
            save_weights_of(path, network, self.budget, toward=fingerprint(self), spent=spent)
        return score

    def _earlier(self, arch: Architecture, ctx: Context) -> float:
        """Return the seconds of an earlier call that ended before its score was stored."""
        return spent_toward(_weights(arch, ctx), fingerprint(self))

    def _score(self, returned: Any, task: Task) -> float:
        """Return the function's value as a number, negated if lower is better.

        Raises:
            ScoringError: it is no finite number, or an error below zero.
        """
        value = number_of(returned)
        if value is None:
            raise ScoringError(f"{self.function} must return a number, but returned {what_is(returned)}")
        if not math.isfinite(value):
            raise ScoringError(
                f"{self.function} returned {value}: the training diverged, or there was nothing to score"
            )
        measure = measure_of(task)
        if self.returns == "score":
            return value
        if "percent" in measure.name and not -1e-3 <= value <= 100 + 1e-3:
            raise ScoringError(
                f"{self.function} returned {value:g}, but the {measure.name} is in 0..100: return the metric itself, "
                f"or set returns = 'score' where higher is better"
            )
        if measure.higher_is_better:
            return value
        if value < 0 and "error" in measure.name:
            raise ScoringError(
                f"{self.function} returned {value:g}, but the {measure.name} is never below 0: return the error "
                f"itself, or set returns = 'score' where higher is better"
            )
        return 0.0 - value


def _forms_of(network: nn.Module) -> dict[str, tuple[int, ...] | None]:
    """Return the shapes of a network's tensors by name; None for one that holds no numbers."""
    tensors = {name: tensor for name, tensor in network.state_dict().items() if hasattr(tensor, "shape")}
    return {name: None if tensor.is_meta else tuple(tensor.shape) for name, tensor in tensors.items()}


def _changed(before: dict[str, tuple[int, ...] | None], after: dict[str, tuple[int, ...] | None]) -> str:
    """Return the name of a tensor that is new, gone or of another shape; empty if there is none."""
    return next((name for name in (*before, *after) if before.get(name, ()) != after.get(name, ())), "")


def _folder(arch: Architecture, ctx: Context) -> Path:
    return ctx.workdir / "-".join(map(str, arch))


def _weights(arch: Architecture, ctx: Context) -> Path:
    return ctx.workdir / f"{'-'.join(map(str, arch))}.pt"
