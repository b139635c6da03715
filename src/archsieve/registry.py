"""Registries that map names to objects: spaces, tasks, benchmarks, proxies, estimators and more."""

from __future__ import annotations

import difflib
import importlib
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from archsieve.errors import UnknownNameError, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from archsieve.estimators.contract import AnyEstimator

T = TypeVar("T")


_PATH = re.compile(r"[/\\]|\.\w+$")
_LISTED = 8
"""Names that a message lists at most."""


def near_miss(name: str, known: Iterable[str], command: str = "") -> str:
    """Return the sentence on what may be meant by an unknown name, with a space before it.

    It names the closest known name; where none is close, all of a few, or the three nearest of many.

    Args:
        name: the unknown name.
        known: the known ones.
        command: the command that lists them, named where they are too many to list.

    >>> near_miss("nwto", ["nwot", "zen"])
    " Did you mean 'nwot'?"
    >>> near_miss("a", ["nwot", "zen"])
    ' Known: nwot, zen.'
    >>> near_miss("run7", [f"plan-{letter}" for letter in "abcdefghij"], "archsieve list plans")
    " The nearest are 'plan-j', 'plan-i' and 'plan-h'; `archsieve list plans` lists all 10."
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    if len(names) > _LISTED:
        first, second, third = difflib.get_close_matches(name, names, n=3, cutoff=0.0)
        rest = f"`{command}` lists all {len(names)}" if command else f"there are {len(names)}"
        return f" The nearest are {first!r}, {second!r} and {third!r}; {rest}."
    return f" Known: {', '.join(names)}." if names else " None is known."


def listed(names: Iterable[str]) -> str:
    """Return names with commas between them; of many the first, and how many more there are.

    >>> listed(["a", "b"]), listed("abcdefghij")
    ('a, b', 'a, b, c, d, e, f, g, h and 2 more')
    """
    every = list(names)
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return f"{', '.join(every[:_LISTED])}{more}"


def near_miss_in(name: str, namespace: Mapping[str, object]) -> str:
    """Return `near_miss` among the public classes and functions of a module or class.

    >>> near_miss_in("Nett", {"Net": dict, "_hidden": dict, "size": 3})
    " Did you mean 'Net'?"
    """
    return near_miss(name, [each for each, value in namespace.items() if not each.startswith("_") and callable(value)])


class Registry(Generic[T]):
    """A catalogue of named entries; the contract suites test every registered entry.

    An entry is an object, or "module:Name", which is imported when somebody asks for it.

    >>> colours: Registry[int] = Registry("colour")
    >>> colours.add("red", 1)
    >>> colours["red"], list(colours)
    (1, ['red'])
    """

    def __init__(
        self,
        kind: str,
        home: str | None = None,
        *,
        names_classes: bool = False,
        reads_hyphens: bool = False,
        of_files: str = "",
    ) -> None:
        """Create an empty catalogue.

        Args:
            kind: the word for an entry in messages.
            home: the package that fills it when first asked.
            names_classes: a class gets the name it is registered by as its attribute `name`, if several the first.
            reads_hyphens: a name with hyphens, an earlier spelling, stands for the one with underscores.
            of_files: a sentence for who gives the path of a file instead of a name.
        """
        self.kind = kind
        plural = "proxies" if kind == "proxy" else f"{kind}s"
        self.command = f"archsieve list {plural}" if home else ""
        """The command that lists the names; empty for a catalogue that `archsieve list` does not have."""
        self._of_files = of_files
        self._home, self._names_classes, self._reads_hyphens = home, names_classes, reads_hyphens
        self._entries: dict[str, T | str] = {}
        self._unlisted: set[str] = set()
        self._about: dict[str, str] = {}

    def add(self, name: str, entry: T) -> None:
        """Register an entry.

        Raises:
            UnknownNameError: the name is taken by something else.
        """
        self._fill()
        existing = self._entries.get(name)
        if existing is not None and not _same(existing, entry):
            raise UnknownNameError(f"The {self.kind} {name!r} is registered already: choose another name.")
        self._entries[name] = entry
        if (
            self._names_classes
            and isinstance(entry, type)
            and self._entries.get(getattr(entry, "name", "")) is not entry
        ):
            entry.name = name  # type: ignore[attr-defined]

    def add_lazy(self, name: str, target: str, *, is_listed: bool = True, about: str = "") -> None:
        """Register "module:Name", which is imported on first use.

        An entry that means nothing without settings of the user's, such as where their model is, is found by its name
        and not listed. `about` is the name of the space that an entry is about, so that nobody need import it to know.
        """
        self._entries[name] = target
        if about:
            self._about[name] = about
        self._unlisted |= set() if is_listed else {name}

    @property
    def all_names(self) -> list[str]:
        """The names of all entries, including hidden ones."""
        self._fill()
        return list(self._entries)

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers an object under `name`."""

        def decorate(entry: T) -> T:
            self.add(name, entry)
            return entry

        return decorate

    def __getitem__(self, name: str) -> T:
        """Return the entry of that name; an unknown name raises `UnknownNameError` with the nearest names."""
        self._fill()
        name = self._spelt(name) if isinstance(name, str) else name
        if not isinstance(name, str) or name not in self._entries:
            is_file = self._of_files and _PATH.search(str(name))
            hint = f" {self._of_files}" if is_file else near_miss(str(name), self, self.command)
            raise UnknownNameError(f"There is no {self.kind} {name!r}.{hint}")
        entry = self._entries[name]
        if isinstance(entry, str):
            target, _, attribute = entry.partition(":")
            module = _import(target)
            entry = self._entries[name]  # the module may have registered it itself
            if isinstance(entry, str):
                entry = self._entries[name] = getattr(module, attribute)
        return entry

    def may_be_about(self, name: str, space: str) -> bool:
        """Whether an entry may belong to the space of that name, without importing the entry."""
        self._fill()
        return self._about.get(name, space) == space

    def not_imported(self, name: str) -> tuple[str, str] | None:
        """Return module and name of an entry that is not imported yet; None for other entries."""
        self._fill()
        entry = self._entries.get(name)
        if not isinstance(entry, str):
            return None
        module, _, attribute = entry.partition(":")
        return module, attribute

    def __contains__(self, name: object) -> bool:
        self._fill()
        return isinstance(name, str) and self._spelt(name) in self._entries

    def __iter__(self) -> Any:
        self._fill()
        return iter([name for name in self._entries if name not in self._unlisted])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _spelt(self, name: str) -> str:
        """Return a name in this catalogue's spelling."""
        return name.replace("-", "_") if self._reads_hyphens and name not in self._entries else name

    def _fill(self) -> None:
        if self._home is not None:
            home, self._home = self._home, None  # the imported modules use this catalogue themselves
            try:
                importlib.import_module(home)
            except BaseException:  # Ctrl-C, a missing package: the next access tries again
                self._home = home
                raise


