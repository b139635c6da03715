"""The sizes of a network: parameters, parameters of auxiliary heads, multiply-adds, and published flops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from archsieve._shortage import machine_number
from archsieve.errors import SettingError
from archsieve.networks.counting.counter import as_it_was, count, device_of, examined, forward, is_lazy
from archsieve.networks.inputs import example_of

if TYPE_CHECKING:
    from archsieve.networks.inputs import Example
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


class Sizes(NamedTuple):
    """Parameters of a network without auxiliary head, those of the head, and MACs of one input in evaluation.

    `notes` say what the MACs leave out.
    """

    params: int
    auxiliary_params: int
    macs: int
    notes: tuple[str, ...] = ()


def sizes_of(space: SearchSpace, arch: Architecture, task: Task) -> Sizes:
    """Return the sizes of the network of `arch`, counted on the meta device, or on the CPU if it needs values."""

    def look(network: nn.Module) -> Sizes:
        example = example_of(task)
        auxiliary, counts = count_auxiliary_params(network, example), count(network, example)
        return Sizes(count_params(network, example) - auxiliary, auxiliary, counts.macs, counts.notes("MACs"))

    return examined(lambda: space.build(arch, task), look)


def count_params(network: nn.Module, inputs: Example | None = None) -> int:
    """Return the number of parameters; shared ones count once.

    With `inputs`, as `count` takes them, also those that a network makes by its first input.

    Raises:
        SettingError: there are such, and no inputs are given.
    """
    if inputs is not None:
        with as_it_was(network) as own:
            try:
                forward(own, inputs, training=False)
            except Exception as error:  # a network that refuses such inputs on the CPU keeps the parameters that it has
                if machine_number(error) or is_lazy(own) or device_of(own).type == "meta":
                    raise
            return count_params(own)
    if is_lazy(network):
        raise SettingError("Some weights of the network are created by its first input: pass `inputs` to count them.")
    return sum(p.numel() for p in network.parameters())


def count_auxiliary_params(network: nn.Module, inputs: Example) -> int:
    """Return the number of parameters of modules that run only in training, such as auxiliary heads."""
    called: dict[bool, set[nn.Module]] = {True: set(), False: set()}
    with as_it_was(network) as own:
        modules = [m for m in own.modules() if not isinstance(m, torch.jit.ScriptModule)]
        handles = [m.register_forward_hook(lambda m, *_: called[own.training].add(m)) for m in modules]
        try:
            for training in called:
                forward(own, inputs, training=training, items=2)
        finally:
            for handle in handles:
                handle.remove()
    in_evaluation = {p for m in called[False] for p in m.parameters(recurse=False)}
    extra = {p for m in called[True] - called[False] for p in m.parameters(recurse=False)} - in_evaluation
    return sum(p.numel() for p in extra)


def count_macs(network: nn.Module, inputs: Example) -> int:
    """Return the multiply-adds of one input; see `archsieve.networks.counting.count` for what they leave out."""
    return count(network, inputs).macs


def count_flops(network: nn.Module, inputs: Example) -> int:
    """Return "flops" of one input as NASLib and NAS-Bench-Suite-Zero count them (arXiv 2210.03230).

    MACs, plus per output element 1 for a ReLU, 2 for a batch normalisation (1 for one without parameters) and the
    window's size for a pooling. The window of an adaptive pooling is taken one larger a side than it is, as their
    counter does.
    """
    extra = 0

    def add(module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Any], output: Tensor) -> None:
        nonlocal extra
        extra += output.numel() * _flops_an_element(module, args[0] if args else kwargs["input"], output)

    layers = [m for m in network.modules() if isinstance(m, _EXTRA)]
    handles = [m.register_forward_hook(add, with_kwargs=True) for m in layers]
    try:
        macs = count_macs(network, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return macs + extra


_EXTRA = (nn.ReLU, nn.modules.batchnorm._BatchNorm, nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d)


def _flops_an_element(module: nn.Module, inputs: Tensor, output: Tensor) -> int:
    if isinstance(module, nn.ReLU):
        return 1
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return 2 if module.affine else 1
    if isinstance(module, nn.AvgPool2d | nn.MaxPool2d):
        size = module.kernel_size
        return size * size if isinstance(size, int) else size[0] * size[1]
    return int((inputs.shape[-2] // output.shape[-2] + 1) * (inputs.shape[-1] // output.shape[-1] + 1))
