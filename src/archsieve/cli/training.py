"""The command that trains an architecture, given or found by a search, by a recipe."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archsieve.cli import printing as console
from archsieve.cli.options import Device, Json, Plugins, RunFolder, Seed, load
from archsieve.errors import SettingError, require
from archsieve.registry import SPACES
from archsieve.retraining.from_run import found_by
from archsieve.retraining.recipe_files import recipe_for, training_of
from archsieve.tasks.contract import Measure, measure_of

if TYPE_CHECKING:
    from archsieve.retraining.log import EpochMetrics
    from archsieve.retraining.recipe_files import Training
    from archsieve.retraining.run import Start, TrainingResult
    from archsieve.spaces.contract import Architecture


def train(
    space: Annotated[str, typer.Argument(help="Name of the space, or run folder of a finished search.")],
    arch: Annotated[
        str | None,
        typer.Argument(help="Architecture, in the notation of the space. Leave it out for the folder of a search."),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(
            min=1, help="Which architecture of the search to train: 1 is the winner, k the k-th best of the last stage."
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Name of a shipped recipe (`archsieve list recipes`), or TOML file. (default: that of the space)"
        ),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Name of the task. (default: that of the recipe)")] = None,
    epochs: Annotated[int | None, typer.Option(help="Number of epochs. (default: that of the recipe)")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Items in each batch. (default: that of the recipe)")] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change the recipe: NAME=VALUE, e.g. drop_path=0.2 or space.width=16. Repeatable."),
    ] = None,
    out: RunFolder = None,
    init: Annotated[
        Path | None, typer.Option(help="Start from the weights in this safetensors file. All tensors must match.")
    ] = None,
    init_partial: Annotated[
        bool,
        typer.Option("--init-partial", help="Load the tensors whose name and shape match; leave the rest initialised."),
    ] = False,
    init_prefix: Annotated[
        str,
        typer.Option(
            help="Load only the tensors whose names begin with this prefix, e.g. backbone. for backbone.stem.weight."
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print parameters, steps and estimated hours. Do not train.")
    ] = False,
    no_timing: Annotated[
        bool, typer.Option("--no-timing", help="In a dry run, do not time steps: print no hours.")
    ] = False,
    seed: Seed = 0,
    device: Device = "cpu",
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write the metrics for TensorBoard.")] = False,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Train an architecture, or the winner of a search, by a recipe. The same command resumes.

    Several GPUs: torchrun --nproc-per-node N -m archsieve train ...
    """
    settings = (("epochs", epochs), ("batch_size", batch_size))
    changes = [*(f"{key}={value}" for key, value in settings if value is not None), *(change or [])]
    with console.guarded():
        require("torch", "torch")
        from archsieve.retraining.run import Start

        if arch is None:
            space, arch, task, changes = _found(space, rank, recipe, task, changes, load(plugin))
        elif rank is not None:
            raise SettingError("--rank applies to the folder of a search: pass the folder and no architecture.")
        plugins = load(plugin)
        SPACES[space]  # an unknown name is an error of its own, before any on recipes
        training = training_of(space, recipe or recipe_for(space), task=task, changes=changes, plugins=plugins)
        code = training.space.parse(arch)
        if init is None and (init_partial or init_prefix):
            raise SettingError("--init-partial and --init-prefix need a file of weights: pass it with --init.")
        if int(os.environ.get("RANK", "0")) == 0:
            _say_notes(training, init)
        start = Start(seed, init, init_partial or bool(init_prefix), init_prefix)
        if dry_run:
            _rehearse(training, code, start, device, not no_timing, as_json)
            return
    folder = out or Path("runs") / f"{training.recipe_name}-{'-'.join(map(str, code))}"
    again = [*_program(), "train", space, arch, "--out", str(folder)]
    named = (("recipe", recipe), ("task", task), ("init", init), ("seed", seed or None))
    again += [word for name, value in named if value is not None for word in (f"--{name}", str(value))]
    again += [word for text in changes for word in ("--set", text)]
    again += ["--init-partial"] * init_partial + ["--tensorboard"] * tensorboard
    again += ["--init-prefix", init_prefix] if init_prefix else []
    again += [] if device == "cpu" else ["--device", device]
    again += [word for name in plugin or [] for word in ("--plugin", name)]
    with console.guarded(folder, shlex.join(again)):
        _train(training, code, folder, start, device, tensorboard, shlex.join(again), as_json)


