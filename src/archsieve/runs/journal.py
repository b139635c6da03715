"""The journal of a search: what it asked for, in the results file of its run folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.runs.store import Store
    from archsieve.spaces.contract import Architecture


@dataclass(frozen=True)
class Journal:
    """What the search of that name asked for, in order; see `archsieve.searchers.guided.Journal`."""

    store: Store
    name: str

    def read(self) -> list[Architecture]:
        """Return everything asked for so far."""
        return self.store.asked(self.name)

    def add(self, archs: Sequence[Architecture]) -> None:
        """Append what is asked for now."""
        self.store.ask(self.name, archs)
