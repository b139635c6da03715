"""Paths through a chain of choice blocks, common prefixes evaluated once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from archsieve.space import Architecture

X = TypeVar("X")


def is_chain(network: nn.Module) -> bool:
    """Whether the network is stem, `choices[position][str(option)]` and head."""
    return all(hasattr(network, part) for part in ("stem", "choices", "head"))


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
