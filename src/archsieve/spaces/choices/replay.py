"""One run of a factory inside a search: its decisions and their answers."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from archsieve.errors import SettingError
from archsieve.spaces.choices.verbs import ASKED, module_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    import numpy as np

    from archsieve.spaces.choices.options import Options

Pick: TypeAlias = "Callable[[Ask], str | None]"
"""Gets what is asked, and returns the label of the answer; None where what it has is not offered."""


@dataclass(frozen=True)
class Ask:
    """A requested decision: its position and name, the labels offered, and the default label.

    `own` is the name that the verb was given.
    """

    name: str
    labels: tuple[str, ...]
    default: str
    is_module: bool
    own: str

    def drawn(self, rng: np.random.Generator) -> str:
        """Return one of the offered labels, drawn uniformly."""
        return self.labels[int(rng.integers(len(self.labels)))]


@dataclass
class _Scope:
    """A call of the factory or of an option; decision names start anew inside it."""

    frame: FrameType
    prefix: str
    siblings: dict[tuple[str, str], list[object]] = field(default_factory=dict)


class Replay:
    """Answers the decisions of one factory run by `pick`, and records them.

    Attributes:
        asks: what was asked and answered, in order, up to the first answer that was not offered.
        refused: what was asked where the answer was not offered; the rest of the run got defaults.
    """

    def __init__(self, pick: Pick, root: type | None) -> None:
        """Answer by `pick`; `root` is the factory if it is a class, whose own decisions get no prefix."""
        self.asks: list[tuple[Ask, str]] = []
        self.refused: Ask | None = None
        self._pick, self._root = pick, root
        self._scopes: list[_Scope] = []
        self._asked_before: dict[str, int] = {}

    def run(self, factory: Callable[..., Any], arguments: Mapping[str, Any], vary: Mapping[str, Options]) -> Any:
        """Return the factory's result for fixed arguments and the picked ones of `vary`."""
        token = ASKED.set(self)
        self._scopes = [_Scope(sys._getframe(), "")]
        try:
            varied = {name: options.values[self._place(name, options, False)] for name, options in vary.items()}
            return factory(**arguments, **varied)
        finally:
            self._scopes.clear()
            ASKED.reset(token)

    def answer(self, options: Options, *, is_module: bool) -> Any:
        """Return the option picked for the decision at the calling code's position."""
        place = self._place(self._name(options.name, sys._getframe(2)), options, is_module)
        if not is_module:
            return options.values[place]
        name = self.asks[-1][0].name if self.refused is None else options.name
        self._scopes.append(_Scope(sys._getframe(), f"{name}={options.labels[place]}/"))
        try:
            return module_of(options, place)
        finally:
            self._scopes.pop()

    def _place(self, name: str, options: Options, is_module: bool) -> int:
        """Return the index of the picked option; the default after a pick that was not offered."""
        ask = Ask(self._numbered(name), options.labels, options.labels[options.default], is_module, options.name)
        if self.refused is not None:
            return options.default
        label = self._pick(ask)
        if label is None:
            self.refused = ask
            return options.default
        self.asks.append((ask, label))
        return options.labels.index(label)

    def _numbered(self, name: str) -> str:
        """Return the name, numbered if it was used before: `name#1` the second time."""
        count = self._asked_before[name] = self._asked_before.get(name, -1) + 1
        return f"{name}#{count}" if count else name

    def _name(self, own: str, frame: FrameType | None) -> str:
        """Return the name of a decision: the enclosing constructors, outermost first, and its own name."""
        scope = self._scopes[-1]
        under_way: list[object] = []
        while frame is not None and frame is not scope.frame:
            if frame.f_code.co_name == "__init__" and frame.f_code.co_argcount:
                builder = frame.f_locals.get(frame.f_code.co_varnames[0])
                if not under_way or under_way[-1] is not builder:  # a constructor calls that of its base class
                    under_way.append(builder)
            frame = frame.f_back
        under_way.reverse()
        if self._root is not None and not scope.prefix and under_way and type(under_way[0]) is self._root:
            del under_way[0]
        path = scope.prefix
        for builder in under_way:
            kind = type(builder).__name__
            siblings = scope.siblings.setdefault((path, kind), [])
            ordinal = next((i for i, other in enumerate(siblings) if other is builder), len(siblings))
            if ordinal == len(siblings):
                siblings.append(builder)  # kept, so that no other gets its identity
            path += f"{kind}{ordinal}."
        return path + own


class _Forward:
    """Raises an error for decisions during a forward pass."""

    def answer(self, options: Options, *, is_module: bool) -> Any:
        """Raise the error.

        Raises:
            SettingError: always.
        """
        raise SettingError(
            f"The choice {options.name!r} is made while the network computes: decisions belong to the "
            f"constructor. Make it there, and store the result, e.g. self.{options.name} = choice(...)."
        )


@contextmanager
def refusing_choices() -> Iterator[None]:
    """Make `choice` and `one_of` errors inside the context of a forward pass."""
    token = ASKED.set(_Forward())
    try:
        yield
    finally:
        ASKED.reset(token)
