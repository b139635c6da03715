"""Memory as an estimator: the peak memory of a forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.estimators.contract import Price
from archsieve.tasks.contract import Measure
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from archsieve.estimators.contract import Context, Scores
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

_MEGABYTE = 1e6
_FLOAT = 4  # bytes


@dataclass(frozen=True)
class Memory:
    """Scores an architecture by minus the peak megabytes (10^6 bytes) of a pass in evaluation mode, with weights.

    On a CPU nothing is run: the weights in 32 bits, and the most bytes of tensors that are alive at one time, as
    `max_activation_bytes` counts them. On CUDA it is the peak of the allocator's counter in a pass, with what kernels
    need beside.

    Args:
        batch: items of a pass.
    """

    batch: int = 1
    version: ClassVar[int] = 1
    chunk_size: ClassVar[int] = 8
    measure: ClassVar[Measure] = Measure("memory in MB", higher_is_better=False)

    def __post_init__(self) -> None:
        """Check the setting."""
        check_whole("batch", self.batch, 1)

    @property
    def name(self) -> str:
        """The name, with the batch size if it is not 1."""
        return "memory" if self.batch == 1 else f"memory[batch {self.batch}]"

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return zero: nothing is trained."""
        return Price(0.0, 0.0)

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return minus the megabytes, shape (n,), higher is better.

        Raises:
            SettingError: the device is neither a CPU nor CUDA.
        """
        kind = ctx.device.partition(":")[0]
        if kind not in ("cpu", "cuda"):
            raise SettingError(f"Memory is counted on the CPU and on CUDA, but the device is {ctx.device!r}.")
        count = self._counted if kind == "cpu" else self._peak
        return np.array([0.0 - count(arch, ctx) / _MEGABYTE for arch in archs])

    def _counted(self, arch: Architecture, ctx: Context) -> int:
        from archsieve.networks.counting import count_activation_bytes, count_params, examined
        from archsieve.networks.inputs import example_of

        def look(network: nn.Module) -> int:
            example = example_of(ctx.task)
            buffers = sum(buffer.numel() * buffer.element_size() for buffer in network.buffers())
            weights = _FLOAT * count_params(network, example)
            return weights + buffers + count_activation_bytes(network, example, self.batch)

        return examined(lambda: ctx.space.build(arch, ctx.task), look)

    def _peak(self, arch: Architecture, ctx: Context) -> int:
        import torch

        from archsieve.networks.building import build_network, laid_out
        from archsieve.networks.inputs import call, drawn_for, mapped

        before = torch.cuda.memory_allocated(ctx.device)
        network = laid_out(build_network(ctx.space, arch, ctx.task, ctx.seed).eval(), ctx.device)
        inputs = mapped(drawn_for(ctx.task, self.batch), lambda tensor: tensor.to(ctx.device))
        torch.cuda.reset_peak_memory_stats(ctx.device)
        with torch.inference_mode():
            call(network, inputs)
        torch.cuda.synchronize(ctx.device)
        return int(torch.cuda.max_memory_allocated(ctx.device) - before)
