"""Recipes as files: what is shipped, what a user changes, and what is refused."""

from __future__ import annotations

import math

import pytest

from archsieve.errors import PlanError, UnknownNameError
from archsieve.networks.building import build_network
from archsieve.retraining.recipe_files import read_recipe, recipe_for, recipe_names, training_of
from archsieve.tasks.data.batching import count_steps
from archsieve.tasks.synthetic import Synthetic
from archsieve.training.optimiser import optimiser_of
from archsieve.training.recipe import Recipe

OWN = """
epochs = 3
learning_rate = 0.1
[space]
name = "nasbench201"
width = 4
[task]
name = "digits"
validation_fraction = 0.0
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return str(path)


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_can_be_taken_for_its_own_space(name):
    table = read_recipe(name)
    training = training_of(table["space"]["name"], name)
    assert training.recipe_name == name
    assert training.notes == ()
    assert training.task.validation_fraction == 0  # a final training trains on all there is
    assert training.recipe.rate(training.recipe.horizon) == 0


def test_the_recipe_of_a_cell_on_cifar():
    training = training_of("darts", "darts-cifar10")
    assert training.recipe == Recipe(
        horizon=600,
        batch_size=96,
        learning_rate=0.025,
        momentum=0.9,
        weight_decay=3e-4,
        clip=5.0,
        auxiliary_weight=0.4,
        drop_path=0.3,
    )
    space = training.space
    assert (space.width, space.layers, space.stem, space.auxiliary) == (36, 20, "cifar", True)
    assert not space.pool_norm
    assert (training.task.cutout, training.task.count("train"), training.task.count("test")) == (16, 50_000, 10_000)


def test_the_recipe_of_a_cell_on_imagenet():
    training = training_of("darts", "darts-imagenet")
    assert training.recipe == Recipe(
        horizon=250,
        batch_size=1024,
        learning_rate=0.5,
        momentum=0.9,
        weight_decay=3e-5,
        clip=5.0,
        schedule="linear",
        warm_up=5,
        cool_down=5,
        label_smoothing=0.1,
        auxiliary_weight=0.4,
    )
    space = training.space
    assert (space.width, space.layers, space.stem, space.auxiliary) == (48, 14, "imagenet", True)
    task = training.task
    assert (task.size, task.resize, task.colour_jitter) == (224, 256, (0.4, 0.4, 0.4, 0.2))
    epochs = {0: 0.1, 4: 0.5, 5: 0.489796, 100: 0.295918, 244: 0.00204082, 249: 0.000408163}
    assert {e: training.recipe.rate(e) for e in epochs} == pytest.approx(epochs, rel=3e-6)


def test_the_recipe_of_a_topformer_on_ade20k():
    training = training_of("topformer", "topformer-ade20k", changes=["space.family=tiny"])
    assert training.recipe == Recipe(
        horizon=127,
        batch_size=16,
        optimiser="adamw",
        learning_rate=1.2e-4,
        head_factor=10.0,
        betas=(0.9, 0.999),
        weight_decay=0.01,
        norm_decay=False,
        clip=math.inf,
        schedule="linear",
        by_step=True,
        warm_up_steps=1500,
        drop_path=0.1,
        first_drop_path=0.1,
    )
    assert (training.space.family, training.task.name, training.task.crop) == ("tiny", "ade20k", 512)
    assert training.pretrained == "ImageNet"
    steps = count_steps(training.task.count("train"), 16, 1)
    assert (steps, steps * 127) == (1264, 160_528)
    # Published: 1.2e-4 * (1 - step / 160,000); the horizon here is 528 steps longer.
    assert training.recipe.rate_at(80_000, steps) == pytest.approx(0.6e-4, rel=0.004)
    assert training.recipe.rate_at(0, steps) == pytest.approx(1.2e-10)
    network = build_network(training.space, (0,) * 38, Synthetic(shape=(3, 32, 32), num_outputs=150), 0)
    rates = {g["lr"] for g in optimiser_of(network, training.recipe).param_groups}
    assert rates == {1.2e-4, 10 * 1.2e-4}


def test_the_recipe_for_a_space_is_the_first_one_made_for_it(monkeypatch):
    assert [recipe_for(name) for name in ("darts", "nasbench201", "nasbench-macro")] == [
        "darts-cifar10",
        "nasbench201",
        "nasbench-macro",
    ]
    with pytest.raises(
        UnknownNameError, match=r"No shipped recipe is made for the space 'mine': name one \(`archsieve list"
    ):
        recipe_for("mine")


def test_a_file_of_ones_own_and_its_changes(own):
    plain = training_of("nasbench201", own)
    assert (plain.recipe.horizon, plain.space.width, plain.task.name) == (3, 4, "digits")
    changes = ["epochs=7", "clip = inf", "schedule=linear", "nesterov=true", "space.cells=2", "task.split_seed=5"]
    changed = training_of("nasbench201", own, changes=changes)
    assert changed.recipe == Recipe(horizon=7, learning_rate=0.1, clip=math.inf, schedule="linear", nesterov=True)
    assert (changed.space.width, changed.space.cells, changed.task.split_seed) == (4, 2, 5)


def test_settings_of_another_space_or_task_do_not_apply_and_that_is_said(own):
    training = training_of("nasbench-macro", own, task="synthetic", changes=["task.images=30"])
    assert training.space.name == "nasbench-macro"
    assert (training.task.images, training.task.validation_fraction) == (30, 0.1)
    first, second = training.notes
    assert first.startswith("The recipe's settings of the space nasbench201 (width) do not go for nasbench-macro")
    assert "digits (validation_fraction) do not go for synthetic" in second
    assert second.endswith("--set task.KEY=VALUE.")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["learning_rat=1"], "the recipe has no key 'learning_rat'. Did you mean 'learning_rate'?"),
        (["horizon=1"], "the recipe has no key 'horizon'."),
        (["space.widht=1"], "the space 'nasbench201' has no key 'widht'. Did you mean 'width'?"),
        (["tasks.cutout=1"], "the recipe has no key 'tasks.cutout'."),
        (["epochs"], "a change is written as key=value, e.g. epochs=10 or task.cutout=8, but got 'epochs'."),
        (["epochs="], "a change is written as key=value"),
        (["epochs=many"], "horizon must be a whole number, but is 'many'."),
        (["epochs=0"], "`horizon >= 1`"),
        (["task.cutout=-1"], "`cutout >= 0` must hold, but got cutout=-1."),
        (["batch_size=9", "micro_batches=2"], "A batch must divide evenly"),
    ],
)
def test_what_is_not_understood_is_refused(own, changes, sentence):
    with pytest.raises(PlanError) as caught:
        training_of("nasbench201", own, changes=changes)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("epochs = ", PlanError, "cannot be read"),
        (OWN.replace("epochs = 3", ""), PlanError, "it needs the setting 'epochs'"),
        (OWN.replace("learning_rate", "learnin_rate"), PlanError, "Did you mean 'learning_rate'?"),
        ("epochs = 1\nlearning_rate = 1.0\n", PlanError, "it names no task: name one with --task"),
        (OWN.replace("digits", "digit"), UnknownNameError, "Did you mean 'digits'?"),
        ("space = 3\n" + OWN.partition("[")[0], PlanError, "the space must be a table with a name, but is 3."),
    ],
)
def test_a_file_that_cannot_be(tmp_path, text, error, sentence):
    path = tmp_path / "odd.toml"
    path.write_text(text)
    with pytest.raises(error) as caught:
        training_of("nasbench201", str(path))
    assert sentence in str(caught.value)
    assert "odd.toml" in str(caught.value)


def test_a_name_that_is_not_there():
    with pytest.raises(UnknownNameError, match=r"nor a shipped recipe of that name\. Did you mean 'darts-cifar10'"):
        training_of("darts", "darts-cifar")
