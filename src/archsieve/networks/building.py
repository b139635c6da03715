"""Building networks, initialising them by name, and placing them on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from archsieve.errors import SettingError
from archsieve.networks.compiled import uncompiled
from archsieve.networks.counting.counter import device_of, is_lazy
from archsieve.networks.generators import drawing
from archsieve.networks.inputs import call, example_of, made_for, mapped
from archsieve.randomness import Purpose, derive_seed

if TYPE_CHECKING:
    from archsieve.networks.form import Given
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


def torch_generator(run_seed: int, purpose: Purpose, *path: str | int) -> torch.Generator:
    """Return a CPU torch generator for one purpose and place; its numbers do not depend on the device."""
    return torch.Generator().manual_seed(derive_seed(run_seed, purpose, *path))


def initialise(network: nn.Module, run_seed: int) -> nn.Module:
    """Set the initial weights of every module by its class's own rule, seeded by `seed` and the module's name.

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


def layout_on(device: torch.device | str) -> torch.memory_format:
    """Return the memory layout for pictures and weights on a device: channels last on a CPU, about twice as fast.

    On an accelerator the channels come first. There, torch's gradient of an average pooling with a border is wrong
    without a word if the channels come last: on CUDA up to the torch that holds
    https://github.com/pytorch/pytorch/pull/188345 (measured with 2.11: the error is as large as the gradient), and on
    MPS (https://github.com/pytorch/pytorch/issues/175190).
    """
    return torch.channels_last if torch.device(device).type == "cpu" else torch.contiguous_format


def laid_out(network: nn.Module, device: str) -> nn.Module:
    """Return the network on the device, in the layout of `layout_on`."""
    return network.to(device).to(memory_format=layout_on(device))  # type: ignore[call-overload, no-any-return]


def as_inputs(batch: Given) -> Given:
    """Return a copy of a batch that the network may overwrite, with pictures in the layout of `laid_out` networks."""
    return mapped(batch, _copied)


def _copied(batch: Tensor) -> Tensor:
    inputs = batch.contiguous(memory_format=layout_on(batch.device)) if batch.dim() == 4 else batch
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
    space: SearchSpace, arch: Architecture, task: Task, run_seed: int, *, as_built: bool = False, is_fresh: bool = False
) -> nn.Module:
    """Return the network of `arch` in training mode on the CPU, with weights seeded by seed, position and option.

    With `as_built` the weights are those the space's own code gave it, as they are in a space that keeps them
    (`keeps_weights`) unless `is_fresh`. Lazily initialised modules get their weights by a pass of zeros in the form of
    the task's inputs. A network in another precision is made one in float32. What `torch.compile` wraps is unwrapped.
    """
    with drawing(derive_seed(run_seed, "init")):
        network = space.build(arch, task)
        network = with_all_weights(in_float32(uncompiled(network)), task)
    is_kept = as_built or (bool(getattr(space, "keeps_weights", False)) and not is_fresh)
    return (network if is_kept else initialise(network, run_seed)).train()


def precisions_of(network: nn.Module) -> str:
    """Return the precisions of a network's real weights where one is not float32, e.g. "bfloat16"; else nothing."""
    kinds = {p.dtype for p in network.parameters() if p.is_floating_point()} - {torch.float32}
    return " and ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))


def in_float32(network: nn.Module) -> nn.Module:
    """Return the network, in place, with all real weights and buffers in float32 if some weights are not."""
    return network.float() if precisions_of(network) else network


def with_all_weights(network: nn.Module, task: Task) -> nn.Module:
    """Return the network, in place, after a first input has initialised its lazy modules."""
    if is_lazy(network):
        modes = {module: module.training for module in network.modules()}
        with torch.no_grad():
            call(network.eval(), made_for(network, example_of(task), 2, device_of(network)))
        for module, training in modes.items():
            module.training = training
    return network


class Around(nn.Module):
    """Wraps a network so that hooks can be registered even if the network refuses them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the wrapped network's result."""
        return self.network(*inputs, **named)
