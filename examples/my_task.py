"""A task of your own: pictures of horizontal or vertical stripes, generated on demand."""

from dataclasses import dataclass

import numpy as np
import torch

from archsieve import TASKS, Accuracy, Task


@TASKS.register("stripes")
@dataclass(frozen=True)
class Stripes(Task):
    items: int = 200  # in each split

    name, input_shape, num_outputs = "stripes", (1, 8, 8), 2
    metric_name = "accuracy in percent"

    def count(self, split):
        return self.items

    def batches(self, split, *, batch_size, rng=None, augment=False, device="cpu"):
        own = np.random.default_rng(("train", "validation", "test").index(split))
        targets = torch.from_numpy(own.integers(2, size=self.items))
        inputs = torch.from_numpy(own.standard_normal((self.items, 1, 8, 8), dtype=np.float32))
        inputs[targets == 0, :, ::2] += 1
        inputs[targets == 1, :, :, ::2] += 1
        order = np.arange(self.items) if rng is None else rng.permutation(self.items)
        for start in range(0, self.items, batch_size):
            places = order[start : start + batch_size]
            yield inputs[places].to(device), targets[places].to(device)

    def loss(self, outputs, targets):
        return torch.nn.functional.cross_entropy(outputs, targets)

    def metric(self):
        return Accuracy()
