"""The network of a searched architecture, with the weights that its training saved in the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from archsieve.errors import require
from archsieve.estimators.contract import Resumable, leaves_of
from archsieve.plans.contract import estimators_of
from archsieve.runs.arithmetic import EXACT
from archsieve.runs.folder import read_mark
from archsieve.runs.keys import Keys
from archsieve.runs.recorded_scores import RecordedScores

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from archsieve.plans.contract import Plan
    from archsieve.spaces.contract import Architecture


@dataclass(frozen=True)
class Finished:
    """One architecture of a finished search.

    Attributes:
        folder: of the run.
        plan: of the search.
        result: what `result.json` holds.
        code: of the architecture.
        rank: in the last stage; 1 is the winner.
    """

    folder: Path
    plan: Plan
    result: dict[str, Any]
    code: Architecture
    rank: int


class Trained(NamedTuple):
    """A network, the estimator that trained its weights, and the epochs; without an estimator it is untrained."""

    network: nn.Module
    estimator: str | None
    epochs: int


def trained_network(found: Finished) -> Trained:
    """Return the network of an architecture on the CPU, with the weights of its last training.

    That is the final training of the plan where it left some, else the last stage that trained it. Without any, the
    weights are those by the seed, or those that its factory gives.

    Raises:
        RunFolderError: the weights are damaged, or of another network.
        MissingPackageError: torch is not installed.
    """
    require("torch", "torch")
    from archsieve.networks.building import build_network
    from archsieve.training.checkpoint import load_checkpoint

    plan, space = found.plan, found.plan.space
    code = space.canonical(found.code)
    network = build_network(space, code, plan.task, plan.seed)
    mark = read_mark(found.folder)["fingerprints"]
    device = str(found.result.get("provenance", {}).get("device", "cpu"))
    nothing = RecordedScores.of((), space, plan.task, plan.seed)
    keys = Keys(space, (mark["space"], mark["task"]), plan.seed, device, EXACT, nothing)
    for estimator in reversed(estimators_of(plan)):
        for leaf in leaves_of(estimator):
            path = found.folder / "artifacts" / keys.folder_name(leaf, ()) / f"{'-'.join(map(str, code))}.pt"
            if isinstance(leaf, Resumable) and path.is_file():
                return Trained(network, leaf.name, load_checkpoint(path, network).epochs)
    # A search on another device, or in another arithmetic, kept its weights elsewhere.
    others = list((found.folder / "artifacts").glob(f"*/{'-'.join(map(str, code))}.pt"))
    if len(others) == 1:
        return Trained(network, "a training of the run", load_checkpoint(others[0], network).epochs)
    return Trained(network, None, 0)
