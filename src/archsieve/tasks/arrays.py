"""Tasks of the user's arrays and tables: .npz, CSV and parquet files."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.errors import DataError, SettingError
from archsieve.tasks.data.array_files import check_file, check_size, headers, read_arrays
from archsieve.tasks.data.columns import Columns, column_names, read_columns
from archsieve.tasks.data.splits import POOL, TEST, VALIDATION, codes_of
from archsieve.tasks.data.targets import Place, missing, targets_of
from archsieve.tasks.in_memory import InMemory, Items, absolute, finished
from archsieve.tasks.own_data import PLACE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


_SUFFIXES = {"train": POOL, "validation": VALIDATION, "val": VALIDATION, "test": TEST}


@dataclass(frozen=True, kw_only=True)
class _FromFiles(InMemory):
    """Common part of both tasks.

    Attributes:
        file: the items, all of them or those to train on.
        validation_file: items to validate on; empty: they are drawn.
        test_file: items to test on; empty: they are drawn.
    """

    file: str = field(metadata=PLACE)
    validation_file: str = field(default="", metadata=PLACE)
    test_file: str = field(default="", metadata=PLACE)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("file", "validation_file", "test_file"):
            object.__setattr__(self, name, absolute(getattr(self, name)))

    def is_present(self) -> bool:
        """Whether the files exist."""
        return all(Path(file).is_file() for file in self.files)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are read."""
        return tuple(file for file in (self.file, self.validation_file, self.test_file) if file)

    def parts(self) -> list[tuple[Path, int]]:
        """Return the files, each with its split."""
        all_parts = zip((self.file, self.validation_file, self.test_file), (POOL, VALIDATION, TEST), strict=True)
        return [(Path(file), code) for file, code in all_parts if file]

    def items(self) -> Items:
        """Return all items; a changed file is read again.

        Raises:
            MissingDataError: a file is not there.
            DataError: it does not hold what the settings say.
        """
        for file in self.files:
            check_file(Path(file))
        states = tuple((state.st_size, state.st_mtime_ns) for state in map(os.stat, self.files))
        # The seeds and the metric change nothing in what is read.
        plain = replace(self, scored_by="", split_seed=0, train_fraction=1.0, balanced_loss=False)
        return _items(plain, states)

    def read(self) -> Items:
        """Read all items; see `items`."""
        raise NotImplementedError


@functools.lru_cache(maxsize=2)
def _items(task: _FromFiles, states: tuple[tuple[int, int], ...]) -> Items:
    # `states` is a key only.
    return task.read()


