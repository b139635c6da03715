"""One network of the user's own as a space of one architecture, so that everything that scores spaces scores it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.errors import SettingError, UnknownNameError
from archsieve.registry import near_miss
from archsieve.spaces.contract import SearchSpace

if TYPE_CHECKING:
    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

ONLY = (0,)


@dataclass(frozen=True)
class OwnModel(SearchSpace):
    """What a function without arguments returns; its one architecture is (0,).

    Args:
        factory: "module:function". The module is imported: name only code you trust.
    """

    name: ClassVar[str] = "own-model"  # type: ignore[misc]

    factory: str

    @property
    def choices(self) -> tuple[int, ...]:
        """Nothing to choose."""
        return (1,)

    def describe(self, arch: Architecture) -> str:
        """Return the factory's name."""
        return self.factory

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return a new network.

        Raises:
            UnknownNameError: the module has no such function.
            SettingError: it cannot be called without arguments, or returns no network.
            TypeError: it fails so itself, as it may with any other error.
        """
        from torch import nn

        module, _, attribute = self.factory.partition(":")
        found = vars(importlib.import_module(module))
        if attribute not in found:
            raise UnknownNameError(f"The module {module!r} has no {attribute!r}.{near_miss(attribute, found)}")
        try:
            network = found[attribute]()
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise  # from inside, where the call itself went well
            raise SettingError(f"{self.factory} must be callable without arguments, but: {error}.") from error
        if not isinstance(network, nn.Module):
            raise SettingError(f"{self.factory} must return a torch.nn.Module, but returned {type(network).__name__}.")
        return network


def check_fit(space: OwnModel, task: Task) -> None:
    """Check that the network takes the task's inputs and has its outputs, by one pass of two inputs of zeros.

    Raises:
        SettingError: it does not.
    """
    import torch

    from archsieve.networks.outputs import outputs_of

    network = space.build(ONLY, task).eval()
    shape = (2, *task.input_shape)
    try:
        with torch.no_grad():
            outputs = outputs_of(network, torch.zeros(shape))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise SettingError(
            f"{space.factory} does not take inputs of shape {task.input_shape}: {reason}. Say which it takes (--shape)."
        ) from error
    if outputs.dim() < 2 or outputs.shape[1] < task.num_outputs:
        raise SettingError(
            f"{space.factory} gives outputs of shape {tuple(outputs.shape[1:])}, but the task has {task.num_outputs} "
            f"classes: say how many there are (--outputs)."
        )
