"""The final training of one architecture: a folder with checkpoint, metrics, weights and result."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from archsieve.errors import RunFolderError
from archsieve.fingerprints import identity
from archsieve.networks.building import build_network
from archsieve.networks.counting import sizes_of
from archsieve.networks.weights import load_backbone, load_weights, save_weights
from archsieve.retraining.log import EpochMetrics, TrainingLog
from archsieve.runs.folder import RESULT_FILE, difference, former_identities, lock, read_json, write_json
from archsieve.runs.provenance import Provenance, provenance
from archsieve.sources import sha256_of
from archsieve.tasks.contract import measure_of
from archsieve.training.distributed import World
from archsieve.training.loop import train, trainer_of
from archsieve.training.scalars import scalars

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import nn

    from archsieve.networks.counting import Sizes
    from archsieve.retraining.recipe_files import Training
    from archsieve.spaces.contract import Architecture

MARK_FILE = "training.json"
WEIGHTS_FILE = "weights.safetensors"
CHECKPOINT_FILE = "checkpoint.pt"


@dataclass(frozen=True)
class Start:
    """The start of a training: weights drawn by the seed, or read from a file.

    Attributes:
        seed: of initial weights, order, augmentation and drop path.
        init: safetensors file of weights; None for those drawn.
        is_partial: load the tensors that fit, and leave the rest as drawn.
        prefix: what stands before the network's own names in that file; only with `is_partial`.
    """

    seed: int = 0
    init: Path | None = None
    is_partial: bool = False
    prefix: str = ""

    def load(self, network: nn.Module) -> str:
        """Load the weights file, and return a sentence on what was loaded; empty without a file.

        Raises:
            MissingDataError: there is no such file.
            DataError: it is no whole safetensors file.
            SettingError: it does not fit.
        """
        if self.init is None:
            return ""
        if not self.is_partial:
            load_weights(self.init, network)
            return f"All weights are taken from {self.init}."
        loaded, missing = load_backbone(network, self.init, prefix=self.prefix)
        rest = f", the rest is drawn by the seed: {missing[0]} and {len(missing) - 1} others" if missing else ""
        return f"{len(loaded)} of {len(loaded) + len(missing)} tensors are taken from {self.init}{rest}."


@dataclass(frozen=True)
class TrainingResult:
    """The result of a final training.

    Attributes:
        higher_is_better: direction of the metric.
        test: the task's metric on the test split after the last epoch, which is the figure to report.
        best_test: the best of all epochs, chosen by the test split itself, and so too good.
        seconds: of training, scoring left out.
        params: of the network, its auxiliary head left out; those are `auxiliary_params`.
        parts: micro-batches of a batch, in all processes.
    """

    space: str
    architecture: str
    task: str
    recipe: str
    seed: int
    epochs: int
    metric: str
    higher_is_better: bool
    test: float
    best_test: float
    best_epoch: int
    validation: float | None
    params: int
    auxiliary_params: int
    macs: int
    seconds: float
    parts: int
    provenance: Provenance


def run_training(
    training: Training,
    arch: Architecture,
    folder: Path,
    *,
    start: Start | None = None,
    device: str = "cpu",
    world: World | None = None,
    tensorboard: bool = False,
    command: str = "",
    show: Callable[[EpochMetrics], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Train a network by a recipe and score it after every epoch; an existing folder is resumed.

    Args:
        training: space, task and recipe.
        arch: a code of the space.
        folder: made if it is not there; seen by all processes, written by the first.
        start: the seed, and weights to start from.
        device: where to train.
        world: the processes that train together; this one alone if None.
        tensorboard: keep the figures of the epochs for TensorBoard too, in `tensorboard/`.
        command: what was called, for the record.
        show: called with the metrics of each epoch, in the first process.
        note: called with a sentence that says what the initial weights were taken from, in the first process.

    Raises:
        RunFolderError: the folder holds another training, is in use, or is damaged.
        MissingDataError: the task's data are not here.
        SettingError: the initial weights do not fit, or batches do not part evenly.
    """
    world, start = world or World(), start or Start()
    recipe, task = training.recipe, training.task
    mark = _mark(training, arch, start, world)
    network = build_network(training.space, arch, task, start.seed)
    sizes = sizes_of(training.space, arch, task)
    weights_note = start.load(network)
    if note is not None and world.is_first and not (folder / CHECKPOINT_FILE).exists():
        for text in (weights_note, *sizes.notes) if weights_note else sizes.notes:
            note(text)
    trainer_of(network, task, recipe, seed=start.seed, device=device, world=world)  # refuses an impossible training
    next(iter(task.batches("train", batch_size=1)), None)  # fails without data, before a folder is claimed
    with ExitStack() as stack:
        if world.is_first:
            stack.callback(lock(folder, "training").close)
        _claim(folder, mark, former_identities(task), writes=world.is_first)
        log = folder / "tensorboard" if tensorboard and world.is_first else None
        write = stack.enter_context(scalars(log))
        metrics = TrainingLog(folder, network, task, device, write, show) if world.is_first else None
        train(
            network,
            task,
            recipe,
            epochs=recipe.horizon,
            seed=start.seed,
            device=device,
            checkpoint=folder / CHECKPOINT_FILE,
            tell=metrics,
            world=world,
        )
        result = _result(training, arch, start.seed, world, metrics, sizes, provenance(command, device, world.size))
        if world.is_first:
            save_weights(folder / WEIGHTS_FILE, network, {**mark, "versions": result.provenance.versions})
            write_json(folder / RESULT_FILE, asdict(result))
        return result


