"""Training functions as a user writes them: good ones, and ones that go wrong in ordinary ways."""

import math

import torch


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
