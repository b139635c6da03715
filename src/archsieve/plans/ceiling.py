"""A measured limit: networks are measured when first needed, and those near the limit twice."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import SettingError
from archsieve.registry import ESTIMATORS
from archsieve.runs.results import Edge, LimitReport
from archsieve.spaces.contract import size
from archsieve.spaces.sampling import draw_up_to
from archsieve.spaces.text import as_digits
from archsieve.tasks.contract import Measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.runs.session import Session
    from archsieve.spaces.contract import Architecture

_HOPELESS = 64  # networks measured, none of them within, before a limit is taken to be too low
_BLOCK = 8  # networks measured at a time while a sample is drawn
_MOST_DRAWN = 64  # networks drawn for each that is wanted


def _usual() -> AnyEstimator:
    return ESTIMATORS["latency"]()


@dataclass(frozen=True)
class Ceiling:
    """A limit on an estimator's measurement, such as `max_latency_ms` in the `limits` table of a plan.

    A network is measured when a search meets it, and the number is stored as a score. One that is no further than
    `edge` from the limit is measured again, as `repeat` 1 of the estimator; the lower of both decides, and the network
    is marked. What cannot be measured is not within.

    Args:
        most: the limit, in milliseconds.
        estimator: measures; lower is better, and it has a setting `repeat`.
        edge: how near the limit a network is measured again, as a share of the limit.
    """

    most: float
    estimator: AnyEstimator = field(default_factory=_usual)
    edge: float = 0.1

    def __post_init__(self) -> None:
        """Check the settings."""
        if not 0 < self.most < math.inf:
            raise SettingError(f"`max_latency_ms` must be a number above 0, but got {self.most}.")
        if not 0 <= self.edge < 1:
            raise SettingError(f"`0 <= latency_edge < 1` must hold, but got {self.edge}.")
        measure = getattr(self.estimator, "measure", Measure())
        if measure.higher_is_better or "repeat" not in {f.name for f in fields(self._settings)}:
            raise SettingError(
                f"`max_latency_ms` needs an estimator that measures, of which lower is better, such as latency or "
                f"command, but got {self.estimator.name!r}."
            )

        if (unit := getattr(self.estimator, "unit", "ms")) != "ms":
            raise SettingError(
                f"`max_latency_ms` is in ms, but {self.estimator.name!r} has the unit {unit!r}: let it print ms."
            )

    @property
    def _settings(self) -> Any:
        return self.estimator

    @property
    def again(self) -> AnyEstimator:
        """The estimator that repeats measurements near the limit."""
        repeated: AnyEstimator = replace(self._settings, repeat=self._settings.repeat + 1)
        return repeated


@dataclass(frozen=True, eq=False)
class Gate:
    """Decides which architectures are within a measured limit; stored measurements are reused.

    Attributes:
        ceiling: the limit.
        session: measures, and keeps what is measured.
        first: what was measured, by canonical code; NaN where nothing could be.
        second: what was measured again near the limit.
    """

    ceiling: Ceiling
    session: Session
    first: dict[Architecture, float] = field(default_factory=dict)
    second: dict[Architecture, float] = field(default_factory=dict)

    def __call__(self, archs: Sequence[Architecture]) -> NDArray[np.bool_]:
        """Return whether each architecture is within the limit, shape (n,).

        Raises:
            EstimatorError: none of the networks so far could be measured.
            SettingError: none of many networks is within.
        """
        codes = list(map(self.session.space.canonical, archs))
        new = [code for code in dict.fromkeys(codes) if code not in self.first]
        ceiling = self.ceiling
        if new:
            self.first.update(zip(new, self._measured(ceiling.estimator, new), strict=True))
            near = [code for code in new if abs(self.first[code] - ceiling.most) <= ceiling.edge * ceiling.most]
            if near:
                self.second.update(zip(near, self._measured(ceiling.again, near), strict=True))
            self._check()
        return np.array([self._is_within(code) for code in codes], dtype=bool)

    def _measured(self, estimator: AnyEstimator, codes: Sequence[Architecture]) -> list[float]:
        scores = self.session.scores([estimator], codes)[:, 0]
        return [0.0 - float(score) for score in scores]

    def _value(self, code: Architecture) -> float:
        values = [value for value in (self.first[code], self.second.get(code, math.nan)) if not math.isnan(value)]
        return min(values, default=math.nan)

    def _is_within(self, code: Architecture) -> bool:
        return self._value(code) <= self.ceiling.most

    def _check(self) -> None:
        """Check that at least one architecture could be measured, and that at least one is within the limit."""
        codes = list(self.first)
        values = np.array([self._value(code) for code in codes])
        if len(codes) >= min(_BLOCK, size(self.session.space)):
            self.session.require_scores(self.ceiling.estimator, codes, 0.0 - values)
        if len(codes) >= _HOPELESS and not any(map(self._is_within, codes)):
            raise SettingError(
                f"None of {len(codes)} networks that were measured is within max_latency_ms = {self.ceiling.most:g}: "
                f"the lowest has {np.nanmin(values):.4g}. Raise the limit, or choose a smaller space."
            )

    def sample(self, count: int) -> list[Architecture]:
        """Return the first `count` networks within the limit, in the order of the session's pool.

        Raises:
            SettingError: too few of the networks are within.
        """
        within: list[Architecture] = []
        seen, most = 0, _MOST_DRAWN * count
        while len(within) < count and seen < most:
            share = max(len(within) / seen, 1 / _BLOCK) if seen else 1.0
            wanted = min(most, seen + max(_BLOCK, math.ceil((count - len(within)) / share)))
            codes = draw_up_to(self.session.space, self.session.seed, wanted)
            block = codes[seen:]
            if not block:
                break
            within += [code for code, is_within in zip(block, self(block), strict=True) if is_within]
            seen = len(codes)
        if len(within) < count:
            raise SettingError(
                f"Of {seen} networks drawn, {len(within)} are within max_latency_ms = {self.ceiling.most:g}, but the "
                f"pool needs {count}: raise the limit, or use a smaller sample."
            )
        return within[:count]

    def among(self, archs: Sequence[Architecture]) -> list[Architecture]:
        """Return the architectures within the limit.

        Raises:
            SettingError: there are none.
        """
        within = [arch for arch, is_within in zip(archs, self(archs), strict=True) if is_within]
        if not within:
            lowest = min((v for code in self.first if not math.isnan(v := self._value(code))), default=math.nan)
            raise SettingError(
                f"No candidate is within max_latency_ms = {self.ceiling.most:g}: the lowest of {len(archs)} has "
                f"{lowest:.4g}. Raise the limit."
            )
        return within

    def report(self, best: Architecture | None) -> LimitReport:
        """Return the measurements, including the winner's."""
        space, codes = self.session.space, list(self.first)
        within = sum(map(self._is_within, codes))
        missing = sum(math.isnan(self._value(code)) for code in codes)
        value = self.first.get(best, math.nan) if best is not None else math.nan
        return LimitReport(
            estimator=self.ceiling.estimator.name,
            most=self.ceiling.most,
            measured=len(codes),
            within=within,
            beyond=len(codes) - within - missing,
            not_measured=missing,
            best=None if math.isnan(value) else value,
            edge=tuple(
                Edge(
                    as_digits(code, space.choices),
                    self.first[code],
                    None if math.isnan(again) else again,
                    self._is_within(code),
                )
                for code, again in self.second.items()
            ),
            values={
                as_digits(code, space.choices): value for code in codes if not math.isnan(value := self._value(code))
            },
        )
