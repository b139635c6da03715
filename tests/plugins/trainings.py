"""Training functions as a user writes them: good ones, and ones that go wrong in ordinary ways."""

import math
import os
import random
import sys
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune


def fitted(network, task, budget):
    """Train one batch an epoch and return the metric on the validation split."""
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    network.train()
    for _ in range(budget):
        inputs, targets = next(iter(task.batches("train", batch_size=8)))
        optimiser.zero_grad()
        task.loss(network(inputs), targets).backward()
        optimiser.step()
    metric = task.metric()
    network.eval()
    with torch.no_grad():
        for inputs, targets in task.batches("validation", batch_size=64):
            metric.update(network(inputs), targets)
    return metric.compute()


def resumed(network, task, budget, folder):
    """Return how many epochs were trained before, and how many now: 12 is one before and two in total."""
    path = folder / "epochs.txt"
    before = int(path.read_text()) if path.exists() else 0
    path.write_text(str(budget))
    return 10 * before + budget


def told(network, task, budget, *, device, seed):
    return seed + (device == "cpu") / 2


def drawn(network, task, budget):
    return float(torch.rand(()))


def raises(network, task, budget):
    raise KeyError("momentum")


def raises_now_and_then(network, task, budget):
    """Fail on networks without a convolution beyond the stem's."""
    if sum(isinstance(module, torch.nn.Conv2d) for module in network.modules()) < 2:
        raise ValueError("no convolution")
    return 1.0


def opens_nothing(network, task, budget):
    with open("no/such/file"):  # noqa: PTH123
        return 1.0


def no_room(network, task, budget):
    raise OSError(28, "No space left on device")


def nan(network, task, budget):
    return math.nan


def text(network, task, budget):
    return "good"


def nothing(network, task, budget):
    return None


def several(network, task, budget):
    return torch.zeros(3)


def one_tensor(network, task, budget):
    return torch.tensor([2.5])


def negative(network, task, budget):
    return -0.25


def quarter(network, task, budget):
    return 0.25


def too_few(network):
    return 1.0


NUMBER = 3


def as_numpy(network, task, budget):
    return np.float32(2.5)


def with_gradient(network, task, budget):
    return next(network.parameters()).sum() * 0 + 2.5


def pair(network, task, budget):
    return 2.5, 0.1


def by_name(network, task, budget):
    return {"accuracy": 2.5}


def truth(network, task, budget):
    return np.bool_(True)


def too_many_percent(network, task, budget):
    return 101.0


def leaves(network, task, budget):
    sys.exit("no GPU")


def interrupted(network, task, budget):
    raise KeyboardInterrupt


def _step(network, task, loss, **options):
    inputs, targets = next(iter(task.batches("train", batch_size=4)))
    loss(network(inputs), targets, **options).backward()
    return 1.0


def wrong_kind(network, task, budget):
    return _step(network, task, lambda outputs, targets: nn.functional.cross_entropy(outputs, targets.int()))


def wrong_loss(network, task, budget):
    return _step(network, task, nn.functional.binary_cross_entropy_with_logits)


def narrow_head(network, task, budget):
    return _step(network, task, lambda outputs, targets: nn.functional.cross_entropy(outputs[:, :1], targets))


def not_reduced(network, task, budget):
    return _step(network, task, nn.functional.cross_entropy, reduction="none")


def without_gradient(network, task, budget):
    with torch.no_grad():
        return _step(network, task, nn.functional.cross_entropy)


def changes_all(network, task, budget, folder):
    """Change what belongs to the process, and leave it so."""
    random.seed(1), torch.manual_seed(1), np.random.seed(1)  # noqa: NPY002
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_grad_enabled(False)
    torch.set_default_device("meta")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_float32_matmul_precision("medium")
    warnings.simplefilter("ignore")
    os.chdir(folder)
    return 1.0


def prints(network, task, budget):
    print("epoch 1 of 1")
    return 1.0


def moves(network, task, budget):
    """Leave the network in another precision and mode, frozen."""
    network.double().eval().requires_grad_(False)
    return 1.0


def prunes(network, task, budget):
    layer = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    prune.identity(layer, "weight")
    return 1.0


def empties(network, task, budget):
    network.to_empty(device="meta")
    return 1.0


def reads_a_checkpoint(network, task, budget, folder):
    """Go on from a checkpoint; the first call is killed while it writes one."""
    path = folder / "last.pt"
    if path.exists():
        network.load_state_dict(torch.load(path, weights_only=True))
    torch.save(network.state_dict(), path)
    path.write_bytes(path.read_bytes()[:200])
    return 1.0
