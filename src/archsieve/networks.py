"""What archsieve does with any network: initialise it by name, and hold many of them in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from archsieve.counting import Sizes as Sizes  # these names are imported from here too
from archsieve.counting import count_auxiliary_params as count_auxiliary_params
from archsieve.counting import count_flops as count_flops
from archsieve.counting import count_macs as count_macs
from archsieve.counting import count_params as count_params
from archsieve.counting import sizes_of as sizes_of
from archsieve.errors import ScoringError, SettingError
from archsieve.generators import draw_state as draw_state
from archsieve.generators import drawing as drawing
from archsieve.generators import remember_draws as remember_draws
from archsieve.generators import seed_draws as seed_draws
from archsieve.randomness import Purpose, derive_seed

if TYPE_CHECKING:
    from archsieve.space import Architecture, SearchSpace
    from archsieve.task import Task


class Supernet(Protocol):
    """A network that holds every network of a space; the architecture is an argument, never a state.

    Law: `extract(a)(x) == supernet(x, a)`, in training and in evaluation mode; what is extracted shares no storage
    with the supernet and loads strictly into `build(a)`.

    A layer of which paths use a part also has `part(name, smaller)`, what a smaller layer has of its tensor of that
    name, so that `extract_path` can extract it.
    """

    def __call__(self, inputs: Tensor, arch: Architecture) -> Tensor:
        """Return the outputs of the path `arch`, shape (n, outputs)."""

    def extract(self, arch: Architecture) -> nn.Module:
        """Return a network of its own with the path's weights."""


def extract_path(supernet: nn.Module, space: SearchSpace, task: Task, arch: Architecture) -> nn.Module:
    """Return the network of `arch` with copies of the supernet's weights, in its mode and on its device.

    Weights go by name; a layer that may be smaller in the network says which part of its own that has.
    """
    with torch.device("meta"):  # draws no random numbers
        network = space.build(arch, task)
    state, own = supernet.state_dict(), {}
    for name in network.state_dict():
        path, _, leaf = name.rpartition(".")
        part = getattr(supernet.get_submodule(path), "part", None)
        tensor = state[name] if part is None else part(leaf, network.get_submodule(path)).detach()
        own[name] = tensor.clone()
    network.load_state_dict(own, assign=True)
    return network.train(supernet.training)


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


def build_supernet(space: SearchSpace, task: Task, run_seed: int) -> nn.Module:
    """Return the space's supernet, initialised as its networks are.

    Raises:
        SettingError: the space offers no supernet.
    """
    if not hasattr(space, "supernet"):
        raise SettingError(
            f"The space {space.name} has no supernet: give it a method supernet(task), or use an estimator that "
            f"needs none."
        )
    with drawing(derive_seed(run_seed, "init")):
        supernet: nn.Module = space.supernet(task)
    return initialise(supernet, run_seed).train()


def outputs_of(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return a network's outputs; of several it is the first that counts.

    Raises:
        ScoringError: it returns no tensor.
    """
    return first_tensor(network(inputs))


def first_tensor(outputs: object) -> Tensor:
    """Return a tensor itself, or the first one of a tuple, list or dictionary.

    Raises:
        ScoringError: there is none.
    """
    while not isinstance(outputs, Tensor):
        parts = list(outputs.values()) if isinstance(outputs, dict) else outputs
        if not isinstance(parts, list | tuple) or not parts:
            raise ScoringError(f"The network returns no tensor, but {type(outputs).__name__}.")
        outputs = parts[0]
    return outputs
