"""VKDNW's aggregate: the combination of five rankings of a pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archsieve.estimators.combined.log_places import LogPlaces


@dataclass(frozen=True)
class VKDNWAggregate(LogPlaces):
    """Scores an architecture by its ranks in vkdnw, jacov, expressivity, trainability and MACs.

    The sum over the five of log(place / m), where the best of a reference of m has place m and ties share the lower
    place; in (-inf, 0]. Relative to the reference: scores of different pools cannot be compared. NaN in a part ranks
    lowest. Source: Tybl and Neumann, arXiv 2502.04975; their complexity is FLOPs, here `macs`.

    Args:
        batch_size: inputs that the four proxies look at.
        calibration: codes of the space to rank among; None for the codes being scored.
    """

    name: ClassVar[str] = "vkdnw_agg"
    version: ClassVar[int] = 1
    proxies: ClassVar[tuple[str, ...]] = ("vkdnw", "jacov", "az_expressivity", "az_trainability")