def _mark(training: Training, arch: Architecture, start: Start, world: World) -> dict[str, Any]:
    """Return the identity of a training as plain JSON values, without how processes share its batches."""
    left_out = ("type", "version", "micro_batches")
    settings = {key: value for key, value in identity(training.recipe).items() if key not in left_out}
    recipe = {key: "inf" if value == math.inf else value for key, value in settings.items()}
    return {
        "space": identity(training.space),
        "architecture": training.space.describe(arch),
        "task": identity(training.task),
        "recipe": {"name": training.recipe_name, **recipe, "parts": training.recipe.micro_batches * world.size},
        "seed": start.seed,
        "init": None if start.init is None else _init(start.init, start),
    }


def _init(path: Path, start: Start) -> dict[str, Any]:
    prefix = {"prefix": start.prefix} if start.prefix else {}
    return {"sha256": sha256_of(path), "partial": start.is_partial, **prefix}


def _claim(folder: Path, mark: dict[str, Any], former: Sequence[dict[str, Any]], *, writes: bool) -> None:
    """Mark the folder as made for this training, under the task's current or a former identity.

    Raises:
        RunFolderError: it was made for another.
    """
    path = folder / MARK_FILE
    if not path.exists():
        if writes:
            write_json(path, mark)
        return
    stored = read_json(path)
    others = [difference(stored, {**mark, "task": task}) for task in (mark["task"], *former)]
    if all(others):
        raise RunFolderError(
            f"The folder {folder} belongs to another training: {others[0]}. Choose another folder, or use its settings."
        )


def _result(
    training: Training,
    arch: Architecture,
    seed: int,
    world: World,
    metrics: TrainingLog | None,
    sizes: Sizes,
    made_with: Provenance,
) -> TrainingResult:
    """Return the result; its metrics are NaN in processes that do not score."""
    task = training.task
    rows = metrics.rows if metrics else [EpochMetrics(0, math.nan, math.nan, math.nan, None, 0.0)]
    measure = measure_of(task)
    best = (max if measure.higher_is_better else min)(rows, key=lambda row: row.test)
    return TrainingResult(
        space=training.space.name,
        architecture=training.space.describe(arch),
        task=task.name,
        recipe=training.recipe_name,
        seed=seed,
        epochs=training.recipe.horizon,
        metric=measure.name,
        higher_is_better=measure.higher_is_better,
        test=rows[-1].test,
        best_test=best.test,
        best_epoch=best.epoch,
        validation=rows[-1].validation,
        params=sizes.params,
        auxiliary_params=sizes.auxiliary_params,
        macs=sizes.macs,
        seconds=sum(row.seconds for row in rows),
        parts=training.recipe.micro_batches * world.size,
        provenance=made_with,
    )
