"""Tasks whose items are slow to read: batches are made on request, one while the preceding one is used."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from archsieve.tasks.contract import Task, check_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from torch import Tensor

    from archsieve.networks.form import Given
    from archsieve.tasks.contract import Split
    from archsieve.tasks.data.batching import Batch, Pending


@dataclass(frozen=True)
class Request:
    """The arguments of a `pending` call, checked except for the split."""

    split: Split
    batch_size: int
    rng: np.random.Generator | None
    augment: bool
    device: str


class ReadLater(Task):
    """A task whose batches are defined by `answer`; `pending` yields them, `batches` makes them."""

    makes_ahead: ClassVar[bool] = True
    """Whether `batches` makes one batch in another thread while the one before is used."""

    def pending(
        self,
        split: Split,
        *,
        batch_size: int,
        rng: np.random.Generator | None = None,
        augment: bool = False,
        device: str = "cpu",
    ) -> Iterator[Pending]:
        """Yield batches made on request; see `archsieve.tasks.contract.Task.batches`.

        All that is random is drawn from `rng` in this call: the stream of items depends neither on the batch size nor
        on the device, and is the same if the caller stops early.

        Raises:
            SettingError: an unknown split, a batch size below 1, or augmentation without `rng`.
        """
        check_batch(batch_size, rng, augment)
        return self.answer(Request(split, batch_size, rng, augment, device))

    @abstractmethod
    def answer(self, request: Request) -> Iterator[Pending]:
        """Return the batches for `pending`; random numbers are drawn in this call, not when a batch is made."""

    def batches(
        self,
        split: Split,
        *,
        batch_size: int,
        rng: np.random.Generator | None = None,
        augment: bool = False,
        device: str = "cpu",
    ) -> Iterator[tuple[Given, Tensor]]:
        """Yield (inputs, targets) once through `split`; see `pending`."""
        from archsieve.tasks.data.batching import ahead

        batches = self.pending(split, batch_size=batch_size, rng=rng, augment=augment, device=device)
        return ahead(batch.make for batch in batches) if self.makes_ahead else (batch.make() for batch in batches)


def in_parts(count: int, batch_size: int, make: Callable[[slice], Batch]) -> Iterator[Pending]:
    """Yield a pending batch for each part of `count` items, made by `make` on request."""
    from archsieve.tasks.data.batching import Pending

    for start in range(0, count, batch_size):
        part = slice(start, min(start + batch_size, count))
        yield Pending(part.stop - part.start, partial(make, part))
