"""The output that is meant where a network of the user's returns several."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsieve.errors import ScoringError
from archsieve.registry import listed

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ChosenOutput:
    """A hook that replaces a network's outputs by one of them.

    Args:
        factory: for messages.
        output: a name, or a place such as "0"; "states.0" is inside another.
    """

    factory: str
    output: str

    def __call__(self, module: object, arguments: object, outputs: object) -> Tensor:
        """Return the output.

        Raises:
            ScoringError: the network has no such output.
        """
        from torch import Tensor

        if isinstance(outputs, Tensor):
            return outputs
        tensors = _flat(_by_name(outputs))
        if self.output not in tensors:
            held = f"it has {', '.join(tensors)}" if tensors else f"it returns {type(outputs).__name__}"
            raise ScoringError(f"{self.factory} has no output {self.output!r}: {held}.")
        return tensors[self.output]


def with_output(network: nn.Module, factory: str, output: str) -> nn.Module:
    """Return a network that returns one of its outputs, by a hook."""
    import torch

    from archsieve.networks.building import Around

    chosen = Around(network) if isinstance(network, torch.jit.ScriptModule) else network  # which takes no hook
    chosen.register_forward_hook(ChosenOutput(factory, output))
    return chosen


def only_output(factory: str, outputs: object) -> str | None:
    """Return which of a network's outputs is meant if nobody says so; None where `main_output` takes that anyway.

    It is `logits`, else the only tensor: single numbers, such as a loss, and names that begin with "aux" do not count.

    Raises:
        ScoringError: there is no tensor, or it is not clear which one is meant.
    """
    from torch import Tensor

    from archsieve.networks.outputs import main_output

    if isinstance(outputs, Tensor):
        return None
    outer = _by_name(outputs)
    tensors = _flat(outer)
    if not tensors:
        raise ScoringError(f"{factory} returns no tensor, but {type(outputs).__name__}.")
    own = [name for name, value in outer.items() if isinstance(value, Tensor) and not name.startswith("aux")]
    meant = ["logits"] if "logits" in tensors else [name for name in own if name in tensors] or list(tensors)
    if len(meant) > 1:
        raise ScoringError(
            f"{factory} returns several tensors: {listed(tensors)}. Choose one: --output NAME, e.g. --output "
            f"{meant[0]} (space_of(..., output=NAME) in Python)."
        )
    with suppress(ScoringError):
        return None if main_output(outputs) is tensors[meant[0]] else meant[0]
    return meant[0]


def _by_name(outputs: object) -> dict[str, object]:
    """Return the entries of a dictionary, a dataclass, a tuple or a list, by name or position."""
    from archsieve.networks.outputs import named_outputs

    by_name = named_outputs(outputs)
    if by_name is None and isinstance(outputs, list | tuple):
        by_name = dict(zip(getattr(outputs, "_fields", map(str, range(len(outputs)))), outputs, strict=True))
    return by_name or {}


def _flat(outer: dict[str, object], before: str = "") -> dict[str, Tensor]:
    """Return all tensors except scalars, by name; nested ones are called "outer.inner"."""
    from torch import Tensor

    tensors: dict[str, Tensor] = {}
    for name, value in outer.items():
        if isinstance(value, Tensor):
            tensors |= {f"{before}{name}": value} if value.dim() else {}
        else:
            tensors |= _flat(_by_name(value), f"{before}{name}.")
    return tensors
