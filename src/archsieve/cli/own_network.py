"""The command that scores the user's own network."""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from archsieve.cli import printing
from archsieve.cli.options import (
    Changes,
    Device,
    Json,
    Plugins,
    Proxies,
    Seed,
    TaskName,
    estimators_named,
    load,
    shared_by_all,
    task_for,
    with_settings,
)
from archsieve.cli.scoring import score_and_print
from archsieve.errors import PlanError, SettingError
from archsieve.estimators.contract import is_relative, leaves_of
from archsieve.estimators.size import Size
from archsieve.networks.form import Input
from archsieve.plans.parts import make
from archsieve.plans.plugins import load_model
from archsieve.registry import PROXIES
from archsieve.runs.session import Session
from archsieve.spaces.choices.declaration import space_of
from archsieve.spaces.choices.factory import default_of, found_by
from archsieve.spaces.choices.fit import check_outputs, fit_of
from archsieve.tasks.noise import LOSSES, LossName, Noise, default_loss
from archsieve.tasks.own_batch import OwnBatch
from archsieve.tasks.synthetic import Synthetic
from archsieve.values import is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.spaces.choices.fit import Fit
    from archsieve.spaces.choices.space import OwnSpace

_SHAPE = re.compile(
    r"(?:(?P<name>[^\W\d]\w*)=)?(?P<sides>[0-9]+(?:x[0-9]+)*)?(?::tokens=(?P<tokens>[0-9]+))?",
    re.IGNORECASE | re.ASCII,
)
_LOSS_OPTIONS: dict[str, LossName] = {"cross-entropy": "cross_entropy", "mse": "mse", "bce": "bce"}
_TARGETS: dict[LossName, str] = {"cross_entropy": "classes", "mse": "numbers", "bce": "zeros and ones"}
_IMAGE = Input((3, 32, 32))


class _Said(NamedTuple):
    """The options on inputs, outputs and loss."""

    shape: list[str] | None
    inputs: str | None
    outputs: int | None
    loss: str | None


