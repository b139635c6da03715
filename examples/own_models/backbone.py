"""A backbone with weights of its own, which a search keeps; what is chosen is the head."""

from pathlib import Path

import torch
from torch import nn

from archsieve import choice, one_of

WEIGHTS = Path(__file__).with_name("backbone.pt")


def features():
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 24, 3), nn.ReLU()
    )


class WithHead(nn.Module):
    def __init__(self, num_outputs=10, pretrained=True):
        super().__init__()
        self.features = features()
        if pretrained:
            self.features.load_state_dict(torch.load(WEIGHTS, weights_only=True))
        width = choice("width", [0, 16, 32])
        middle = [] if width == 0 else [nn.Linear(24, width), one_of("activation", [nn.ReLU, nn.Tanh])]
        self.head = nn.Sequential(*middle, nn.Linear(width or 24, num_outputs))

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


def pretrain(epochs=2):
    """Write weights of the backbone, trained to tell pictures of digits that lie from those that stand."""
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    pictures = torch.tensor(load_digits().images[:600], dtype=torch.float32)[:, None] / 16
    inputs = torch.cat([pictures, pictures.transpose(2, 3)])
    targets = torch.arange(2).repeat_interleave(600)
    network, head = features(), nn.Linear(24, 2)
    optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=0.01)
    for _ in range(epochs):
        for batch in torch.randperm(1200).split(100):
            optimiser.zero_grad()
            nn.functional.cross_entropy(head(network(inputs[batch]).mean((2, 3))), targets[batch]).backward()
            optimiser.step()
    torch.save(network.state_dict(), WEIGHTS)


if __name__ == "__main__":
    pretrain()
