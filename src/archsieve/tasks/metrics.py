"""Metrics by name for tasks of the user's data, each in its own unit and direction, computed by scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from archsieve.errors import SettingError, require
from archsieve.registry import near_miss
from archsieve.tasks.classification import Accuracy
from archsieve.tasks.segmentation import MeanIoU

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.tasks.contract import Metric

Kind: TypeAlias = Literal["classification", "binary", "multi-label", "regression", "segmentation"]
"""What a network says of an item: one of several classes, yes or no, yes or no several times, numbers, or a class for
each pixel."""

KINDS: tuple[Kind, ...] = get_args(Kind)


class Named(NamedTuple):
    """A metric: its name, its direction, and the kinds of task that support it."""

    title: str
    higher_is_better: bool
    kinds: tuple[Kind, ...]


METRICS: dict[str, Named] = {
    "accuracy": Named("accuracy in percent", True, ("classification", "binary", "multi-label")),
    "balanced_accuracy": Named("balanced accuracy in percent", True, ("classification", "binary")),
    "f1": Named("F1", True, ("classification", "binary", "multi-label")),
    "auc": Named("AUC", True, ("classification", "binary", "multi-label")),
    "mae": Named("mean absolute error", False, ("regression",)),
    "mse": Named("mean squared error", False, ("regression",)),
    "rmse": Named("root mean squared error", False, ("regression",)),
    "r2": Named("R2", True, ("regression",)),
    "mean_iou": Named("mean IoU in percent", True, ("segmentation",)),
}
"""The metrics by name. F1 and AUC are in [0, 1]; of several classes, labels or numbers they are the plain mean."""

DEFAULTS: dict[Kind, str] = {
    "classification": "accuracy",
    "binary": "balanced_accuracy",
    "multi-label": "f1",
    "regression": "mae",
    "segmentation": "mean_iou",
}


def check_metric(name: str, kind: Kind) -> None:
    """Check that a kind of task supports the metric of that name.

    Raises:
        SettingError: it has none; lists those it has.
    """
    if name not in METRICS:
        raise SettingError(f"There is no metric {name!r}.{near_miss(name, METRICS)}")
    if kind not in METRICS[name].kinds:
        fitting = ", ".join(each for each, metric in METRICS.items() if kind in metric.kinds)
        raise SettingError(f"The metric {name!r} does not fit the kind {kind!r}, which has {fitting}.")


def metric_of(name: str, kind: Kind, classes: int, scale: NDArray[np.float64] | None = None) -> Metric:
    """Return a new metric.

    Args:
        name: one of `METRICS`.
        kind: what the outputs say.
        classes: number of outputs.
        scale: of regression, by what each output is multiplied to be in the unit of the user's numbers, shape (k,).

    >>> import torch
    >>> error = metric_of("mae", "regression", 1, np.array([10.0]))
    >>> error.update(torch.tensor([[1.0], [2.0]]), torch.tensor([[1.5], [2.0]]))
    >>> error.compute()
    2.5
    """
    if name == "mean_iou":
        return MeanIoU(classes)
    if name == "accuracy" and kind == "classification":
        return Accuracy()
    return Collected(name, kind, scale)


class Collected:
    """Collects outputs and targets, and computes a scikit-learn metric at the end.

    Over no items, or with NaN among the outputs, it is NaN.
    """

    def __init__(self, name: str, kind: Kind, scale: NDArray[np.float64] | None) -> None:
        self._name, self._kind, self._scale = name, kind, scale
        self._outputs: list[NDArray[Any]] = []
        self._targets: list[NDArray[Any]] = []

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add one batch: outputs (n, k), or (n,) if k is 1, and targets of this kind of task."""
        answers = outputs.detach().float().cpu()
        truth = targets.detach().cpu()
        if self._kind != "classification":
            answers, truth = answers.reshape(len(truth), -1), truth.reshape(len(truth), -1)
        elif self._name != "auc" and not bool(answers.isnan().any()):
            answers = answers.argmax(1)  # so that a thousand classes of a million items fit into memory
        self._outputs.append(answers.numpy())
        self._targets.append(truth.numpy())

    def compute(self) -> float:
        """Return the metric over all items so far, in its own direction; NaN if undefined."""
        require("sklearn", "data")
        if not self._targets or any(bool(np.isnan(answers).any()) for answers in self._outputs):
            return float("nan")
        outputs, targets = np.concatenate(self._outputs), np.concatenate(self._targets)
        if self._kind == "regression":
            return _error(self._name, outputs * self._factors(), targets * self._factors())
        return _agreement(self._name, self._kind, outputs, targets)

    def _factors(self) -> NDArray[np.float64]:
        return np.ones(1) if self._scale is None else self._scale


def _error(name: str, outputs: NDArray[Any], targets: NDArray[Any]) -> float:
    from sklearn import metrics

    functions = {
        "mae": metrics.mean_absolute_error,
        "mse": metrics.mean_squared_error,
        "rmse": metrics.root_mean_squared_error,
        "r2": metrics.r2_score,
    }
    if name == "r2" and len(targets) < 2:
        return float("nan")
    return float(functions[name](targets, outputs))


def _agreement(name: str, kind: Kind, outputs: NDArray[Any], targets: NDArray[Any]) -> float:
    """Return accuracy, balanced accuracy, F1 or AUC."""
    from sklearn import metrics

    if name == "auc":
        return _area(kind, outputs, targets)
    answers = outputs if kind == "classification" else (outputs > 0).astype(np.int64)
    truth = targets.astype(np.int64)
    if name == "accuracy":
        return float(100 * (answers == truth).mean())
    if kind == "binary":
        answers, truth = answers[:, 0], truth[:, 0]
    if name == "balanced_accuracy":  # the mean of the recalls of the classes that occur
        occurring: Sequence[int] = np.unique(truth).tolist()
        recall = metrics.recall_score(truth, answers, labels=occurring, average="macro", zero_division=0.0)
        return float(100 * recall)
    average = "binary" if kind == "binary" else "macro"
    return float(metrics.f1_score(truth, answers, average=average, zero_division=0.0))


def _area(kind: Kind, outputs: NDArray[Any], targets: NDArray[Any]) -> float:
    """Return the area under the ROC curve, averaged over classes or labels; NaN if one does not occur."""
    from sklearn import metrics

    truth = targets if kind != "classification" else targets[:, None] == np.arange(outputs.shape[1])
    if kind == "classification":
        exponents = outputs - outputs.max(1, keepdims=True)
        outputs = np.exp(exponents) / np.exp(exponents).sum(1, keepdims=True)
    truth = truth.astype(np.int64)
    if any(len(np.unique(column)) < 2 for column in truth.T):
        return float("nan")
    areas = [metrics.roc_auc_score(true, said) for true, said in zip(truth.T, outputs.T, strict=True)]
    return float(np.mean(areas))
