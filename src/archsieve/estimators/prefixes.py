"""Paths through a chain of choice blocks, with common prefixes evaluated once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, cast

import torch

from archsieve.networks.supernets import build_supernet
from archsieve.spaces.layers.chain import Chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

X = TypeVar("X")


def is_chain(network: object) -> TypeGuard[Chain]:
    """Whether the network is a `Chain` whose forward pass is neither overridden nor hooked."""
    return (
        isinstance(network, Chain)
        and type(network).forward is Chain.forward
        and "forward" not in vars(network)
        and not network._forward_pre_hooks
        and not network._forward_hooks
    )


def holds_chains(space: SearchSpace, task: Task) -> bool:
    """Whether paths of the space's supernet may share prefixes: it is a chain, and the space allows it.

    A supernet is built to see it, once for a space and task that can be hashed.
    """
    if not (space.is_shareable and hasattr(space, "supernet")):
        return False
    pair: Any = (space, task)
    try:
        hash(pair)
    except TypeError:  # settings of a user's own that are lists, say
        return _has_chain(space, task)
    return _has_chain_once(*pair)


def _has_chain(space: SearchSpace, task: Task) -> bool:
    """Whether the space's supernet is a chain."""
    try:
        with torch.device("meta"):  # draws nothing and takes no memory
            return is_chain(cast("Any", space).supernet(task))
    except RuntimeError:  # its code reads values, and the meta device has none
        return is_chain(build_supernet(space, task, 0))


@lru_cache(maxsize=32)
def _has_chain_once(space: SearchSpace, task: Any) -> bool:
    """Return whether the space's supernet is a chain, cached."""
    return _has_chain(space, task)


def walk(
    chain: Chain, archs: Sequence[Architecture], start: X, run: Callable[[nn.Module, X], X]
) -> Iterator[tuple[Architecture, X]]:
    """Yield every path with the output of its last block, in lexicographic order.

    Only the outputs of the pieces of one path are in memory at a time.

    Args:
        chain: the network of all paths.
        archs: paths through the chain.
        start: the input of the stem.
        run: returns the output of a piece; must not change its input.
    """
    path = [run(chain.stem, start)]
    before: Architecture = ()
    for arch in sorted(archs):
        shared = next((i for i, (a, b) in enumerate(zip(before, arch, strict=False)) if a != b), len(before))
        del path[shared + 1 :]
        for position in range(shared, len(arch)):
            path.append(run(chain.piece(position, arch[position]), path[-1]))
        yield arch, path[-1]
        before = arch
