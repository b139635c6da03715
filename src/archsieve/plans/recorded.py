"""The networks of a plan that looks up values in tables of a part of a space: those that the tables have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.benchmarks.contract import find_benchmark
from archsieve.benchmarks.foreign import ForeignTable, column_of
from archsieve.benchmarks.records import Table
from archsieve.errors import ArchsieveError, SettingError
from archsieve.estimators.contract import leaves_of
from archsieve.estimators.lookup import Lookup, Replay
from archsieve.spaces.contract import size
from archsieve.spaces.sampling import LARGEST_POOL, pool_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.spaces.contract import Architecture, SearchSpace


def recorded_networks(space: SearchSpace, estimators: Iterable[AnyEstimator]) -> list[Architecture] | None:
    """Return the canonical codes, sorted, that have a value of everything that estimators look up in partial tables.

    A file is partial where a network has an empty field, a registered table where a network has no row: an empty field
    there is a result of its own, such as a proxy that gave no score. A table that cannot be read restricts nothing: the
    look-up itself says why.

    Returns:
        None where no estimator looks up in a table, or their tables have every network.

    Raises:
        SettingError: no network has them all.
    """
    looked_up = {leaf for estimator in estimators for leaf in leaves_of(estimator) if isinstance(leaf, Lookup | Replay)}
    parts = [known for lookup in looked_up if (known := _partly_known(lookup, space)) is not None]
    if not parts:
        return None
    common = sorted(arch for arch in set.intersection(*parts) if space.is_valid(arch))
    if not common:
        columns = ", ".join(sorted(map(_column, looked_up)))
        raise SettingError(f"No network of {space.name} has a value of each column that the plan looks up: {columns}.")
    return common


def _partly_known(lookup: Lookup | Replay, space: SearchSpace) -> set[Architecture] | None:
    """Return the networks that the table of a look-up has, by canonical code; None if it has all."""
    whole = space.whole
    try:
        archs = _with_values(lookup, space)
    except ArchsieveError:
        return None
    if archs is None or len(archs) == size(whole):
        return None
    known = {arch for arch in archs if whole.canonical(arch) == arch}
    can_count = size(whole) <= LARGEST_POOL and not whole.is_costly_to_list
    return None if can_count and len(known) == pool_size(whole) else known


def _with_values(lookup: Lookup | Replay, space: SearchSpace) -> Sequence[Architecture] | None:
    """Return the codes of which the table of a look-up has a value; None for models, which predict all."""
    column = _column(lookup)
    if lookup.file:
        foreign = ForeignTable(lookup.file, space.whole, lookup.codes, lookup.notation).load()
        values = foreign.columns[column_of(foreign, lookup.file, column)]
        return [arch for arch, is_known in zip(foreign.archs, ~np.isnan(values), strict=True) if is_known]
    records = find_benchmark(space, column, lookup.benchmark or None).load()
    return records.archs if isinstance(records, Table) else None


def _column(lookup: Lookup | Replay) -> str:
    return lookup.column if isinstance(lookup, Lookup) else f"{lookup.curve}_{lookup.epochs}"
