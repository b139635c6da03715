"""The metrics of a training, in a file that is complete after every epoch.

They lie in `metrics.jsonl`: the store of results holds one score of an architecture by an estimator, and an epoch has a
loss, a rate and a time besides.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from archsieve._checksums import with_checksum, without_checksum
from archsieve._files import replace_file
from archsieve._reading import parse_json, read_text
from archsieve.errors import RunFolderError
from archsieve.networks.building import laid_out
from archsieve.tasks.contract import count_items, says_count
from archsieve.tasks.evaluation import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import nn

    from archsieve.training.loop import Epoch

METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True)
class EpochMetrics:
    """The metrics of one epoch; epochs count from 1.

    Attributes:
        loss: mean of the training losses.
        learning_rate: of the epoch's last step.
        test: the task's metric on the test split, after it.
        validation: that on the validation split; None where the task sets none aside.
        seconds: of training, on the way to the end of the epoch.
    """

    epoch: int
    loss: float
    learning_rate: float
    test: float
    validation: float | None
    seconds: float


class TrainingLog:
    """Scores the network after every epoch, and records the metrics."""

    def __init__(
        self,
        folder: Path,
        network: nn.Module,
        task: Any,
        device: str,
        write: Callable[[int, Mapping[str, float]], None],
        show: Callable[[EpochMetrics], None] | None,
    ) -> None:
        self.path, self.rows = folder / METRICS_FILE, read_metrics(folder)
        self._network, self._task, self._device = network, task, device
        self._write, self._show = write, show
        self._validates = says_count(task) and count_items(task, "validation") > 0

    def __call__(self, epoch: Epoch) -> None:
        """Score the network after an epoch, unless a previous process already did."""
        before = [row for row in self.rows if row.epoch < epoch.number]
        if len(before) < epoch.number - 1:
            raise RunFolderError(
                f"The file {self.path} lacks epochs that the checkpoint beside it holds: restore a complete copy, or "
                "choose another folder."
            )
        if self.rows[len(before) :] and self.rows[len(before)].loss == epoch.loss:
            return
        row = self._score(epoch)
        self.rows = [*before, row]
        with replace_file(self.path) as temporary:
            temporary.write_text("".join(map(_line, self.rows)), encoding="utf-8")
        figures = {name: value for name, value in asdict(row).items() if name != "epoch" and value is not None}
        self._write(row.epoch, figures)
        if self._show is not None:
            self._show(row)

    def _score(self, epoch: Epoch) -> EpochMetrics:
        sign = 1 if self._task.higher_is_better else -1
        network = laid_out(self._network, self._device).eval()
        test = sign * evaluate(network, self._task, "test", device=self._device)
        validation = (
            sign * evaluate(network, self._task, "validation", device=self._device) if self._validates else None
        )
        network.train()
        return EpochMetrics(epoch.number, epoch.loss, epoch.rate, test, validation, epoch.seconds)


def _line(row: EpochMetrics) -> str:
    return json.dumps(with_checksum(asdict(row))) + "\n"


def read_metrics(folder: Path) -> list[EpochMetrics]:
    """Return the metrics of the epochs recorded in a folder.

    Raises:
        RunFolderError: the file is damaged.
    """
    path = folder / METRICS_FILE
    if not path.exists():
        return []
    try:
        return [EpochMetrics(**without_checksum(parse_json(line))) for line in read_text(path).splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise RunFolderError(f"The file {path} cannot be read: {error}. Choose another folder.") from error
