"""The journal of a search: the architectures it requested, stored in the results file of its run folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.runs.store import Store
    from archsieve.spaces.contract import Architecture


@dataclass(frozen=True)
class Journal:
    """The requests of a named search, in order; see `archsieve.searchers.guided.Journal`."""

    store: Store
    name: str

    def read(self) -> list[Architecture]:
        """Return all requests so far."""
        return self.store.asked(self.name)

    def add(self, archs: Sequence[Architecture]) -> None:
        """Append requests."""
        self.store.ask(self.name, archs)
