"""A batch in parts: across processes started by `torchrun`, or one part after the other.

Gradients are added up by hand rather than by `DistributedDataParallel`: a step may take several paths of a supernet, a
process may have no part of an epoch's last batch, and all must stop at the same step.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed, nn

from archsieve.errors import SettingError
from archsieve.networks.building import check_device

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = timedelta(hours=2)  # the others wait while the first one scores


@dataclass(frozen=True)
class World:
    """The processes that train one network together, and this process's rank."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def add_up(self, network: nn.Module, numbers: Tensor) -> Tensor:
        """All-reduce the gradients by sum, and return the sum of all `numbers`.

        A parameter that has no gradient anywhere keeps none: weight decay must not move it.
        """
        if self.size == 1:
            return numbers
        weights = [p for p in network.parameters() if p.requires_grad]
        has = torch.tensor([p.grad is not None for p in weights], dtype=numbers.dtype, device=numbers.device)
        gradients = [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in weights]
        flat = torch.cat([*gradients, has, numbers])
        distributed.all_reduce(flat)
        *totals, has, numbers = torch.split(flat, [*map(len, gradients), len(has), len(numbers)])
        for weight, total, count in zip(weights, totals, has.tolist(), strict=True):
            if count:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                weight.grad.copy_(total.view(weight.shape))
        return numbers

    def average_statistics(self, network: nn.Module) -> None:
        """Give every process the mean of all running statistics and the maximum of all counters.

        Since running statistics are linear in those of the batches, once an epoch has the same effect as once a step.
        """
        if self.size == 1:
            return
        for buffer in network.buffers():
            if buffer.is_floating_point():
                distributed.all_reduce(buffer)
                buffer.div_(self.size)
            else:
                distributed.all_reduce(buffer, op=distributed.ReduceOp.MAX)


class Statistics:
    """The running statistics of a network whose batch is processed in parts.

    Every part starts from the statistics before the batch, and their mean over the parts is kept: how fast they
    follow the data does not depend on the number of parts.
    """

    def __init__(self, network: nn.Module, parts: int) -> None:
        self._parts = parts
        self._buffers = list(network.buffers()) if parts > 1 else []
        self._before = [b.clone() for b in self._buffers]
        self._sums = [torch.zeros_like(b) for b in self._buffers]
        self._taken = 0

    def take(self) -> None:
        """Add the statistics after a part to the sum, and restore the earlier ones."""
        self._taken += 1
        for buffer, before, total in zip(self._buffers, self._before, self._sums, strict=True):
            if buffer.is_floating_point():
                total.add_(buffer)
            else:
                total.copy_(buffer)
            buffer.copy_(before)

    def settle(self) -> None:
        """Set the statistics to the mean over the parts; parts missing in a last batch count as unchanged."""
        if not self._taken:
            return
        rest = self._parts - self._taken
        for buffer, before, total in zip(self._buffers, self._before, self._sums, strict=True):
            if buffer.is_floating_point():
                # 0 times an infinite buffer, as a mask has, is no number.
                buffer.copy_((total + rest * before if rest else total) / self._parts)
            else:
                buffer.copy_(total)


@contextmanager
def joined_world(device: str) -> Iterator[tuple[World, str]]:
    """Join the processes started by `torchrun`; yield this one's rank and device. Otherwise there is one process.

    Raises:
        SettingError: the device cannot be used, or the environment says that there are several processes, but not
            how to meet them.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        check_device(device)
        yield World(), device
        return
    missing = [name for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise SettingError(f"WORLD_SIZE is {size}, but {missing[0]} is not set: start the processes by torchrun.")
    is_cuda = device.partition(":")[0] == "cuda"
    if is_cuda:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    check_device(device)
    if is_cuda:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if is_cuda else "gloo", timeout=_PATIENCE)
    try:
        yield World(distributed.get_rank(), distributed.get_world_size()), device
    finally:
        distributed.destroy_process_group()
