"""Peak activation memory of a network: the maximum bytes of tensors alive at one time."""

from __future__ import annotations

import weakref
from itertools import chain
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from archsieve.networks.counting.counter import as_it_was, forward

if TYPE_CHECKING:
    from archsieve.networks.inputs import Example


class _Alive(TorchDispatchMode):
    """Sums the storage bytes of all live tensors; views share the storage of their base."""

    def __init__(self, weights: set[int]) -> None:
        super().__init__()
        self._seen = dict.fromkeys(weights, 0)
        self._watched: dict[int, weakref.ref[Any]] = {}
        self.now: int = 0
        self.peak: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        outputs = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(outputs):
            if isinstance(tensor, Tensor):
                self._take(tensor)
        return outputs

    def _take(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        place, size = storage._cdata, storage.nbytes()
        if place in self._seen:
            return
        self._seen[place] = size
        self._watched[place] = weakref.ref(storage, lambda _, place=place: self._free(place))  # type: ignore[misc]
        self.now += size
        self.peak = max(self.peak, self.now)

    def _free(self, place: int) -> None:
        self.now -= self._seen.pop(place)
        del self._watched[place]


def count_activation_bytes(network: nn.Module, inputs: Example, items: int = 1) -> int:
    """Return the peak bytes of live tensors in one evaluation pass of `items` inputs, inputs included.

    Weights and buffers do not count. Attention is taken apart into products, so that its square is in the count, which
    fused kernels do without; what a library needs beside its results is not. The network may lie on the meta device and
    is left as it was.
    """
    with as_it_was(network) as own:
        weights = {t.untyped_storage()._cdata for t in chain(own.parameters(), own.buffers())}
        with _Alive(weights) as alive:
            forward(own, inputs, training=False, items=items)
        return int(alive.peak)