@dataclass(frozen=True, kw_only=True)
class Arrays(_FromFiles):
    """Arrays of an .npz file: inputs (n, ...) and targets (n,), (n, k) or (n, height, width).

    A file may hold the splits as arrays of their own, such as `x_train`, `x_validation` and `x_test`.

    Attributes:
        inputs_array: name of the inputs.
        targets_array: name of the targets.
    """

    inputs_array: str = field(default="x", metadata=PLACE)
    targets_array: str = field(default="y", metadata=PLACE)

    name: ClassVar[str] = "arrays"

    def read(self) -> Items:
        """Read all items."""
        plan = [part for path, code in self.parts() for part in self._arrays_in(path, code)]
        check_size(sum(size for *_, size in plan), self.file)
        arrays: dict[Path, dict[str, NDArray[Any]]] = {}
        for path in dict.fromkeys(path for path, *_ in plan):
            names = [name for where, _, *pair, _ in plan if where == path for name in pair]
            arrays[path] = read_arrays(path, names)
        inputs = [arrays[path][mine] for path, _, mine, _, _ in plan]
        targets = [_text(arrays[path][theirs]) for path, _, _, theirs, _ in plan]
        for (path, _, mine, theirs, _), some, answers in zip(plan, inputs, targets, strict=True):
            if len(some) != len(answers):
                raise DataError(
                    f"{path} has {len(some):,} items in {mine!r}, but {len(answers):,} in {theirs!r}: each input needs "
                    f"a target."
                )
        given = np.concatenate(
            [np.full(len(some), code, np.int8) for (_, code, *_), some in zip(plan, inputs, strict=True)]
        )
        place = Place(
            f"The array {self.targets_array!r} of {self.file}", lambda index: f"item {index} (counted from 0)"
        )
        raw = _joined(targets, self.targets_array, self.file)
        chosen = targets_of(raw, self.kind, place, classes=self.classes, positive=self.positive)
        everything = _joined(inputs, self.inputs_array, self.file)
        return finished(everything, chosen, given if given.any() else None, self, self.file)

    def _arrays_in(self, path: Path, code: int) -> list[tuple[Path, int, str, str, int]]:
        """Return a file's arrays: their split, the names of inputs and targets, and their size."""
        there = headers(path)
        pairs = [(code, self.inputs_array, self.targets_array)]
        if code == POOL and self.inputs_array not in there and f"{self.inputs_array}_train" in there:
            pairs = [
                (each, f"{self.inputs_array}_{word}", f"{self.targets_array}_{word}")
                for word, each in _SUFFIXES.items()
                if f"{self.inputs_array}_{word}" in there
            ]
        for _, *names in pairs:
            for name in names:
                if name not in there:
                    raise missing(name, list(there), str(path))
                if not there[name].shape or not there[name].shape[0]:
                    raise DataError(f"The array {name!r} of {path} holds no items: its shape is {there[name].shape}.")
        return [(path, each, mine, theirs, there[mine].nbytes + there[theirs].nbytes) for each, mine, theirs in pairs]


@dataclass(frozen=True, kw_only=True)
class Table(_FromFiles):
    """A .csv, .tsv or .parquet file: a row is an item; a column is a feature, a time step or a token position.

    Attributes:
        target: name of the column to predict; several for regression and multi-label.
        features: columns that a network gets, in order; empty: all others.
        ignore: columns that it does not get, such as an id.
        split_column: a column that says train, validation or test of each row; empty: there is none.
        group_column: a column of which rows with one value come into one split, such as a patient; empty: none.
    """

    target: tuple[str, ...] | str
    features: tuple[str, ...] = field(default=(), metadata=PLACE)
    ignore: tuple[str, ...] = field(default=(), metadata=PLACE)
    split_column: str = field(default="", metadata=PLACE)
    group_column: str = field(default="", metadata=PLACE)

    name: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("target", "features", "ignore"):
            value = getattr(self, name)
            names = (value,) if isinstance(value, str) else tuple(value)
            if not all(isinstance(each, str) and each for each in names):
                raise SettingError(f"`{name}` must be names of columns, but got {value!r}.")
            object.__setattr__(self, name, names)
        if not self.target:
            raise SettingError("`target` must name at least one column.")
        if len(self.target) > 1 and self.kind not in ("regression", "multi-label"):
            raise SettingError(
                f"`target` names {len(self.target)} columns, but the kind {self.kind!r} has one target: set kind = "
                f"'regression' or 'multi-label'."
            )
        if self.split_column and (self.validation_file or self.test_file):
            raise SettingError("`split_column` and separate files both define the splits: use one of them.")

    def read(self) -> Items:
        """Read all items."""
        names = self._chosen(column_names(Path(self.file)))
        wanted = [*names, *self._special]
        tables = [(read_columns(path, wanted), code) for path, code in self.parts()]
        inputs = np.concatenate([_features(table, names) for table, _ in tables])
        raw = np.concatenate([self._targets(table) for table, _ in tables])
        if self.tokens and inputs.shape[1] == 1:  # one column of lists: no channel, but the ids themselves
            inputs = inputs[:, 0]
        place = Place(f"The column {', '.join(map(repr, self.target))} of {self.file}", _rows([t for t, _ in tables]))
        chosen = targets_of(raw, self.kind, place, classes=self.classes, positive=self.positive)
        if self.kind in ("regression", "multi-label") and len(chosen.names) == len(self.target):
            chosen = chosen._replace(names=tuple(self.target))
        given = self._given(tables)
        return finished(inputs, chosen, given, self, self.file, self._groups([t for t, _ in tables], given))

    @property
    def _special(self) -> list[str]:
        """The columns that are not features."""
        return [*self.target, *filter(None, (self.split_column, self.group_column))]

    def _groups(self, tables: Sequence[Columns], given: NDArray[np.int8] | None) -> NDArray[np.int64] | None:
        """Return the group number of each row.

        Raises:
            DataError: a group has rows in two splits that are given.
        """
        if not self.group_column:
            return None
        values = np.concatenate([table.values(self.group_column) for table in tables])
        names, groups = np.unique(values, return_inverse=True)
        for code in () if given is None else np.unique(given):
            both = np.intersect1d(groups[given == code], groups[given != code])
            if len(both):
                raise DataError(f"Rows of {self.group_column} = {names[both[0]]} of {self.file} are in several splits.")
        return groups.reshape(-1)

    def _chosen(self, there: Sequence[str]) -> list[str]:
        """Return the feature columns."""
        special = self._special
        for name in (*special, *self.features, *self.ignore):
            if name not in there:
                raise missing(name, there, self.file)
        if twice := next((name for name in special if name in self.features), None):
            raise SettingError(f"The column {twice!r} is a target or says the split: it can be no feature.")
        names = list(self.features) or [name for name in there if name not in {*special, *self.ignore}]
        if not names:
            raise DataError(f"No column of {self.file} is left as a feature.")
        return names

    def _targets(self, table: Columns) -> NDArray[Any]:
        if self.kind in ("regression", "multi-label"):
            columns = [table.numbers(name) for name in self.target]
            return np.concatenate([column.reshape(len(column), -1) for column in columns], 1)
        return table.values(self.target[0])

    def _given(self, tables: Sequence[tuple[Columns, int]]) -> NDArray[np.int8] | None:
        if self.split_column:
            words = tables[0][0].values(self.split_column)
            return codes_of(words.tolist(), f"The column {self.split_column!r} of {self.file}", _rows([tables[0][0]]))
        given = np.concatenate([np.full(len(table), code, np.int8) for table, code in tables])
        return given if given.any() else None


