"""Functions that return data, as a user writes them: good ones, and ones that go wrong in ordinary ways."""

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset


class Noisy(Dataset):
    """Pictures of three classes, drawn by place; with a little noise of torch's own generator to train."""

    def __init__(self, items, first=0, noise=0.0):
        self.items, self.first, self.noise = items, first, noise

    def __len__(self):
        return self.items

    def __getitem__(self, place):
        own = torch.Generator().manual_seed(self.first + place)
        return torch.rand(3, 4, 4, generator=own) + self.noise * torch.rand(1), place % 3


class Named(Dataset):
    """Two inputs by name: token ids and numbers."""

    def __len__(self):
        return 40

    def __getitem__(self, place):
        rng = np.random.default_rng(place)
        return {"ids": rng.integers(0, 9, 5), "numbers": rng.standard_normal(3)}, float(place % 2)


class Scenes(Dataset):
    def __len__(self):
        return 30

    def __getitem__(self, place):
        rng = np.random.default_rng(place)
        labels = rng.integers(0, 4, (6, 7))
        labels[labels == 3] = 255
        return rng.integers(0, 256, (3, 6, 7)).astype(np.uint8), labels


class Stream(IterableDataset):
    def __iter__(self):
        yield torch.zeros(3), 0


class Alone(Dataset):
    def __len__(self):
        return 3

    def __getitem__(self, place):
        return torch.zeros(3)


class Ragged(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, place):
        return torch.zeros(place + 1), place % 2


class Broken(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, place):
        raise RuntimeError(f"no item {place}")


def splits():
    return {"train": Noisy(60, noise=0.01), "validation": Noisy(9, first=1000)}


def loaders():
    return DataLoader(Noisy(60), batch_size=7, shuffle=True), DataLoader(Noisy(20, first=1000))


def in_workers():
    return DataLoader(Noisy(24), num_workers=1)


def numbers():
    rng = np.random.default_rng(0)
    return rng.standard_normal((80, 6)).astype("float32"), 300 + 5 * rng.standard_normal((80, 2))


def tokens():
    rng = np.random.default_rng(0)
    return rng.integers(0, 50, (80, 12)), np.arange(80) % 2


def named():
    return Named()


def scenes():
    return Scenes()


def stream():
    return Stream()


def alone():
    return Alone()


def ragged():
    return Ragged()


def broken():
    return Broken()


def text():
    return 3


def raises():
    raise OSError("the drive is not mounted")


def nan():
    return np.array([[1.0], [np.nan], [2.0]]), np.array([0, 1, 0])


def unequal():
    return np.zeros((5, 2)), np.zeros(4)


def misspelt():
    return {"train": Noisy(10), "valdation": Noisy(10)}
