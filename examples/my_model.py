"""A network of your own, scored from the command line; run from this folder:

archsieve score-model my_model:build --proxy params --proxy nwot --proxy synflow_log --shape 3x32x32 --outputs 10
"""

from torch import Tensor, nn


def build() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.SiLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, groups=4),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.layer, self.head = nn.Embedding(1000, 32), nn.Linear(32, 32), nn.Linear(32, 2)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        features = self.layer(self.words(tokens)).relu()
        return {"logits": self.head(features.mean(1)), "features": features}


def reader() -> nn.Module:
    """Scored with --shape 16:tokens=1000, sixteen token ids below a thousand."""
    return Reader()
