"""The catalogue of tasks: data, loss and metric by name. Importing it reads no data and does not import torch."""

from archsieve.registry import TASKS

TASKS.add_lazy("digits", "archsieve.tasks.digits:Digits")
TASKS.add_lazy("synthetic", "archsieve.tasks.synthetic:Synthetic")
TASKS.add_lazy("cifar10", "archsieve.tasks.cifar:CIFAR10")
TASKS.add_lazy("cifar100", "archsieve.tasks.cifar:CIFAR100")
TASKS.add_lazy("imagenet", "archsieve.tasks.imagenet:ImageNet")
TASKS.add_lazy("ade20k", "archsieve.tasks.ade20k:ADE20K")
TASKS.add_lazy("synthetic-segmentation", "archsieve.tasks.synthetic_segmentation:SyntheticSegmentation")
TASKS.add_lazy("images", "archsieve.tasks.image_folder:ImageFolder")
TASKS.add_lazy("arrays", "archsieve.tasks.arrays:Arrays")
TASKS.add_lazy("table", "archsieve.tasks.arrays:Table")
TASKS.add_lazy("function", "archsieve.tasks.from_function:FromFunction")
