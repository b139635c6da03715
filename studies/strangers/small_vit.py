"""A small vision transformer for CIFAR-10; its choices are those of AutoFormer's space, with smaller sizes."""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from archsieve import choice

HEAD_WIDTH = 16  # whatever the width is, as in AutoFormer (arXiv 2107.00651)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * heads * HEAD_WIDTH)
        self.out = nn.Linear(heads * HEAD_WIDTH, width)

    def forward(self, x):
        items, tokens, _ = x.shape
        q, k, v = self.qkv(x).view(items, tokens, 3, self.heads, HEAD_WIDTH).permute(2, 0, 3, 1, 4)
        return self.out(scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(items, tokens, -1))


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        inner = width * choice("ratio", [2, 1, 3, 4])
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, choice("heads", [3, 2, 4, 6])))
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))

    def forward(self, x):
        x = x + self.attention(x)
        return x + self.mlp(x)


class SmallViT(nn.Module):
    def __init__(self, num_classes=10, patch=4):
        super().__init__()
        width = choice("width", [80, 64, 96, 128])
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.places = nn.Parameter(torch.randn(1, (32 // patch) ** 2 + 1, width) * 0.02)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(choice("depth", [4, 3, 5, 6]))))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])