def _found(
    folder: str, rank: int | None, recipe: str | None, task: str | None, changes: list[str], plugins: list[str]
) -> tuple[str, str, str | None, list[str]]:
    """Return space, architecture, task and settings from a search result; the user's changes come last."""
    if rank is None and not Path(folder).is_dir():
        raise typer.BadParameter(
            f"Pass an architecture of the space {folder}, or the folder of a finished search instead of a space.",
            param_hint="ARCH",
        )
    choice = found_by(Path(folder), rank or 1, recipe, task, plugins)
    if int(os.environ.get("RANK", "0")) == 0:
        console.note(choice.note)
    return choice.space, choice.arch, choice.task, [*choice.changes, *changes]


def _say_notes(training: Training, init: Path | None) -> None:
    for note in training.notes:
        console.note(note)
    if training.pretrained and init is None:
        console.note(
            f"The recipe expects weights pretrained on {training.pretrained}. Without --init all weights are random: "
            f"do not expect published figures."
        )


def _program() -> list[str]:
    """Return how the program was started: as one process, or as one of several."""
    count = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return ["archsieve"] if count == "1" else ["torchrun", "--nproc-per-node", count, "-m", "archsieve"]


def _train(
    training: Training,
    code: Architecture,
    folder: Path,
    start: Start,
    device: str,
    tensorboard: bool,
    command: str,
    as_json: bool,
) -> None:
    """Train in all started processes; only the first one prints."""
    from archsieve.retraining.run import run_training
    from archsieve.training.distributed import joined_world

    with joined_world(device) as (world, own_device):
        result = run_training(
            training,
            code,
            folder,
            start=start,
            device=own_device,
            world=world,
            tensorboard=tensorboard,
            command=command,
            show=partial(_show, training.recipe.horizon, measure_of(training.task)),
            note=console.note,
        )
    if world.is_first:
        (console.out_json if as_json else partial(_print, folder))(result)


def _show(epochs: int, measure: Measure, row: EpochMetrics) -> None:
    validation = "" if row.validation is None else f", validation {measure.amount(row.validation)}"
    console.note(
        f"epoch {row.epoch}/{epochs}: loss {row.loss:.4f}, test {measure.amount(row.test)}{validation}, rate "
        f"{row.learning_rate:.4g}, {row.seconds:.1f} s"
    )


def _print(folder: Path, result: TrainingResult) -> None:
    console.out(
        f"{result.architecture} of {result.space}, trained {result.epochs} epochs by {result.recipe}, "
        f"seed {result.seed}"
    )
    console.out(f"{result.params:,} parameters, {result.macs:,} MACs")
    measure = Measure(result.metric, result.higher_is_better)
    console.out(f"Test {measure.name}: {measure.amount(result.test)}{measure.direction}")
    best = measure.amount(result.best_test)
    console.out(f"Best epoch, chosen on the test set itself (optimistic): {best} in epoch {result.best_epoch}")
    console.out(f"{result.seconds:.1f} seconds of training. Weights: {folder}/weights.safetensors")


def _rehearse(training: Training, code: Architecture, start: Start, device: str, is_timed: bool, as_json: bool) -> None:
    """Print the expected cost of a training."""
    from archsieve.networks.building import build_network, check_device
    from archsieve.training.rehearsal import rehearse

    check_device(device)
    if start.init is not None:
        console.note(start.load(build_network(training.space, code, training.task, start.seed)))
    estimate = rehearse(training, code, seed=start.seed, device=device, is_timed=is_timed)
    for note in estimate.notes:
        console.note(note)
    if as_json:
        console.out_json(estimate)
        return
    rows = [("parameters", f"{estimate.params:,}")]
    if estimate.auxiliary_params:
        rows.append(("with auxiliary head", f"{estimate.params + estimate.auxiliary_params:,}"))
    rows += [("MACs", f"{estimate.macs:,}"), ("items to train on", f"{estimate.items:,}")]
    rows += [("steps", f"{estimate.steps_per_epoch:,} an epoch, {estimate.steps:,} in {estimate.epochs} epochs")]
    if estimate.seconds_per_step is not None and estimate.hours is not None:
        data = "noise, since the data are not here" if estimate.is_timed_on_noise else "the data"
        rows += [
            ("seconds a step", f"{estimate.seconds_per_step:.3g}"),
            ("hours", f"{estimate.hours:.3g} on {estimate.device}"),
        ]
        rows += [("timed", f"{estimate.timed_steps} steps of {estimate.timed_items} items, on {data}")]
    console.table((estimate.space, estimate.recipe), rows)
