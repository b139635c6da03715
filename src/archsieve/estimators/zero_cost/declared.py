"""The declared properties of a zero-cost proxy, available without importing torch."""

from __future__ import annotations

import ast
from dataclasses import dataclass, fields
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from archsieve.errors import SettingError
from archsieve.registry import PROXIES, near_miss

if TYPE_CHECKING:
    from collections.abc import Mapping

Need: TypeAlias = Literal["data", "labels", "gradients"]


@dataclass(frozen=True)
class Declared:
    """The properties of a proxy that are plain values; see `archsieve.estimators.zero_cost.proxy.Proxy`.

    Attributes:
        name: of its function.
        options: of the function, with their defaults.
    """

    name: str
    options: Mapping[str, Any]
    needs: tuple[Need, ...] = ()
    version: int = 1
    batches: int = 1
    passes: float | None = None
    items: int | str | None = None
    mode: str = "training"

    def forward_passes(self, batch_size: int, available: int, **options: Any) -> float:
        """Return the cost of one score in forward passes of one item, given how many items the task has."""
        passes = 0.0 if self.mode == "none" else 3.0 if "gradients" in self.needs else 1.0
        items = {**self.options, **options}[self.items] if isinstance(self.items, str) else self.items
        whole = min(self.batches * batch_size, available)
        return (passes if self.passes is None else self.passes) * (whole if items is None else min(items, whole))

    def chosen(self, options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        """Return the options that differ from the defaults by name.

        Raises:
            SettingError: there is no such option.
        """
        for name in options:
            if name not in self.options:
                hint = near_miss(name, self.options) if self.options else " It has none."
                raise SettingError(f"The proxy {self.name} has no option {name!r}.{hint}")
        return tuple(sorted((name, value) for name, value in options.items() if value != self.options[name]))


_KEYWORDS = frozenset(field.name for field in fields(Declared)) - {"name", "options"}


def declared(name: str) -> Declared:
    """Return the declared properties of a proxy.

    Where its module is not imported yet, this is read from the source, because importing a shipped proxy loads torch.
    Where the source does not say it in plain values, the module is imported.
    """
    target = PROXIES.not_imported(name)
    from_source = None if target is None else _read(*target)
    return PROXIES[name].declared if from_source is None else from_source


@cache
def _read(module: str, function: str) -> Declared | None:
    """Return the properties declared in source code; None if they are not plain values."""
    spec = find_spec(module)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    definition = next(
        (
            node
            for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.name == function
        ),
        None,
    )
    if definition is None or len(definition.decorator_list) != 1:
        return None
    call = definition.decorator_list[0]
    keywords = call.keywords if isinstance(call, ast.Call) else []
    arguments = definition.args
    try:
        options = {
            argument.arg: ast.literal_eval(default)
            for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if default is not None
        }
        stated = {k.arg: ast.literal_eval(k.value) for k in keywords if k.arg in _KEYWORDS}
    except ValueError:
        return None
    return Declared(function, options, **stated)
