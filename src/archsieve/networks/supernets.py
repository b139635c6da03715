"""Built-in supernets: one network that contains every network of a space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from archsieve.errors import SettingError
from archsieve.networks.building import in_float32, initialise
from archsieve.networks.generators import drawing
from archsieve.randomness import derive_seed

if TYPE_CHECKING:
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


class Supernet(Protocol):
    """A network that contains every network of a space; the architecture is an argument, never a state.

    Law: `extract(a)(x) == supernet(x, a)`, in training and in evaluation mode; what is extracted shares no storage
    with the supernet and loads strictly into `build(a)`.

    A layer of which paths use only a part also has `part(name, smaller)`. It returns the part of the named tensor that
    a smaller layer has, so that `extract_path` can extract it.
    """

    def __call__(self, inputs: Tensor, arch: Architecture) -> Tensor:
        """Return the outputs of the path `arch`, shape (n, outputs)."""

    def extract(self, arch: Architecture) -> nn.Module:
        """Return a stand-alone network with the path's weights."""


def extract_path(supernet: nn.Module, space: SearchSpace, task: Task, arch: Architecture) -> nn.Module:
    """Return the network of `arch` with copies of the supernet's weights, in its mode and on its device.

    Weights are matched by name; a layer that is smaller in the network gets its part from `part`.
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


def build_supernet(space: SearchSpace, task: Task, run_seed: int) -> nn.Module:
    """Return the space's supernet, in float32 and initialised like its networks.

    Raises:
        SettingError: the space offers no supernet.
    """
    if not hasattr(space, "supernet"):
        raise SettingError(
            f"The space {space.name} has no supernet: give it a method supernet(task), or use an estimator that "
            f"needs none."
        )
    with drawing(derive_seed(run_seed, "init")):
        supernet: nn.Module = in_float32(space.supernet(task))
    return initialise(supernet, run_seed).train()
