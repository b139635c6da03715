"""The inputs of a network: one tensor, several in order, or tensors by name; the first dimension is the items."""

from __future__ import annotations

import inspect
import re
import traceback
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from archsieve._reading import quoted
from archsieve.errors import ArchsieveError, ShapeError
from archsieve.networks.form import Given, Input, inputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archsieve.spaces.form import Form
    from archsieve.tasks.contract import Task

_MISFIT = re.compile(
    r"shapes? .*cannot be multiplied|size mismatch|must match|mismatch in shape|same (dtype|number of dim)|"
    r"[Ee]xpected (\d-?D|\d+D|.*input|.*dim|.*scalar type|.*to have)|Given (groups|input|normalized_shape)|"
    r"invalid for input of size|can't be greater than|too small|expanded size|index out of range|"
    r"out of range \(expected|"
    r"embed_dim|but got .*(size|shape|channels|dim)|dimension|not broadcastable|inconsistent|same size|"
    r"should contain \d+ elements|must be equal to|multiply up to|values to unpack"
)
"""What torch says of shapes and kinds of numbers that do not fit."""
_NO_TOKEN = re.compile(r"index out of range in self")

Example: TypeAlias = "tuple[int, ...] | tuple[Input, ...] | Given"
"""What a network is counted with: the shape of one input of real numbers, `Input`s, or a batch of inputs itself."""


def call(network: nn.Module, given: Given) -> Any:
    """Call a network and return its result: several inputs are passed in order, those in a dictionary by name.

    Inputs beyond the network's positional arguments go to its keyword-only arguments, the required ones first. If the
    network turns gradients on or off, or changes torch's default precision, this is undone afterwards.

    Raises:
        ShapeError: torch refuses the shapes or the kind of numbers that a layer is given.
    """
    values = () if isinstance(given, dict) else (given,) if isinstance(given, Tensor) else tuple(given)
    placed, named = ((), given) if isinstance(given, dict) else _arguments(network, values)
    has_gradients, precision = torch.is_grad_enabled(), torch.get_default_dtype()
    try:
        return network(*placed, **named)
    except (RuntimeError, ValueError, IndexError, AssertionError) as error:
        if isinstance(error, ArchsieveError) or not _MISFIT.search(str(error)):
            raise
        raise _misfit(network, given, error) from error
    finally:
        if torch.is_grad_enabled() != has_gradients:
            torch.set_grad_enabled(has_gradients)
        if torch.get_default_dtype() != precision:
            torch.set_default_dtype(precision)


def _misfit(network: nn.Module, given: Given, error: Exception) -> ShapeError:
    """Return the error for a network whose inputs do not fit, naming the layer where torch failed."""
    layers = {id(module): (name, type(module).__name__) for name, module in network.named_modules() if name}
    frames = (frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__))
    met = [layers[id(layer)] for layer in frames if id(layer) in layers]
    where = f" in the layer {met[-1][0]!r} ({met[-1][1]})" if met else ""
    said = quoted(" ".join(str(error).split())).rstrip(".")
    kinds = ", ".join(_kind_of(tensor) for tensor in parts_of(given))
    advice = "Make the layers fit each other and the inputs of the task."
    if _NO_TOKEN.search(said):
        advice = "Give its table of embeddings a row for each token or place."
    return ShapeError(f"The network cannot be run on {kinds}{where}: {said}. {advice}")


def _kind_of(tensor: Tensor) -> str:
    """Return the form of an input as text."""
    what = "real numbers" if tensor.is_floating_point() else "whole numbers"
    return f"{what} of shape {tuple(tensor.shape[1:])}"


