"""Whether the default network of a user's own model takes the inputs of a task and has its outputs."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from archsieve.errors import ArchsieveError, SettingError, ShapeError
from archsieve.networks.form import inputs_of
from archsieve.spaces.choices.output import ChosenOutput, only_output

if TYPE_CHECKING:
    from torch import nn

    from archsieve.spaces.choices.space import OwnSpace
    from archsieve.tasks.contract import Task


class Fit(NamedTuple):
    """The result of a forward pass of two items through the user's network.

    Attributes:
        outputs: shape of the outputs of an item.
        precision: of its weights, where it is not float32.
        output: which of several outputs is meant, where the space must be told; else None.
    """

    outputs: tuple[int, ...]
    precision: str
    output: str | None


def fit_of(space: OwnSpace, task: Task) -> Fit:
    """Return what one forward pass shows: of two items, zeros or last tokens, or of the task's own example.

    Raises:
        SettingError: the network does not take the task's inputs; says what it takes.
        ScoringError: it is not clear which output is meant.
    """
    import torch

    from archsieve.networks.building import precisions_of, with_all_weights
    from archsieve.networks.inputs import call, example_of, made_from, parts_of
    from archsieve.networks.outputs import main_output

    arch = space.default
    original = space.as_written(arch, task)
    precision = precisions_of(original)
    try:
        network = with_all_weights(space.build(arch, task), task).eval()
        with torch.no_grad():
            inputs = made_from(example_of(task), 2, "cpu")
            if not hasattr(task, "example"):
                for each, tensor in zip(inputs_of(task), parts_of(inputs), strict=True):
                    tensor[1] = (each.tokens or 1) - 1  # the last token, which an embedding may not have
            outputs = call(network, inputs)
            meant = None if space.output else only_output(space.factory, outputs)
            if meant is not None:
                outputs = ChosenOutput(space.factory, meant)(network, inputs, outputs)
            shape = main_output(outputs).shape
    except ArchsieveError as error:
        if not isinstance(error, ShapeError):
            raise
        raise _refused(space, original, task, str(error).rpartition(". ")[0], error.__cause__ or error) from error
    except Exception as error:  # of any kind, by what code does with inputs that it does not expect
        reason = " ".join(f"{error}".split()).rstrip(".") or type(error).__name__
        raise _refused(space, original, task, reason, error) from error
    return Fit(tuple(shape[1:]), precision, meant)


def _refused(space: OwnSpace, network: nn.Module, task: Task, reason: str, error: BaseException) -> SettingError:
    """Return the error of a network that does not take the task's inputs: why, and what to do."""
    forms = " and ".join(map(str, inputs_of(task)))
    shape = tuple(task.input_shape) if len(inputs_of(task)) == 1 and inputs_of(task)[0].tokens is None else forms
    advice = _advice(network, task, error)
    return SettingError(f"{space.factory} does not take inputs of shape {shape}: {reason}. {advice}")


def check_fit(space: OwnSpace, task: Task) -> Fit:
    """Return `fit_of`, and check that the network has the task's outputs.

    Raises:
        SettingError: it does not, or does not take the task's inputs.
        ScoringError: it is not clear which output is meant.
    """
    fit = fit_of(space, task)
    check_outputs(space, task, fit)
    return fit


def check_outputs(space: OwnSpace, task: Task, fit: Fit) -> None:
    """Check that the outputs that `fit_of` returned have the shape that the task needs.

    Raises:
        SettingError: they are not.
    """
    loss = getattr(task, "loss_name", "cross_entropy")
    if loss == "cross_entropy" and (not fit.outputs or fit.outputs[0] < task.num_outputs):
        raise SettingError(
            f"{space.factory} gives outputs of shape {fit.outputs}, but the task has {task.num_outputs} classes: set "
            f"the number (--outputs; 1 for a regression, or for a binary classifier with --loss bce)."
        )
    if loss != "cross_entropy" and math.prod(fit.outputs) != task.num_outputs:
        raise SettingError(
            f"{space.factory} gives outputs of shape {fit.outputs}, but the task has {task.num_outputs} numbers "
            f"for each item: set the number (--outputs)."
        )


def _advice(network: nn.Module, task: Task, error: BaseException) -> str:
    """Return advice for a network that does not take the inputs."""
    from torch import nn

    inputs, is_own = inputs_of(task), hasattr(task, "example")
    needed, most = _arguments(network)
    if len(needed) > len(inputs):
        names = ", ".join(needed)
        how = "return a tuple of them" if is_own else "give --shape once for each, e.g. --shape 3x32x32 --shape 10"
        return f"It takes {len(needed)} inputs ({names}) and got {len(inputs)}: {how}."
    if hasattr(task, "scored_by"):  # a task of the user's own data, whose form its settings say
        return f"These are the inputs of the task {task.name!r}: change what the network takes, or the task's settings."
    if most is not None and len(inputs) > most:
        return f"It takes at most {most} input{'s' * (most != 1)} and got {len(inputs)}."
    tables = [m.num_embeddings for m in network.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)]
    has_tokens = any(each.tokens is not None for each in inputs)
    if tables and not has_tokens and not is_own:
        sides = inputs[0].shape[0] if len(inputs[0].shape) == 1 else 128
        return f"It looks tokens up: say how many there are, e.g. --shape {sides}:tokens={tables[0]}."
    if tables and isinstance(error, IndexError):
        return f"Its embeddings have {', '.join(map(str, sorted(set(tables))))} rows: tokens and lengths must be below."
    if is_own:
        return "The function that --inputs names must return what it takes: a tensor, a tuple, or a dictionary by name."
    if has_tokens and not tables:
        return "It may take real numbers: leave `:tokens=` out."
    return "Describe its inputs (--shape), or pass your own batch (--inputs module:function)."


def _arguments(network: Any) -> tuple[list[str], int | None]:
    """Return the names of the inputs that a network cannot do without, and how many it takes at most; None: any."""
    try:
        parameters = list(inspect.signature(network.forward).parameters.values())
    except (AttributeError, TypeError, ValueError):
        return [], None
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD], None
    return [p.name for p in parameters if p.default is p.empty], len(parameters)
