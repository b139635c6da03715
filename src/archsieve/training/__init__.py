"""Training: the one loop behind supernets, partial and final training, and what it is made of."""

from archsieve.training.loop import Epoch, Forward, Trainer, train, trainer_of

__all__ = ["Epoch", "Forward", "Trainer", "train", "trainer_of"]
