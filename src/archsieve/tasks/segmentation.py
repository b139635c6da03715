"""Common part of segmentation tasks: a class per pixel, crops for training, whole pictures for scoring; mean IoU."""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.tasks.classification import Classification, check_outputs
from archsieve.tasks.data.scenes import IGNORED, Look, Scenes
from archsieve.tasks.read_later import ReadLater, in_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.tasks.data.batching import Batch, Pending
    from archsieve.tasks.data.scenes import Part
    from archsieve.tasks.read_later import Request

MOST_PIXELS = 1 << 20
"""In a batch of whole pictures, unless one alone has more: what their outputs take must not depend on the caller."""


class MeanIoU:
    """Intersection over union in percent 0-100, averaged over classes in targets or outputs; higher is better.

    It comes from one confusion matrix over all pixels of all pictures. Ignored pixels do not count; a pixel with a NaN
    among its outputs counts as wrong. Outputs are resized to the size of the labels. Without any pixel the metric is
    NaN: nothing was measured.

    >>> import torch
    >>> metric = MeanIoU(3)
    >>> metric.update(torch.eye(3)[[0, 0, 1]].T.reshape(1, 3, 1, 3), torch.tensor([[[0, 1, 1]]]))
    >>> metric.compute(), round(metric.pixel_accuracy(), 1)
    (50.0, 66.7)
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._counts: Tensor | int = 0  # stays on the device

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add one batch: outputs (n, classes, h, w) and targets (n, H, W)."""
        outputs, columns = _fitted(outputs, targets), self._classes + 1
        answers = outputs.argmax(1).masked_fill(outputs.isnan().any(1), self._classes)
        count = self._classes * columns
        # Ignored pixels go to one extra bin: filtering them out would wait for the device to report their number.
        places = (targets * columns + answers).masked_fill(targets == IGNORED, count)
        self._counts = self._counts + places.flatten().bincount(minlength=count + 1)[:count]

    def compute(self) -> float:
        """Return the mean IoU in percent over all pixels so far; NaN without pixels."""
        counts = self._matrix()
        hits = counts.diagonal()
        union = counts.sum(1) + counts[:, :-1].sum(0) - hits
        occurs = union > 0
        return float(100 * (hits[occurs] / union[occurs]).mean()) if occurs.any() else float("nan")

    def pixel_accuracy(self) -> float:
        """Return the share of correctly classified pixels in percent; NaN without pixels."""
        counts = self._matrix()
        return float(100 * counts.diagonal().sum() / counts.sum()) if counts.sum() else float("nan")

    def _matrix(self) -> NDArray[np.float64]:
        """Return the confusion counts of true class (row) and output class (column; the last is none)."""
        flat = np.zeros(1) if isinstance(self._counts, int) else self._counts.cpu().numpy()
        return np.broadcast_to(flat, self._classes * (self._classes + 1)).reshape(self._classes, -1).astype(np.float64)


