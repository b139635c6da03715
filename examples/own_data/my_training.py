"""A training of your own: its optimiser, its loss, and an average of the weights; it goes on where it stopped."""

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def train(network, task, budget, folder, seed):
    """Train to `budget` epochs in total, and return the task's metric of the averaged network."""
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.01)
    parts, epochs = {"network": network, "average": average, "optimiser": optimiser}, 0
    if (folder / "state.pt").exists():
        saved = torch.load(folder / "state.pt", weights_only=True)
        epochs = saved.pop("epochs")
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    network.train()
    for epoch in range(epochs, budget):
        for inputs, targets in task.batches("train", batch_size=32, rng=np.random.default_rng([seed, epoch])):
            optimiser.zero_grad()
            task.loss(network(inputs), targets).backward()
            optimiser.step()
            average.update_parameters(network)
    torch.save({name: part.state_dict() for name, part in parts.items()} | {"epochs": budget}, folder / "state.pt")
    network.load_state_dict(average.module.state_dict())  # these weights are taken home
    return measured(network, task)


def measured(network, task):
    metric = task.metric()
    with torch.no_grad():
        for inputs, _ in task.batches("train", batch_size=256):
            network.train()(inputs)  # the statistics of normalisations are those of the averaged weights
        for inputs, targets in task.batches("validation", batch_size=256):
            metric.update(network.eval()(inputs), targets)
    return metric.compute()
