"""Common part of the spaces whose networks are not built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from archsieve.errors import SettingError
from archsieve.spaces.contract import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task


class RecordedSpace(SearchSpace):
    """A space of recorded values: `measure` and `study` rank columns of its benchmark; proxies cannot be computed."""

    is_recorded: ClassVar[bool] = True

    def build(self, arch: Architecture, task: Task) -> NoReturn:
        """Raise a `SettingError`: networks of this space are not built."""
        raise SettingError(
            f"archsieve does not build the networks of {self.name}: name columns of its benchmark by --lookup, or rank "
            f"a file of your own by `archsieve judge`."
        )


def option_of(options: Sequence[Any], value: object) -> int:
    """Return the index of a decision's option.

    Raises:
        ValueError: it is none of them.
    """
    if value not in options:
        raise ValueError(f"{value!r} is none of {', '.join(map(str, options))}")
    return options.index(value)
