"""Common part of tasks of the user's data: kind, splits, loss, metric; each task adds the reading of items."""

from __future__ import annotations

import functools
from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.errors import DataError, SettingError
from archsieve.registry import near_miss
from archsieve.tasks.classification import check_outputs
from archsieve.tasks.contract import SPLITS, Task
from archsieve.tasks.data.splits import Fractions, Parts, parted
from archsieve.tasks.metrics import DEFAULTS, KINDS, METRICS, check_metric, metric_of
from archsieve.tasks.segmentation import loss_of_pixels
from archsieve.values import check_whole, exact

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.tasks.contract import Metric, Split

PLACE = {"place": True}
"""Metadata of a setting that says where data are or how they are read: no part of the identity."""


@dataclass(frozen=True, eq=False)
class Known:
    """The data on all items, known once they are read or listed.

    Attributes:
        content: hash of all that the items are.
        targets: see `archsieve.tasks.data.targets.Targets`; of pixels they may be empty.
        names: of the classes, labels or numbers.
        given: split of each item, see `archsieve.tasks.data.splits`; None: all are drawn.
        groups: a number for each item; items of one number come into one split.
        what: what messages call the data.
    """

    content: str
    targets: NDArray[Any]
    names: tuple[str, ...]
    given: NDArray[np.int8] | None
    what: str
    groups: NDArray[np.int64] | None = None
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class OwnData(Task):
    """A task of the user's data. Its fields are settings; data locations are not part of its identity.

    Attributes:
        kind: "classification", "binary", "multi-label", "regression" or "segmentation".
        scored_by: name of the metric, see `archsieve.tasks.metrics.METRICS`; empty for the kind's own: accuracy,
            balanced accuracy, F1, mean absolute error, mean IoU.
        balanced_loss: whether a rare class, or the rare answer of a yes or no, weighs as much as a frequent one.
        positive: of a binary task, the class that counts as yes; empty: the second in order.
        validation_fraction: share of the items that is drawn for "validation" where none are given, in [0, 1).
        test_fraction: the same for "test".
        split_seed: draws both; of classes, each in its proportion.
        train_fraction: share of the rest that is trained on, in (0, 1], always the same items.
    """

    kind: str = "classification"
    scored_by: str = ""
    balanced_loss: bool = False
    positive: str = ""
    validation_fraction: float = 0.15
    test_fraction: float = 0.15
    split_seed: int = 0
    train_fraction: float = 1.0

    name: ClassVar[str]
    version: ClassVar[int] = 1  # raised whenever the same data would give other inputs
    kinds: ClassVar[tuple[str, ...]] = KINDS

    def __post_init__(self) -> None:
        if self.kind not in self.kinds:
            raise SettingError(
                f"The task {self.name!r} has no kind {self.kind!r}.{near_miss(str(self.kind), self.kinds)}"
            )
        if self.scored_by:
            check_metric(self.scored_by, self.kind)  # type: ignore[arg-type]
        for setting in ("validation_fraction", "test_fraction"):
            share = getattr(self, setting)
            if not isinstance(share, int | float) or not 0 <= share < 1:
                raise SettingError(f"`0 <= {setting} < 1` must hold, but got {share!r}.")
        check_whole("split_seed", self.split_seed)
        share = self.train_fraction
        if not isinstance(share, int | float) or not 0 < share <= 1:
            raise SettingError(f"`0 < train_fraction <= 1` must hold, but got {share!r}.")
        if self.balanced_loss and self.kind in ("regression", "segmentation"):
            raise SettingError(f"`balanced_loss` weights classes, but the kind {self.kind!r} has none.")
        if self.positive and self.kind != "binary":
            raise SettingError(f"`positive` needs kind = 'binary', but the kind is {self.kind!r}.")

    @abstractmethod
    def known(self) -> Known:
        """Return the data on all items: the same object while the process lives."""

    @property
    def num_outputs(self) -> int:
        """The number of classes, or one output for each binary label or number."""
        return 1 if self.kind == "binary" else len(self.known().names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in output order; for a binary task, no and yes."""
        return self.known().names

    @property
    def metric_name(self) -> str:
        """The name of the metric, with its unit."""
        return METRICS[self._metric].title

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric."""
        return METRICS[self._metric].higher_is_better

    @property
    def loss_name(self) -> str:
        """The kind of loss: "cross_entropy", "bce" or "mse"."""
        return {"regression": "mse", "binary": "bce", "multi-label": "bce"}.get(self.kind, "cross_entropy")

    @property
    def target_scale(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of the target numbers; networks output (number - mean) / deviation.

        Both over the items to train on. Of other kinds (0,) and (1,).
        """
        mean, deviation = self._scale()
        return tuple(mean.tolist()), tuple(deviation.tolist())

    @property
    def facts(self) -> dict[str, Any]:
        """What a user needs to run a network of this task elsewhere: classes, and the scale of numbers."""
        names = {"regression": "numbers", "multi-label": "labels"}.get(self.kind, "classes")
        facts: dict[str, Any] = {"kind": self.kind, names: list(self.class_names)}
        if self.kind == "regression":
            mean, deviation = self.target_scale
            facts |= {"target_mean": list(mean), "target_deviation": list(deviation)}
        return facts

    def identity(self) -> dict[str, Any]:
        """Return what results depend on: name, version, content and settings, but not the data's location."""
        settings = {f.name: getattr(self, f.name) for f in fields(self) if not f.metadata.get("place")}
        shares = ("validation_fraction", "test_fraction", "train_fraction")
        return {
            "name": self.name,
            "version": self.version,
            **settings,
            **{name: float(settings[name]) for name in shares},  # 0 and 0.0 are one setting
            "scored_by": self._metric,
            "content": self.known().content,
        }

    def count(self, split: Split) -> int:
        """Return the number of items in a split."""
        return len(self.members(split))

    def members(self, split: Split) -> NDArray[np.int64]:
        """Return the indices of a split's items.

        Raises:
            SettingError: an unknown split, or one that would have a single item.
            DataError: what is scored on has a class that is not trained on.
        """
        items = self._parts().of(split)
        if split != "train" or self.train_fraction == 1:
            return items
        kept = int(exact(self.train_fraction) * len(items))
        if not kept:
            raise SettingError(f"train_fraction={self.train_fraction} leaves none of {len(items)} items to train on.")
        return items[:kept]

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the mean loss over a batch: cross entropy, binary cross entropy of logits, or mean squared error.

        Raises:
            SettingError: outputs and targets do not fit, or label smoothing is asked for where there are no classes.
        """
        from torch.nn import functional

        if self.loss_name == "cross_entropy":
            check_outputs(self.name, outputs, targets)
            if targets.dim() > 1:
                return loss_of_pixels(outputs, targets, label_smoothing)
            return functional.cross_entropy(outputs, targets, self._weights(outputs), label_smoothing=label_smoothing)
        if label_smoothing:
            raise SettingError(f"The kind {self.kind!r} has no label smoothing: set label_smoothing to 0.")
        if outputs.numel() != targets.numel():
            raise SettingError(
                f"The task {self.name!r} has {self.num_outputs} numbers for each item, but the "
                f"network returns outputs of the shape "
                f"{tuple(outputs.shape)} for {len(targets)} items."
            )
        outputs = outputs.reshape(targets.shape)
        if self.loss_name == "mse":
            return functional.mse_loss(outputs, targets)
        return functional.binary_cross_entropy_with_logits(outputs, targets, pos_weight=self._weights(outputs))

    def metric(self) -> Metric:
        """Return a new metric; for numbers it is in the unit of the user's numbers."""
        return metric_of(self._metric, self.kind, self.num_outputs, self._scale()[1])  # type: ignore[arg-type]

    @property
    def _metric(self) -> str:
        return self.scored_by or DEFAULTS[self.kind]  # type: ignore[index]

    def _parts(self) -> Parts:
        fractions = Fractions(float(self.validation_fraction), float(self.test_fraction), self.split_seed)
        return _parts(self.known(), fractions, self.kind, self._metric)

    def answers(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """Return items' targets as network outputs: int64 classes, or standardised float32 numbers."""
        targets = self.known().targets[places]
        if self.kind == "regression":
            mean, deviation = self._scale()
            return ((targets - mean) / deviation).astype(np.float32)
        return targets if targets.dtype == np.float32 else targets.astype(np.int64)

    def _scale(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.kind != "regression":
            return np.zeros(1), np.ones(1)
        known = self.known()
        return _scale(known, self._parts())

    def _weights(self, outputs: Tensor) -> Tensor | None:
        """Return the loss weights of the classes, or of the positive answer; None if all are 1."""
        from archsieve.tasks.data.moving import constant

        if not self.balanced_loss:
            return None
        return constant(_weights(self.known(), self._parts(), self.kind), str(outputs.device))


@functools.lru_cache(maxsize=8)
def _parts(known: Known, fractions: Fractions, kind: str, metric: str) -> Parts:
    has_classes = kind in ("classification", "binary")
    strata = known.targets.reshape(-1).astype(np.int64) if has_classes else None
    parts = parted(known.what, known.count, fractions, given=known.given, strata=strata, groups=known.groups)
    if strata is None:
        return parts
    trained = np.unique(strata[parts.train])
    for split in SPLITS:
        occurring = np.unique(strata[parts.of(split)])
        if len(unknown := np.setdiff1d(occurring, trained)):
            names = known.names
            raise DataError(f"The class {names[unknown[0]]!r} of {known.what} is in {split!r}, but not trained on.")
        if metric == "auc" and split != "train" and 0 < len(occurring) < len(known.names):
            lacking = known.names[np.setdiff1d(np.arange(len(known.names)), occurring)[0]]
            raise DataError(
                f"The AUC needs items of every class, but {split!r} of {known.what} has none of {lacking!r}: choose "
                f"another metric, or raise {split}_fraction."
            )
    return parts


@functools.lru_cache(maxsize=8)
def _scale(known: Known, parts: Parts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    numbers = known.targets[parts.train].astype(np.float64)
    deviation = numbers.std(0)
    for place in np.flatnonzero(deviation == 0):
        raise DataError(
            f"All items to train on of {known.what} have the same number {numbers[0, place]:g} as "
            f"{known.names[place]!r}: there is nothing to predict."
        )
    return numbers.mean(0), deviation


@functools.lru_cache(maxsize=8)
def _weights(known: Known, parts: Parts, kind: str) -> tuple[float, ...]:
    targets = known.targets[parts.train]
    if kind == "classification":
        counts = np.bincount(targets, minlength=len(known.names))
        return tuple((len(targets) / (len(counts) * np.maximum(counts, 1))).tolist())
    positive = targets.sum(0)
    return tuple(((len(targets) - positive) / np.maximum(positive, 1)).clip(min=1e-6).tolist())