@dataclass(frozen=True)
class Segmentation(ReadLater, Classification):
    """A task whose inputs are pictures and whose targets are the pixels' class numbers.

    A subclass says what its data are (`load`) and how they are treated (the class attributes). Inputs are float32
    (n, C, h, w), targets int64 (n, h, w) with `IGNORED` where there is no label.

    What is trained on has the size of `input_shape`: augmented, it is a part of the picture at a random scale, mirrored
    or not, its colours changed, with zeros and ignored pixels where the picture ends; as it is, the middle of the
    picture. "validation" and "test" come whole, scaled so that they just cover `input_shape`; their targets keep the
    original size, and outputs are resized to that. A batch holds neighbours of one size, so it may have fewer items
    than asked for.
    """

    metric_name: ClassVar[str] = "mean IoU in percent"
    mean: ClassVar[tuple[float, ...]] = (0.485, 0.456, 0.406)  # of ImageNet, by channel, white is 1
    std: ClassVar[tuple[float, ...]] = (0.229, 0.224, 0.225)
    scales: ClassVar[tuple[float, float]] = (0.5, 2.0)
    distort: ClassVar[bool] = True
    makes_ahead: ClassVar[bool] = False

    @property
    def threads(self) -> int:
        """The number of scenes read and cropped at the same time."""
        return 1

    @abstractmethod
    def load(self) -> Scenes:
        """Return the scenes, opened once per process."""

    def totals(self) -> tuple[int, int]:
        """Return the number of scenes for training and validation, and for testing."""
        scenes = self.load()
        return len(scenes.train), len(scenes.test)

    def answer(self, request: Request) -> Iterator[Pending]:
        """Return the batches, with crops made later; the order and augmentation seeds are drawn now."""
        from archsieve.tasks.data.batching import made

        scenes = self.load()
        order = self.members(request.split, len(scenes.train), len(scenes.test))
        part, seeds = scenes.test if request.split == "test" else scenes.train, None
        if request.rng is not None:
            order = request.rng.permutation(order)
            if request.augment:
                seeds = request.rng.integers(2**63, size=len(order))
        if seeds is None and request.split != "train":
            return map(made, self._whole(part, order, request.batch_size, request.device))
        return in_parts(len(order), request.batch_size, partial(self._cropped, part, order, seeds, request.device))

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the mean cross entropy of outputs (n, classes, h, w) over labelled pixels; 0 without any."""
        check_outputs(self.name, outputs, targets)
        return loss_of_pixels(outputs, targets, label_smoothing)

    def metric(self) -> MeanIoU:
        """Return a new `MeanIoU`."""
        return MeanIoU(self.num_outputs)

    def _cropped(
        self, part: Part, order: NDArray[np.int64], seeds: NDArray[np.int64] | None, device: str, place: slice
    ) -> Batch:
        from archsieve.tasks.data import scene_pairs

        def pair(index: int, seed: int | None) -> scene_pairs.Pair:
            if seed is None:
                return scene_pairs.cropped(part[index], self.input_shape[1:], self._look)
            return scene_pairs.augmented(part[index], self.input_shape[1:], self._look, np.random.default_rng(seed))

        indices = order[place].tolist()
        arguments = indices, [None] * len(indices) if seeds is None else seeds[place].tolist()
        if self.threads == 1:
            return scene_pairs.stacked(list(map(pair, *arguments)), device)
        with ThreadPoolExecutor(self.threads) as threads:
            return scene_pairs.stacked(list(threads.map(pair, *arguments)), device)

    def _whole(
        self, part: Part, order: NDArray[np.int64], batch_size: int, device: str
    ) -> Iterator[tuple[Tensor, Tensor]]:
        from archsieve.tasks.data import scene_pairs

        pairs = (scene_pairs.whole(part[index], self.input_shape[1:], self._look) for index in order.tolist())
        group = list(islice(pairs, 1))
        for pair in pairs:
            most = min(batch_size, max(1, MOST_PIXELS // group[0].labels.numel()))
            if len(group) == most or pair.shape != group[0].shape:
                yield scene_pairs.stacked(group, device)
                group = []
            group.append(pair)
        if group:
            yield scene_pairs.stacked(group, device)

    @property
    def _look(self) -> Look:
        return Look(self.mean, self.std, self.scales, self.distort)


def loss_of_pixels(outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return the mean cross entropy over labelled pixels, 0 without any; outputs are resized to the targets."""
    from torch.nn.functional import cross_entropy

    total = cross_entropy(
        _fitted(outputs, targets),
        targets,
        ignore_index=IGNORED,
        label_smoothing=label_smoothing,
        reduction="sum",
    )
    return total / (targets != IGNORED).sum().clamp(min=1)


def _fitted(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the outputs at the size of the targets."""
    from torch.nn.functional import interpolate

    if outputs.shape[2:] == targets.shape[1:]:
        return outputs
    return interpolate(outputs, size=targets.shape[1:], mode="bilinear", align_corners=False)
