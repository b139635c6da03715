"""An estimator whose scores a person tells: the networks are trained elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn

from archsieve.errors import UntoldError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import Context
    from archsieve.spaces.contract import Architecture


@dataclass(frozen=True)
class Told:
    """Scores an architecture by what `archsieve tell` stored in the run folder; higher is better.

    Args:
        what: what tables and plans call it; scores of another name are other scores.
    """

    what: str = "told"
    version: ClassVar[int] = 1
    uses_device: ClassVar[bool] = False
    chunk_size: ClassVar[int] = 1_000_000

    @property
    def name(self) -> str:
        """What is told."""
        return self.what

    def score(self, archs: Sequence[Architecture], ctx: Context) -> NoReturn:
        """Compute nothing.

        Raises:
            UntoldError: always; the session calls this for the architectures whose scores are not stored.
        """
        raise UntoldError(self.name, tuple(archs))
