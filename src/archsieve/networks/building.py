"""Build a network and initialise it by name; what it takes and where it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from archsieve.errors import SettingError
from archsieve.networks.generators import drawing
from archsieve.randomness import Purpose, derive_seed

if TYPE_CHECKING:
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


def torch_generator(run_seed: int, purpose: Purpose, *path: str | int) -> torch.Generator:
    """Return a torch generator on the CPU for one purpose and place: the same numbers on every device."""
    return torch.Generator().manual_seed(derive_seed(run_seed, purpose, *path))


def initialise(network: nn.Module, run_seed: int) -> nn.Module:
    """Give every module the initial weights its own class prescribes, drawn by seed and by the module's name.

    The network lies on the CPU: no other device's generator is touched. A name says position and option, so a block
    has the same weights in every network that holds it, and in the supernet. Weights that belong to no module with
    `reset_parameters` are left as built.
    """
    with torch.random.fork_rng(devices=[]):
        for name, module in network.named_modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                torch.default_generator.manual_seed(derive_seed(run_seed, "init", name))
                reset()
    return network


def laid_out(network: nn.Module, device: str) -> nn.Module:
    """Return the network on the device, channels last: about twice as fast on a CPU."""
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def as_inputs(batch: Tensor) -> Tensor:
    """Return a copy of a batch for a network, which may write to it; pictures in the layout of `laid_out` networks."""
    inputs = batch.contiguous(memory_format=torch.channels_last) if batch.dim() == 4 else batch
    return inputs.clone() if inputs.data_ptr() == batch.data_ptr() else inputs


def check_device(device: str) -> None:
    """Check that torch can compute on `device`.

    Raises:
        SettingError: it cannot.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either, by the kind of device
        reason = str(error).partition("\n")[0]
        raise SettingError(f"The device {device!r} cannot be used here: {reason}") from error


def build_network(
    space: SearchSpace, arch: Architecture, task: Task, run_seed: int, *, as_built: bool = False
) -> nn.Module:
    """Return the network of `arch`, in training mode on the CPU, with weights by seed, position and option.

    With `as_built` the weights are those the space's own code gave it.
    """
    with drawing(derive_seed(run_seed, "init")):
        network = space.build(arch, task)
    return (network if as_built else initialise(network, run_seed)).train()
