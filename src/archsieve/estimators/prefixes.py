"""Paths through a chain of choice blocks, common prefixes evaluated once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import torch

from archsieve.networks import build_supernet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from archsieve.space import Architecture, SearchSpace
    from archsieve.task import Task

X = TypeVar("X")


def is_chain(network: nn.Module) -> bool:
    """Whether the network is stem, `choices[position][str(option)]` and head."""
    return all(hasattr(network, part) for part in ("stem", "choices", "head"))


def holds_chains(space: SearchSpace, task: Task) -> bool:
    """Whether the space's supernet is a chain; False where it has none."""
    if not hasattr(space, "supernet"):
        return False
    try:
        with torch.device("meta"):  # draws nothing and takes no memory
            return is_chain(space.supernet(task))
    except RuntimeError:  # its code reads values, which the meta device has not
        return is_chain(build_supernet(space, task, 0))


def walk(
    chain: Any, archs: Sequence[Architecture], start: X, run: Callable[[nn.Module, X], X]
) -> Iterator[tuple[Architecture, X]]:
    """Yield every path with what has come out of its last choice, in lexicographic order.

    Holds what has come out of each piece of one path at a time.

    Args:
        chain: a network of which `is_chain` holds.
        archs: paths through the chain.
        start: what goes into the stem.
        run: returns what comes out of a piece; must not change what goes in.
    """
    path = [run(chain.stem, start)]
    before: Architecture = ()
    for arch in sorted(archs):
        shared = next((i for i, (a, b) in enumerate(zip(before, arch, strict=False)) if a != b), len(before))
        del path[shared + 1 :]
        for position in range(shared, len(arch)):
            path.append(run(chain.choices[position][str(arch[position])], path[-1]))
        yield arch, path[-1]
        before = arch