def score_model(
    model: Annotated[str, typer.Argument(help="module:function that returns a torch.nn.Module. The function is run.")],
    proxy: Proxies = None,
    task: TaskName = None,
    change: Changes = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            help="Score on noise of this shape: 3x224x224, or 128:tokens=30522 for tokens. Repeat for each input, in "
            "order or by name (NAME=3x224x224). (default: 3x32x32 if another option on the network is given)"
        ),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            help="module:function that returns a batch: tensor, tuple or dictionary of tensors. The function is run."
        ),
    ] = None,
    outputs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of classes or of output values. (default: that of the task, or of the network)"
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(help="Which output to score, by name or position. (default: logits, or the only one)"),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="Loss: cross-entropy, mse or bce. (default: mse for one output, else cross-entropy)"),
    ] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Score your own PyTorch network with proxies and costs.

    The network keeps the weights that its own code gives it.
    """
    with printing.guarded(), ExitStack() as stack:
        options = _Said(shape, inputs, outputs, loss)
        _check_together(task, options)
        space = space_of(load_model(model), weights="given", output=output)
        plugins = [*load(plugin), space.factory.partition(":")[0]]
        estimators = estimators_named(proxy or ["params", "macs"], plugins, init="as_built")
        _check_alone(estimators)
        named = with_settings(task, change)
        the_task = task_for(named, estimators, plugins) if named or not any(options) else _own_task(space, options)
        fit = fit_of(space, the_task)
        space = space if fit.output is None else replace(space, output=fit.output)
        _check_outputs(space, the_task, fit, estimators)
        _tell(space, the_task, fit, estimators)
        estimators = [_in_batches(e, the_task) for e in estimators]
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        session = Session(
            folder, space, the_task, seed=seed, device=device, plugins=plugins, **shared_by_all(stack, 1, False)
        )
        score_and_print(stack, session, estimators, [space.default], as_json)


def _check_alone(estimators: Sequence[AnyEstimator]) -> None:
    """Refuse estimators whose scores compare networks.

    Raises:
        SettingError: there is one.
    """
    for each in estimators:
        if is_relative(each) or getattr(each, "calibration", None) is not None:
            raise SettingError(
                f"score-model scores one network, but {each.name} compares networks with each other: use `archsieve "
                f"score` with several networks of a space, or name single proxies."
            )


def _check_together(task: str | None, options: _Said) -> None:
    """Refuse options that contradict each other.

    Raises:
        SettingError: there are such, or the loss has no such name.
    """
    flags = [f"--{name}" for name, value in options._asdict().items() if value]
    if task and flags:
        raise SettingError(f"--task {task} defines inputs, outputs and loss, and so does {flags[0]}: use one of them.")
    if options.shape and options.inputs:
        raise SettingError("--inputs (your own batch) and --shape (noise) both define the input: use one of them.")
    if options.loss is not None and options.loss not in _LOSS_OPTIONS:
        raise SettingError(f"--loss must be one of {', '.join(_LOSS_OPTIONS)}, but is {options.loss!r}.")


def input_of(text: str) -> Input:
    """Return the input described by a text such as "3x32x32", "128:tokens=30522" or "ids=128:tokens=30522".

    A number alone, such as one token id, has no sides: ":tokens=100".

    Raises:
        PlanError: it is not written so.
    """
    match = _SHAPE.fullmatch(text.strip())
    if not text.strip() or match is None or (match["sides"] is None and match["tokens"] is None):
        raise PlanError(
            f"Write a shape as numbers with x between them, e.g. 3x32x32, but got {text!r}. Write token "
            f"ids as 128:tokens=30522, and an input with a name as NAME=3x32x32."
        )
    sides = tuple(int(side) for side in match["sides"].lower().split("x")) if match["sides"] else ()
    return Input(sides, int(match["tokens"]) if match["tokens"] else None, match["name"])


def _own_task(space: OwnSpace, options: _Said) -> Any:
    """Return the task of a user's batch, or of noise; unless given, the number of outputs is the network's."""
    shape, inputs, outputs, loss = options
    if outputs is None and is_whole(default := default_of(found_by(space.factory), "num_outputs")):
        outputs = int(default)  # of a factory that is told the number, its own
    form = tuple(input_of(text) for text in shape or ()) or (_IMAGE,)
    is_plain = len(form) == 1 and form[0].tokens is None and form[0].name is None and 1 <= len(form[0].shape) <= 3
    if not inputs and is_plain and outputs != 1 and loss in (None, "cross-entropy"):
        settings = {} if outputs is None else {"num_outputs": outputs}
        return make("task", {"name": "synthetic", "shape": list(form[0].shape), **settings})
    task: Noise | OwnBatch = OwnBatch(load_model(inputs), 1) if inputs else Noise(form, 1)
    if outputs is None:
        sizes = fit_of(space, task).outputs
        outputs = sizes[0] if sizes else 1
    return replace(task, num_outputs=outputs, loss_name=_LOSS_OPTIONS[loss] if loss else default_loss(outputs))


def _check_outputs(space: OwnSpace, task: Any, fit: Fit, estimators: Sequence[AnyEstimator]) -> None:
    """Check the outputs if an estimator uses them: costs never do, and noise only with a loss.

    Raises:
        SettingError: they are not those of the task.
    """
    labelled, is_noise = _labelled(estimators), isinstance(task, Noise | OwnBatch)
    if all(isinstance(leaf, Size) for e in estimators for leaf in leaves_of(e)) or (is_noise and not labelled):
        return
    is_of_classes = getattr(task, "loss_name", "cross_entropy") == "cross_entropy"
    if labelled and is_of_classes and len(fit.outputs) > 1 and (is_noise or isinstance(task, Synthetic)):
        raise SettingError(
            f"{space.factory} returns outputs of shape {fit.outputs} per item, but the loss of {', '.join(labelled)} "
            f"needs one number per class: choose another output (--output), or proxies without labels, e.g. nwot."
        )
    check_outputs(space, task, fit)


def _labelled(estimators: Sequence[AnyEstimator]) -> list[str]:
    """Return the names of the estimators that need a loss."""
    leaves = [leaf for e in estimators for leaf in leaves_of(e)]
    return [leaf.name for leaf in leaves if "labels" in getattr(leaf, "needs", ()) or hasattr(leaf, "epochs")]


def _tell(space: OwnSpace, task: Any, fit: Fit, estimators: Sequence[AnyEstimator]) -> None:
    """Print notes on how the network and its targets are used."""
    if count := len(space.decisions):
        printing.note(
            f"{space.factory} asks for {count} decision{'s' * (count > 1)}: this is its default network. Others: "
            f"`archsieve score {space.factory} ARCHITECTURE --plugin {space.factory.partition(':')[0]}`."
        )
    if fit.precision:
        printing.note(f"{space.factory} has {fit.precision} weights; it is scored in float32.")
    if isinstance(task, Noise | OwnBatch) and (names := _labelled(estimators)):
        alternative = (
            " (--loss bce: of a binary classifier)" if task.loss_name == "mse" and task.num_outputs == 1 else ""
        )
        printing.note(
            f"Loss of {', '.join(names)}: {LOSSES[task.loss_name]}{alternative}, "
            f"against random {_TARGETS[task.loss_name]}."
        )


def _in_batches(estimator: Any, task: Any) -> Any:
    """Return a proxy of several batches with the batch size that matches a user's batch."""
    parts = getattr(PROXIES[estimator.proxy], "batches", 1) if hasattr(estimator, "proxy") else 1
    if not isinstance(task, OwnBatch) or parts == 1:
        return estimator
    return replace(estimator, batch_size=max(1, min(estimator.batch_size, task.count("train") // parts)))
