"""Facts measured beside a score; a worker collects them, and the run stores them with the score."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from archsieve.spaces.contract import Architecture

Facts: TypeAlias = "Mapping[str, Any]"
"""Plain values by name: numbers, texts, lists of them."""

_COLLECTED: ContextVar[dict[Architecture, Facts] | None] = ContextVar("facts", default=None)


@contextmanager
def collected_facts() -> Iterator[dict[Architecture, Facts]]:
    """Collect the facts reported inside the context by architecture; the last report of each counts."""
    facts: dict[Architecture, Facts] = {}
    token = _COLLECTED.set(facts)
    try:
        yield facts
    finally:
        _COLLECTED.reset(token)


def tell(arch: Architecture, facts: Facts) -> None:
    """Report facts measured beside the score of an architecture; ignored outside `collected_facts`."""
    if (collected := _COLLECTED.get()) is not None:
        collected[arch] = facts
