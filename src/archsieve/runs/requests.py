"""Record of requested scores; the cost of a run is the sum of their seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from archsieve.runs.store import Key
    from archsieve.spaces.contract import Architecture


class Reference(NamedTuple):
    """The calibration sample of a composite: its parts' columns (m, k), and the scores requested for them."""

    columns: NDArray[np.float64]
    codes: Mapping[Key, set[Architecture]]


@dataclass
class Requests:
    """The requested codes by score key, and the composites whose references are included."""

    codes: dict[Key, set[Architecture]] = field(default_factory=dict)
    composites: set[Any] = field(default_factory=set)

    def add(self, codes: Mapping[Key, Iterable[Architecture]]) -> None:
        """Add codes by score key."""
        for key, archs in codes.items():
            self.codes.setdefault(key, set()).update(archs)

    def add_reference(self, composite: Any, reference: Reference) -> None:
        """Add the codes of a reference once."""
        if composite not in self.composites:
            self.composites.add(composite)
            self.add(reference.codes)
