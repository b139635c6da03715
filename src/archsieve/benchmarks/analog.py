"""AnalogNAS-Bench: every cell of NAS-Bench-201 retrained, with its accuracy on analog hardware.

The file is a pickle inside the package analog-nasbench. It is found without importing the package and read
without running any code: the two classes it names are replaced by empty ones, and any other name is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._trial import try_first
from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.file_table import read_once
from archsieve.benchmarks.files import assemble, fault, number
from archsieve.benchmarks.joined import check_percent
from archsieve.benchmarks.pickles import read_pickle
from archsieve.benchmarks.topology_join import all_codes, check_accuracies, check_chance
from archsieve.errors import MissingDataError
from archsieve.sources import Source
from archsieve.spaces.nasbench201.space import NASBench201, from_naslib

if TYPE_CHECKING:
    from archsieve.benchmarks.records import Table
    from archsieve.spaces.contract import Architecture

_ACCURACIES = ("baseline_accuracy", "ptq_accuracy", "qat_accuracy", "noisy_accuracy", "analog_accuracy")
_SECONDS = (60, 3600, 86400, 2592000)
_DRIFTS = tuple(f"{kind}_drift_{seconds}" for kind in ("baseline", "analog") for seconds in _SECONDS)
_MODULE = "analognasbench.data"
_CHANCE = 10.0  # percent


@dataclass(frozen=True, kw_only=True)
class PackagedSource(Source):
    """A file inside an installed package; the package is never imported.

    Args:
        package: the package's import name; `file` is a path below it.
        extra: the extra of this package that installs it.
    """

    package: str
    extra: str

    def find(self) -> Path | None:
        """Return the file's path in the installed package, or None."""
        spec = find_spec(self.package)
        folders = (spec.submodule_search_locations or ()) if spec is not None else ()
        return next((path for folder in folders if (path := Path(folder) / self.file).exists()), None)

    def require(self) -> Path:
        """Return the file's path; raises if it is missing.

        Raises:
            MissingDataError: the package is not installed; says how to install it.
        """
        path = self.find()
        if path is None:
            raise MissingDataError(
                f"The file {self.file!r} of the package {self.package!r} is not there "
                f"(licence: {self.licence}): pip install 'archsieve[{self.extra}]'."
            )
        return path


@dataclass(frozen=True)
class AnalogNASBench(Benchmark):
    """Accuracies in percent on CIFAR-10 of all 15,625 cells.

    `baseline_accuracy` in floating point, then after quantisation (`ptq_`, `qat_`), on noisy hardware without
    (`noisy_`) and with (`analog_`) training for it, and both after 60 to 2,592,000 seconds of drift. In a file of
    one's own, accuracies must be those of the cells.

    >>> ANALOG.truth, len(ANALOG.columns)
    ('baseline_accuracy', 13)
    """

    name: str
    task: str
    source: Source
    columns: tuple[str, ...] = (*_ACCURACIES, *_DRIFTS)
    truth: str = "baseline_accuracy"

    @property
    def space(self) -> NASBench201:
        """The space with the benchmark's settings."""
        return NASBench201()

    @read_once
    def load(self) -> Table:
        """Read the table.

        Raises:
            MissingDataError: the package is not installed.
            DataError: the file is damaged, of another format, or names anything outside the allow-list.
        """
        path = self.source.require_known()
        if not self.source.is_known():
            try_first([path], f"{__name__}:_read")
        content = _read(path)
        archs = [_code(path, key) for key in content]
        rows = [_values(path, arch, entry) for arch, entry in zip(archs, content.values(), strict=True)]
        values = np.array(rows, dtype=np.float64).reshape(len(rows), len(self.columns))
        columns = dict(zip(self.columns, values.T, strict=True))
        table = assemble(path, self.space, archs, columns, truth=self.truth)
        if not self.source.is_known():
            check_percent(path, self.space, table, self.columns)
            for column in self.columns:  # noise decides the others
                check = check_accuracies if column == self.truth else check_chance
                check(path, table.lookup(column, all_codes()), _CHANCE, column)
        return table


def _read(path: Path) -> dict[Any, Any]:
    """Return the pickled dictionary."""
    # New stand-ins for each file: attributes that one file may set on them must not reach the next.
    allowed = {(_MODULE, name): type(name, (), {}) for name in ("Architecture", "DriftMeasurement")}
    content = read_pickle(path, allowed)
    if not isinstance(content, dict):
        raise fault(path, f"holds a {type(content).__name__} where a dictionary is expected")
    return content


def _code(path: Path, key: object) -> Architecture:
    """Return the code of a key in NASLib's tuple form."""
    options = key if isinstance(key, tuple) and len(key) == 6 else ()
    if not options or not all(type(option) is int and 0 <= option <= 4 for option in options):
        raise fault(path, "holds a key that is not a tuple of six numbers in 0..4")
    return from_naslib(options)


def _values(path: Path, arch: Architecture, entry: object) -> list[float]:
    """Return one row in the order of the columns; accuracies after drift are averaged."""
    fields = getattr(entry, "__dict__", {})
    drifts = [(name, getattr(fields.get(name), "__dict__", {}).get("value")) for name in _DRIFTS]
    entries = [*((name, fields.get(name)) for name in _ACCURACIES), *drifts]
    return [number(path, value, f"{name!r} of {arch}") for name, value in entries]


ANALOG: Benchmark = AnalogNASBench(
    name="nasbench201-analog",
    task="cifar10",
    source=PackagedSource(
        file="data.anb",
        package="analognasbench",
        extra="nb201",
        origin="the package analog-nasbench 0.1.3 (https://pypi.org/project/analog-nasbench)",
        licence="none stated",
        citation="AnalogNAS-Bench: A NAS Benchmark for Analog In-Memory Computing, 2025, arXiv 2506.18495",
        sha256="85f3435b877aa2d36268d55ce07f6ff6d73643d17a840f1941745da5eb80db32",
    ),
)
"""From 10.0 to 94.0664 %; the best is 333123."""
