"""What an architecture costs: by its space's closed form, else counted on the built network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from archsieve.errors import SettingError, require

if TYPE_CHECKING:
    from archsieve.space import Architecture, SearchSpace
    from archsieve.task import Task

CostName: TypeAlias = Literal["params", "macs", "flops", "published_flops"]


def cost_of(space: SearchSpace, arch: Architecture, task: Task, name: CostName) -> int:
    """Return a cost: "params", "macs" of one input, "flops" as NASLib counts them, or "published_flops".

    The last is the count by which the networks of a space are published, where that is another one: only the space
    knows it. Needs torch only where the space has no method of that name.

    Raises:
        SettingError: published FLOPs are asked for, and the space has none of its own.
    """
    closed_form: Any = getattr(space, name, None)
    return int(closed_form(arch, task) if closed_form else count_cost(space, arch, task, name))


def count_cost(space: SearchSpace, arch: Architecture, task: Task, name: CostName) -> int:
    """Return a cost as counted on the built network; raises as `cost_of`."""
    if name == "published_flops":
        raise SettingError(f'The space {space.name} has no `published_flops` of its own: take "macs".')
    require("torch", "torch")
    import torch

    from archsieve.networks import count_flops, count_macs, count_params

    try:
        with torch.device("meta"):
            network = space.build(arch, task)
    except RuntimeError:  # its code reads values, which the meta device has not; what is broken fails again below
        network = space.build(arch, task)
    if name == "params":
        return count_params(network)
    return {"macs": count_macs, "flops": count_flops}[name](network, task.input_shape)