def _arguments(network: Any, values: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    try:
        parameters = list(inspect.signature(network.forward).parameters.values())
    except (AttributeError, TypeError, ValueError):  # a compiled one may have none
        return values, {}
    places = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    if places >= len(values) or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return values, {}
    keywords = sorted((p for p in parameters if p.kind is p.KEYWORD_ONLY), key=lambda p: p.default is not p.empty)
    if len(keywords) < len(values) - places:
        return values, {}
    return values[:places], {p.name: value for p, value in zip(keywords, values[places:], strict=False)}


def parts_of(given: Given) -> list[Tensor]:
    """Return the tensors of the inputs in order."""
    if isinstance(given, Tensor):
        return [given]
    return list(given.values() if isinstance(given, dict) else given)


def mapped(given: Given, change: Callable[[Tensor], Tensor]) -> Given:
    """Return the inputs with `change` applied to every tensor."""
    if isinstance(given, Tensor):
        return change(given)
    if isinstance(given, dict):
        return {name: change(tensor) for name, tensor in given.items()}
    return tuple(change(tensor) for tensor in given)


def items_in(given: Given) -> int:
    """Return the number of items in the inputs."""
    return len(parts_of(given)[0])


def first_of(given: Given, count: int) -> Given:
    """Return the first items."""
    return mapped(given, lambda tensor: tensor[:count])


def is_real(given: Given) -> bool:
    """Whether the inputs are one tensor of real numbers."""
    return isinstance(given, Tensor) and given.is_floating_point()


def arranged(inputs: Sequence[Input], tensors: Sequence[Tensor]) -> Given:
    """Return tensors in the structure of the inputs: one tensor, a tuple, or a dictionary by name."""
    if inputs[0].name is not None:
        return {str(each.name): tensor for each, tensor in zip(inputs, tensors, strict=True)}
    return tensors[0] if len(tensors) == 1 else tuple(tensors)


def zeros_of(inputs: Sequence[Input], items: int, device: torch.device | str = "cpu") -> Given:
    """Return zeros for an input form: 0.0, or token 0."""
    kinds = [torch.float32 if each.tokens is None else torch.int64 for each in inputs]
    tensors = [torch.zeros(items, *i.shape, dtype=kind, device=device) for i, kind in zip(inputs, kinds, strict=True)]
    return arranged(inputs, tensors)


def made_for(network: nn.Module, example: Example, items: int, device: torch.device | str) -> Given:
    """Return the inputs of `made_from`, with real numbers in the precision of the network's weights."""
    kinds = (p.dtype for p in network.parameters() if p.is_floating_point())
    kind = next(kinds, torch.float32)
    inputs = made_from(example, items, device)
    return mapped(inputs, lambda tensor: tensor.to(kind) if tensor.is_floating_point() else tensor)


def made_from(example: Example, items: int, device: torch.device | str) -> Given:
    """Return `items` inputs on the device: zeros, or items of a batch, repeated if it has fewer."""
    if isinstance(example, Tensor | dict) or (example and isinstance(example[0], Tensor)):
        batch: Given = example
        order = torch.arange(items) % items_in(batch)
        return mapped(batch, lambda tensor: tensor[order.to(tensor.device)].to(device))
    if example and isinstance(example[0], Input):
        return zeros_of(example, items, device)
    return torch.zeros(items, *example, device=device)


def example_of(task: Task | Form) -> Example:
    """Return the inputs for counting a task's networks: its `example()` if defined, else from its `inputs`."""
    example = getattr(task, "example", None)
    return example() if callable(example) else inputs_of(task)


def drawn_for(task: Task | Form, items: int, seed: int = 0) -> Given:
    """Return `items` random inputs of a task on the CPU, by seed: normal numbers, and valid tokens.

    Of a task with an example of its own, whole numbers are those of the example.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor: Tensor) -> Tensor:
        if tensor.is_floating_point():
            return torch.randn(tensor.shape, dtype=torch.float32, generator=generator)
        return tensor

    given = mapped(made_from(example_of(task), items, "cpu"), normal)
    if callable(getattr(task, "example", None)):
        return given
    inputs = inputs_of(task)
    tensors = [
        tensor if each.tokens is None else torch.randint(each.tokens, tensor.shape, generator=generator)
        for each, tensor in zip(inputs, parts_of(given), strict=True)
    ]
    return arranged(inputs, tensors)
