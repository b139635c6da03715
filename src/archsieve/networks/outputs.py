"""The main output of a network: the tensor among its return values that is scored."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from archsieve.errors import ScoringError
from archsieve.networks.inputs import call
from archsieve.registry import listed

if TYPE_CHECKING:
    from torch import nn

    from archsieve.networks.form import Given


def outputs_of(network: nn.Module, inputs: Given) -> Tensor:
    """Return the main output of a network; see `main_output`.

    Raises:
        ScoringError: it returns no tensor, or named ones of which none is told to be meant.
    """
    return main_output(call(network, inputs))


def main_output(outputs: object) -> Tensor:
    """Return the main output: the tensor itself, or the first of a tuple or list; the others are auxiliary.

    Of a dictionary or dataclass it is `logits`, else the only tensor whose name does not begin with "aux".

    Raises:
        ScoringError: there is no tensor, or there are several by name, and none is `logits`.
    """
    while (named := named_outputs(outputs)) is not None:
        outputs = named[_chosen({name: value for name, value in named.items() if isinstance(value, Tensor)}, named)]
    return outputs if isinstance(outputs, Tensor) else main_output(_first(outputs))


def _chosen(tensors: dict[str, object], named: dict[str, object]) -> str:
    if "logits" in tensors:
        return "logits"
    meant = [name for name in tensors if not name.startswith("aux")] or list(tensors or named)
    if len(meant) > 1 and tensors:
        raise ScoringError(
            f"The network returns several tensors by name, and none of them is called 'logits': {listed(tensors)}. "
            f"Return the one that is meant, call it 'logits', or name it in a space of your own, e.g. output = "
            f"{next(iter(meant))!r}."
        )
    if not meant:
        raise ScoringError("The network returns no tensor, but an empty dictionary.")
    return meant[0]


def named_outputs(outputs: object) -> dict[str, object] | None:
    """Return the entries of a dictionary or dataclass by name; None if outputs are unnamed."""
    if isinstance(outputs, dict):
        return {str(name): value for name, value in outputs.items()}
    if is_dataclass(outputs) and not isinstance(outputs, type):
        return {f.name: getattr(outputs, f.name) for f in fields(outputs)}
    return None


def first_tensor(outputs: object) -> Tensor:
    """Return a tensor itself, or the first tensor in a tuple, list, dictionary or dataclass.

    Raises:
        ScoringError: there is none.
    """
    while not isinstance(outputs, Tensor):
        outputs = _first(outputs)
    return outputs


def _first(outputs: object) -> object:
    named = named_outputs(outputs)
    parts = outputs if named is None else [value for value in named.values() if value is not None]
    if not isinstance(parts, list | tuple) or not parts:
        raise ScoringError(f"The network returns no tensor, but {type(outputs).__name__}.")
    return parts[0]
