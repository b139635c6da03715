"""The optimiser: SGD or AdamW, with one parameter group per learning rate and weight decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from archsieve.errors import SettingError
from archsieve.tasks.contract import count_items
from archsieve.tasks.data.batching import count_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve.tasks.contract import Task
    from archsieve.training.recipe import Recipe

HEAD = "head"
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm, nn.LayerNorm)


def optimiser_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimiser; the first group has the recipe's rate, the others `factor` times it.

    Weights that the head shares with other modules are the head's.

    Raises:
        SettingError: the recipe sets the head's rate, and the network has no module `head`.
    """
    groups = _groups(network, recipe)
    if recipe.optimiser == "adamw":
        first, second = recipe.betas
        return torch.optim.AdamW(groups, betas=(first, second))
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov)


def rates_of(recipe: Recipe, task: Task, processes: int) -> Callable[[int, int], float]:
    """Return a function of (epoch, step within it), both from 0, that gives the learning rate.

    Raises:
        SettingError: the task does not say how many items it has, or the training ends before its warm-up.
    """
    if not recipe.by_step:
        return lambda epoch, step: recipe.rate(epoch)
    size = recipe.micro_batch_size(processes)
    steps = count_steps(count_items(task, "train"), size, recipe.micro_batches * processes)
    if recipe.warm_up_steps >= recipe.horizon * steps:
        raise SettingError(
            f"The warm-up takes {recipe.warm_up_steps:,} steps, but the training has {recipe.horizon * steps:,} in "
            f"{recipe.horizon} epochs: set warm_up_steps lower."
        )
    return lambda epoch, step: recipe.rate_at(epoch * steps + step, steps)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)  # older checkpoints have none


def rate_of(optimiser: torch.optim.Optimizer) -> float:
    """Return the current learning rate."""
    return float(optimiser.param_groups[0]["lr"])


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the parameters by rate and decay, default ones first."""
    head = getattr(network, HEAD, None)
    if recipe.head_factor != 1 and not isinstance(head, nn.Module):
        parts = ", ".join(name for name, _ in network.named_children())
        raise SettingError(
            f"`head_factor` is for the module `{HEAD}` of a network, but {type(network).__name__} has only {parts}: "
            f"set head_factor to 1."
        )
    of_head = set(head.parameters()) if isinstance(head, nn.Module) else set()
    spared = (
        set() if recipe.norm_decay else {p for m in network.modules() if isinstance(m, _NORMS) for p in m.parameters()}
    )
    groups: dict[tuple[float, float], list[nn.Parameter]] = {(1.0, recipe.weight_decay): []}
    for parameter in network.parameters():
        factor = recipe.head_factor if parameter in of_head else 1.0
        decay = 0.0 if parameter in spared else recipe.weight_decay
        groups.setdefault((factor, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": recipe.learning_rate * factor, "weight_decay": decay, "factor": factor}
        for (factor, decay), parameters in groups.items()
    ]