def _import(module: str) -> Any:
    """Import a catalogue's module; if an optional package is missing, name the extra that installs it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == "torch":
            require("torch", "torch")
        raise


def _same(one: object, other: object) -> bool:
    """Whether two entries are the same definition: registered lazily first, or imported twice (a reloaded plugin)."""
    return one == other or _origin(one) == _origin(other)


def _origin(entry: object) -> str:
    definition = getattr(entry, "function", entry)
    if isinstance(entry, str):
        return entry
    return f"{getattr(definition, '__module__', '')}:{getattr(definition, '__qualname__', entry)}"


SPACES: Registry[Any] = Registry("space", "archsieve.spaces", names_classes=True)
TASKS: Registry[Any] = Registry("task", "archsieve.tasks")
BENCHMARKS: Registry[Any] = Registry(
    "benchmark",
    "archsieve.benchmarks",
    of_files="A file of your own is named to `archsieve search PLAN --benchmark FILE`, or to `archsieve judge FILE`; "
    "`archsieve data` says under which names the tables of `measure` and `study` are looked for.",
)
ESTIMATORS: Registry[Callable[..., AnyEstimator]] = Registry("estimator", "archsieve.estimators")
PROXIES: Registry[Any] = Registry("proxy", "archsieve.estimators.zero_cost.proxies")
SEARCHERS: Registry[Any] = Registry("searcher", "archsieve.searchers", reads_hyphens=True)


def estimator_named(name: str) -> Callable[..., AnyEstimator]:
    """Return the factory of the estimator with that name; a proxy's name is an estimator's name.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name in ESTIMATORS:
        return ESTIMATORS[name]
    if name in PROXIES:
        return partial(ESTIMATORS["zero_cost"], name)
    hint = near_miss(name, [*ESTIMATORS, *PROXIES], "archsieve list")
    raise UnknownNameError(f"There is no estimator or proxy {name!r}.{hint}")
