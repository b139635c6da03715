"""Defaults for plug-ins: what a plug-in does not define comes from the base class, even without subclassing."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    default = property  # to a type checker, a field, a class attribute and a property may replace it
    required = property

T = TypeVar("T")


class _OnInstances:
    """An attribute that only instances of a base class have, so that a dataclass can redefine it as a field.

    (A field takes what the class has by that name for its default.)
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            raise AttributeError(f"Only instances of {owner.__name__} have this attribute.")
        return self._value(instance)

    def _value(self, instance: object) -> Any:
        return self._function(instance)


class _Required(_OnInstances):
    def _value(self, instance: object) -> Any:
        name = self._function.__name__
        raise AttributeError(f"{type(instance).__name__} must define its `{name}`: {self.__doc__}")


if not TYPE_CHECKING:
    default, required = _OnInstances, _Required


class _Completed:
    """A view of an object that adds the defaults of a base class."""

    def __init__(self, thing: object, base: type) -> None:
        self._thing, self._base = thing, base

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if hasattr(self._thing, name):
            return getattr(self._thing, name)
        default = inspect.getattr_static(self._base, name)
        return default.__get__(self, self._base) if hasattr(default, "__get__") else default


def completed(thing: Any, base: type[T]) -> T:
    """Return an object with every attribute of `base`: itself if it is an instance, else a view with the defaults.

    A view is for asking only: keep, store and compare the thing itself.

    >>> class Shape:
    ...     corners = 4
    >>> class Triangle:
    ...     sides = 3
    >>> completed(Triangle(), Shape).corners
    4
    """
    return thing if isinstance(thing, base) else cast("T", _Completed(thing, base))


def has_own(thing: Any, name: str, base: type) -> bool:
    """Whether an object overrides a default method of `base`.

    >>> class Shape:
    ...     def area(self): return None
    >>> class Square(Shape):
    ...     def area(self): return 1
    >>> has_own(Square(), "area", Shape), has_own(Shape(), "area", Shape), has_own(object(), "area", Shape)
    (True, False, False)
    """
    method = getattr(completed(thing, base), name)
    return getattr(method, "__func__", method) is not inspect.getattr_static(base, name)
