"""AZ-NAS: the sum of four rankings of a pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archsieve.estimators.combined.log_places import LogPlaces


@dataclass(frozen=True)
class AZNAS(LogPlaces):
    """Scores an architecture by its ranks in expressivity, progressivity, trainability and MACs.

    The sum over the four of log(place / m), where the best of a reference of m has place m and ties share the lower
    place; in (-inf, 0]. Relative to the reference: scores of different pools cannot be compared. NaN in a part ranks
    lowest. Source: Lee and Ham, "AZ-NAS", arXiv 2403.19232; their complexity is FLOPs, here `macs`.

    Args:
        batch_size: inputs of noise the three proxies look at.
        calibration: codes of the space to rank among; None for the codes being scored.
    """

    name: ClassVar[str] = "az_nas"
    version: ClassVar[int] = 1
    proxies: ClassVar[tuple[str, ...]] = ("az_expressivity", "az_progressivity", "az_trainability")
