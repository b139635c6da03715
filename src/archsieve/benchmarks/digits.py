"""The embedded benchmark: 729 small networks that we trained completely on handwritten digits, with several seeds.

Made by `studies/make_digits_benchmark.py`. The file holds, for every seed, code and epoch, how many pictures of the
validation and of the test split were classified rightly. The seeds of the truth are not those of the curves.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from archsieve._arrays import read_arrays
from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.file_table import read_once
from archsieve.benchmarks.files import fault
from archsieve.benchmarks.records import Table
from archsieve.errors import MissingDataError
from archsieve.sources import Source
from archsieve.spaces.nasbench_macro.space import NASBenchMacro

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

FILE = "digits.npz"
SPACE = NASBenchMacro(stem_width=8, widths=(8, 16, 32), stages=(2, 2, 2), head_width=64)
TEST_IMAGES, VALIDATION_IMAGES = 997, 500
EPOCHS, TRUTHS, CURVES = 20, 3, 2


@dataclass(frozen=True)
class PackageSource(Source):
    """A file shipped in this package."""

    def find(self) -> Path | None:
        """Return its path, or None."""
        path = Path(str(files("archsieve.benchmarks"))) / self.file
        return path if path.exists() else None

    def require(self) -> Path:
        """Return its path.

        Raises:
            MissingDataError: the package is not whole.
        """
        path = self.find()
        if path is None:
            raise MissingDataError(
                f"The file {self.file!r} of the package itself ({self.licence}) is missing: reinstall archsieve."
            )
        return path


@dataclass(frozen=True)
class DigitsBenchmark(Benchmark):
    """All 729 codes, accuracies in percent.

    `test_acc` is the mean over three seeds after the last of 20 epochs, `test_acc_std` their deviation (ddof 1),
    `test_acc_1` to `test_acc_3` each of them. `curve_<epoch>` and `curve2_<epoch>` are validation
    accuracies of two other seeds after every epoch: what partial training would have seen.

    >>> DIGITS.truth, len(DIGITS.load().archs)
    ('test_acc', 729)
    """

    name: str = "nasbench-macro-digits"
    task: str = "digits"
    source: Source = PackageSource(
        FILE,
        "this package",
        "Apache-2.0",
        "studies/make_digits_benchmark.py",
        "07caf4921fc09acc939ef95d72957e7fa4c1a2944f7942286275966ba7bec7be",
    )
    truth: str = "test_acc"

    @property
    def task_settings(self) -> Mapping[str, float]:
        """The settings of the task used for all trainings."""
        return {"test_images": TEST_IMAGES, "validation_fraction": 0.625, "split_seed": 0, "train_fraction": 1.0}

    @property
    def repetitions(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of the single trainings behind a column."""
        return {"test_acc": tuple(f"test_acc_{i}" for i in range(1, TRUTHS + 1))}

    @property
    def choosers(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of single complete trainings by which a search judged by a column would choose."""
        return {"test_acc": tuple(f"{curve}_{EPOCHS}" for curve in _curves())}

    @property
    def space(self) -> NASBenchMacro:
        """The space with the benchmark's settings."""
        return SPACE

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        of_truth = ("test_acc", "test_acc_std", *(f"test_acc_{i}" for i in range(1, TRUTHS + 1)))
        return (*of_truth, *(f"{curve}_{epoch}" for curve in _curves() for epoch in range(1, EPOCHS + 1)))

    @read_once
    def load(self) -> Table:
        """Read the table.

        Raises:
            DataError: the file is damaged: the package is not whole.
        """
        path = self.source.require_known()
        try:
            codes, validation, test = read_arrays(path, ("codes", "validation", "test")).values()
        except (OSError, ValueError) as error:
            raise fault(path, f"is damaged: reinstall archsieve ({error})") from error
        shape = TRUTHS + CURVES, len(codes), EPOCHS
        if validation.shape != shape or test.shape != shape:
            raise fault(path, f"is not of this version: it should hold counts of the shape {shape}")
        return Table(tuple(tuple(map(int, code)) for code in codes), _columns(validation, test))


def _curves() -> list[str]:
    return ["curve", *(f"curve{i}" for i in range(2, CURVES + 1))]


def _columns(validation: NDArray[np.integer], test: NDArray[np.integer]) -> Mapping[str, NDArray[np.float64]]:
    """Return the columns computed from counts of shape (seeds, codes, epochs)."""
    truths = 100.0 * test[:TRUTHS, :, -1] / TEST_IMAGES
    right = test[:TRUTHS, :, -1].astype(int).sum(axis=0)  # equal sums stay equal
    columns = {"test_acc": 100.0 * right / (TRUTHS * TEST_IMAGES), "test_acc_std": truths.std(axis=0, ddof=1)}
    columns |= {f"test_acc_{i}": truth for i, truth in enumerate(truths, 1)}
    for curve, counts in zip(_curves(), validation[TRUTHS:], strict=True):
        columns |= {f"{curve}_{e}": 100.0 * counts[:, e - 1] / VALIDATION_IMAGES for e in range(1, EPOCHS + 1)}
    return columns


DIGITS = DigitsBenchmark()