def _rows(tables: Sequence[Columns]) -> Callable[[int], str]:
    """Return a function that gives the position of an item in the concatenated tables, for messages."""

    def place(index: int) -> str:
        for table in tables:
            if index < len(table):
                return f"data row {index + 1}" + (f" of {table.path}" if len(tables) > 1 else "")
            index -= len(table)
        return "an unknown row"

    return place


def _features(table: Columns, names: Sequence[str]) -> NDArray[np.float32]:
    """Return the features (n, k), or (n, k, ...) for columns of lists, each a channel."""
    first = table.numbers(names[0])
    check_size(first.nbytes * len(names), str(table.path))
    inputs = np.empty((len(first), len(names), *first.shape[1:]), np.float32)
    for place, name in enumerate(names):
        column = table.numbers(name) if place else first
        if column.shape != first.shape:
            raise DataError(
                f"The columns {names[0]!r} and {name!r} of {table.path} must have cells of one size, but have "
                f"{first.shape[1:] or 1} and {column.shape[1:] or 1}."
            )
        inputs[:, place] = column
    return inputs


def _joined(arrays: Sequence[NDArray[Any]], name: str, where: str) -> NDArray[Any]:
    if len(arrays) == 1:
        return arrays[0]
    if len({array.shape[1:] for array in arrays}) > 1:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise DataError(
            f"The arrays {name!r} of the splits of {where} must have items of one shape, but have {shapes}."
        )
    return np.concatenate(arrays)


def _text(array: NDArray[Any]) -> NDArray[Any]:
    return np.char.decode(array, "utf-8", "backslashreplace") if array.dtype.kind == "S" else array
