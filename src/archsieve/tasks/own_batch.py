"""A batch of the user's own inputs as a task, for networks that accept nothing else."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from archsieve.errors import SettingError
from archsieve.networks.form import Input
from archsieve.spaces.choices.factory import result_of
from archsieve.tasks.noise import LossName, Untaught

if TYPE_CHECKING:
    from torch import Tensor

    from archsieve.networks.form import Given
    from archsieve.tasks.contract import Split


@dataclass(frozen=True)
class OwnBatch(Untaught):
    """A batch of inputs from a user's function: a tensor, a tuple of tensors or a dictionary of them.

    Every tensor has the items first. All splits are that batch; targets are drawn.

    Attributes:
        factory: "module:function". The module is imported: name only code you trust.
        num_outputs: classes, or numbers that a network puts out.
        loss_name: "cross_entropy", "mse" or "bce".
    """

    factory: str
    num_outputs: int
    loss_name: LossName = "cross_entropy"

    @property
    def name(self) -> str:
        """The factory's name."""
        return self.factory

    def identity(self) -> dict[str, Any]:
        """Return settings and content of the batch."""
        return {
            "type": "OwnBatch",
            "version": 1,
            "content": _content(self.example()),
            "num_outputs": self.num_outputs,
            "loss_name": self.loss_name,
        }

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The form of the batch; the range of integer inputs is given by the largest one."""
        batch = self.example()
        entries = batch.items() if isinstance(batch, dict) else [(None, t) for t in _parts(batch)]
        return tuple(_form(name, tensor) for name, tensor in entries)

    def example(self) -> Given:
        """Return the batch, which is used to count networks."""
        return _batch(self.factory)

    def count(self, split: Split) -> int:
        """Return the number of items in the batch."""
        return len(_parts(self.example())[0])

    def given(self, split: Split) -> Given:
        """Return the batch."""
        return self.example()


def _parts(batch: Given) -> list[Tensor]:
    from archsieve.networks.inputs import parts_of

    return parts_of(batch)


def _form(name: str | None, tensor: Tensor) -> Input:
    is_real = tensor.is_floating_point() or tensor.is_complex()
    return Input(tuple(tensor.shape[1:]), None if is_real else max(int(tensor.max()) + 1, 1), name)


def _content(batch: Given) -> str:
    digest = hashlib.sha256(repr(sorted(batch) if isinstance(batch, dict) else None).encode())
    for tensor in _parts(batch):
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


@functools.lru_cache(maxsize=4)
def _batch(factory: str) -> Given:
    import torch

    from archsieve.networks.inputs import mapped

    batch = result_of(factory)
    if isinstance(batch, list):
        batch = tuple(batch)
    parts = list(batch.values()) if isinstance(batch, dict) else list(batch) if isinstance(batch, tuple) else [batch]
    if not parts or not all(isinstance(part, torch.Tensor) for part in parts):
        kind = next((type(part).__name__ for part in parts if not isinstance(part, torch.Tensor)), "nothing")
        raise SettingError(
            f"{factory} must return a tensor, a tuple of tensors or a dictionary of tensors by name, but it holds "
            f"{kind}."
        )
    if len({tuple(part.shape[:1]) for part in parts}) > 1 or not parts[0].dim() or not len(parts[0]):
        shapes = ", ".join(str(tuple(part.shape)) for part in parts)
        raise SettingError(f"{factory} must return tensors with the same number of items first, but gives {shapes}.")
    singles = (torch.float16, torch.bfloat16, torch.float64)
    return mapped(
        cast("Given", dict(batch) if isinstance(batch, dict) else batch),
        lambda t: t.detach().cpu().float() if t.dtype in singles else t.detach().cpu(),
    )
