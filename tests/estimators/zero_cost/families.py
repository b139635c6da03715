"""Networks of the kinds people have, each with inputs that suit it; none shares code with the package's spaces."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from archsieve.estimators.zero_cost.proxy import Probe


class Inverted(nn.Module):
    """Depthwise convolution between two 1x1 ones, squeeze and excitation, Hardswish."""

    def __init__(self, width, middle):
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(width, middle, 1, bias=False), nn.BatchNorm2d(middle), nn.Hardswish())
        self.spatial = nn.Conv2d(middle, middle, 3, padding=1, groups=middle, bias=False)
        self.norm = nn.BatchNorm2d(middle)
        self.squeeze, self.excite = nn.Conv2d(middle, 4, 1), nn.Conv2d(4, middle, 1)
        self.project = nn.Sequential(nn.Conv2d(middle, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, inputs):
        x = functional.silu(self.norm(self.spatial(self.expand(inputs))), inplace=True)
        gate = self.excite(functional.relu(self.squeeze(functional.adaptive_avg_pool2d(x, 1))))
        return inputs + self.project(x * functional.hardsigmoid(gate))


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.SiLU(inplace=True))
        self.blocks = nn.Sequential(Inverted(8, 16), Inverted(8, 24))
        self.last, self.classifier = nn.Conv2d(8, 32, 1), nn.Linear(32, 4)

    def forward(self, inputs):
        x = functional.hardswish(self.last(self.blocks(self.stem(inputs))))
        return self.classifier(x.mean((2, 3)))


class Encoder(nn.Module):
    """A transformer's layer with attention from `nn.MultiheadAttention` or by hand."""

    def __init__(self, width, by_hand):
        super().__init__()
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = None if by_hand else nn.MultiheadAttention(width, 2, batch_first=True)
        self.qkv, self.out = (nn.Linear(width, 3 * width), nn.Linear(width, width)) if by_hand else (None, None)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, inputs):
        x = self.norm(inputs)
        if self.attention is not None:
            x = self.attention(x, x, x, need_weights=False)[0]
        else:
            n, t, c = x.shape
            q, k, v = self.qkv(x).view(n, t, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
            x = self.out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, c))
        x = inputs + x
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, by_hand=False):
        super().__init__()
        self.patches, self.token = nn.Conv2d(3, 16, 4, 4), nn.Parameter(torch.zeros(1, 1, 16))
        self.position = nn.Parameter(torch.randn(1, 17, 16) * 0.02)
        self.layers = nn.ModuleList(Encoder(16, by_hand) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 4)

    def forward(self, inputs):
        x = self.patches(inputs).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(len(x), -1, -1), x), 1) + self.position
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x)[:, 0])


class Segmenter(nn.Module):
    """Down and up again by transposed convolutions; an output for each pixel, and one beside it."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.GroupNorm(2, 8), nn.LeakyReLU())
        self.up = nn.Sequential(nn.ConvTranspose2d(8, 8, 2, 2, groups=2), nn.ReLU(), nn.Conv2d(8, 4, 1))
        self.beside = nn.Conv2d(8, 4, 1)

    def forward(self, inputs):
        x = self.down(inputs)
        return {"out": self.up(x), "aux": self.beside(x)}


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent, self.head = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, inputs):
        return self.head(self.recurrent(inputs)[0][:, -1])


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.layer, self.head = nn.Embedding(10, 8), Encoder(8, by_hand=True), nn.Linear(8, 4)

    def forward(self, inputs):
        return self.head(self.layer(self.embedding(inputs)).mean(1))


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(48, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)
    )


def plain_cnn():
    """Convolutions and ReLUs without normalisation."""
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 4)),
    )


def cnn1d():
    return nn.Sequential(
        *(nn.Conv1d(3, 8, 5, 2, 2), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 8, 3, padding=1, groups=4)),
        *(nn.BatchNorm1d(8), nn.ELU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 4)),
    )


IMAGES, SMALL = (3, 16, 16), (3, 4, 4)
FAMILIES = {
    "MobileNet-like (depthwise, BN, SE, SiLU, Hardswish)": (MobileNet, IMAGES),
    "ViT (`nn.MultiheadAttention`, LayerNorm, GELU)": (ViT, IMAGES),
    "ViT (attention by hand)": (lambda: ViT(by_hand=True), IMAGES),
    "1-D CNN (grouped, BN, ELU)": (cnn1d, (3, 32)),
    "MLP (BN, tanh)": (mlp, SMALL),
    "CNN without normalisation": (plain_cnn, IMAGES),
    "transposed convolutions, GroupNorm, two outputs": (Segmenter, IMAGES),
    "GRU": (Recurrent, (7, 3)),
    "words (embedding, attention)": (Words, (7,)),
}


def build(family, seed=0):
    torch.manual_seed(seed)
    return FAMILIES[family][0]().train()


def probe_of(family, count=8):
    """Return a probe of two batches of noise for a family, with the cross entropy."""
    shape = FAMILIES[family][1]
    generator = torch.Generator().manual_seed(1)

    def batch():
        inputs = torch.randn(count, *shape, generator=generator)
        if family.startswith("words"):
            inputs = torch.randint(10, (count, *shape), generator=generator)
        labels = (count, 16, 16) if family.startswith("transposed") else (count,)
        return inputs, torch.randint(4, labels, generator=generator)

    return Probe((batch(), batch()), functional.cross_entropy, 4)
