"""The final training of an architecture: its folder, its resumption, and what it refuses."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from safetensors.torch import save_file

from archsieve.errors import RunFolderError, SettingError
from archsieve.networks.building import build_network
from archsieve.networks.weights import load_weights, read_weights
from archsieve.retraining.log import read_metrics
from archsieve.retraining.recipe_files import Training
from archsieve.retraining.run import Start, _claim, run_training
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.evaluation import evaluate
from archsieve.tasks.synthetic import Synthetic
from archsieve.training.loop import train
from archsieve.training.recipe import Recipe

SPACE = NASBenchMacro(stem_width=4, widths=(6,), stages=(2,), head_width=8)
TASK = Synthetic(0.0, shape=(3, 8, 8), num_outputs=4, images=48, test_images=20, signal=1.0)
RECIPE = Recipe(horizon=3, learning_rate=0.1, weight_decay=1e-3, batch_size=16)
TRAINING = Training(SPACE, TASK, RECIPE, "own")
CODE = (1, 2)


class KilledError(Exception):
    """Stands for the end of the process."""


def run(folder, training=TRAINING, **settings):
    return run_training(training, CODE, folder, **settings)


def weights(folder):
    return read_weights(folder / "weights.safetensors")[0]


def assert_same_outcome(one, other):
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert [replace(row, seconds=0) for row in read_metrics(one)] == [
        replace(row, seconds=0) for row in read_metrics(other)
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, run(folder)


def test_what_lies_in_the_folder_in_the_end(whole):
    folder, result = whole
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "checkpoint.pt",
        "metrics.jsonl",
        "result.json",
        "training.json",
        "weights.safetensors",
    }
    rows = read_metrics(folder)
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert [row.learning_rate for row in rows] == [RECIPE.rate(e) for e in range(3)]
    assert all(row.validation is None and row.seconds > 0 for row in rows)
    assert (result.test, result.epochs, result.seed, result.parts) == (rows[-1].test, 3, 0, 1)
    assert result.best_test == max(row.test for row in rows) == rows[result.best_epoch - 1].test
    assert result.seconds == pytest.approx(sum(row.seconds for row in rows))
    assert (result.space, result.architecture, result.task, result.recipe) == (
        "nasbench-macro",
        "12",
        "synthetic",
        "own",
    )
    stored = json.loads((folder / "result.json").read_text())
    assert (stored["test"], stored["params"], stored["macs"]) == (result.test, result.params, result.macs)


def test_the_weights_are_those_that_were_scored_and_say_what_they_are(whole):
    folder, result = whole
    network = build_network(SPACE, CODE, TASK, 5)
    load_weights(folder / "weights.safetensors", network)
    assert evaluate(network.eval(), TASK, "test") == result.test
    about = read_weights(folder / "weights.safetensors")[1]
    assert about["architecture"] == "12"
    assert about["space"]["stem_width"] == 4
    assert about["recipe"]["horizon"] == 3
    assert about["task"]["images"] == 48
    assert about["seed"] == 0
    assert "torch" in about["versions"]


@pytest.mark.parametrize("step", [1, 2, 4, 6, 8])
def test_killed_and_started_again_it_ends_as_if_nothing_had_happened(whole, tmp_path, monkeypatch, step):
    # By SIGTERM in a step (1-based; three an epoch).
    steps = 0

    @dataclass(frozen=True)
    class Killing(Synthetic):
        def loss(self, outputs, targets, **settings):
            nonlocal steps
            steps += 1
            if steps == step:
                signal.raise_signal(signal.SIGTERM)
            return super().loss(outputs, targets, **settings)

    def stop(*_):
        raise KilledError

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(KilledError):
            run(tmp_path, replace(TRAINING, task=Killing(**vars(TASK))))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert steps == step
    assert not (tmp_path / "result.json").exists()
    run(tmp_path)
    assert_same_outcome(tmp_path, whole[0])


def test_killed_while_it_was_scored_it_scores_again(whole, tmp_path):
    shown = []

    class Killing(type(TASK)):
        def metric(self):
            if len(shown) == 1:  # after the second epoch
                raise KilledError
            return super().metric()

    with pytest.raises(KilledError):
        run(tmp_path, replace(TRAINING, task=Killing(**vars(TASK))), show=shown.append)
    assert [row.epoch for row in read_metrics(tmp_path)] == [1]
    again = []
    run(tmp_path, show=again.append)
    assert [row.epoch for row in again] == [2, 3]
    assert_same_outcome(tmp_path, whole[0])


def test_started_again_when_it_is_done_it_does_nothing_anew(whole, tmp_path):
    shown = []
    first = run(tmp_path)
    assert run(tmp_path, show=shown.append).test == first.test
    assert shown == []
    assert_same_outcome(tmp_path, whole[0])


def test_without_its_checkpoint_it_begins_anew(whole, tmp_path):
    run(tmp_path)
    (tmp_path / "checkpoint.pt").unlink()
    shown = []
    run(tmp_path, show=shown.append)
    assert_same_outcome(tmp_path, whole[0])


def test_metrics_that_were_lost_cannot_be_made_up(tmp_path):
    run(tmp_path)
    (tmp_path / "metrics.jsonl").unlink()
    with pytest.raises(RunFolderError, match=r"metrics\.jsonl lacks epochs that the checkpoint beside it holds"):
        run(tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n')
    with pytest.raises(RunFolderError, match=r"metrics\.jsonl cannot be read"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"recipe": replace(RECIPE, horizon=4)}, "its recipe.horizon is 3, and here it is 4"),
        ({"recipe": replace(RECIPE, micro_batches=2)}, "its recipe.parts is 1, and here it is 2"),
        ({"task": replace(TASK, images=49)}, "its task.images is 48, and here it is 49"),
        ({"space": replace(SPACE, head_width=9)}, "its space.head_width is 8"),
    ],
)
def test_a_folder_of_another_training_is_refused(whole, other, sentence):
    before = {path.name: path.read_bytes() for path in whole[0].iterdir()}
    with pytest.raises(RunFolderError) as caught:
        run(whole[0], replace(TRAINING, **other))
    assert sentence in str(caught.value)
    assert "Choose another folder" in str(caught.value)
    assert before == {path.name: path.read_bytes() for path in whole[0].iterdir()}


def test_a_folder_of_another_architecture_or_seed_is_refused(whole):
    with pytest.raises(RunFolderError, match="its seed is 0, and here it is 1"):
        run(whole[0], start=Start(seed=1))
    with pytest.raises(RunFolderError, match="its architecture is '12', and here it is '11'"):
        run_training(TRAINING, (1, 1), whole[0])


def test_validation_is_scored_beside_the_test_where_there_is_some(tmp_path):
    result = run(tmp_path, replace(TRAINING, task=replace(TASK, validation_fraction=0.25)))
    rows = read_metrics(tmp_path)
    assert all(0 <= row.validation <= 100 for row in rows)
    assert result.validation == rows[-1].validation
    network = build_network(SPACE, CODE, TASK, 0)
    load_weights(tmp_path / "weights.safetensors", network)
    task = replace(TASK, validation_fraction=0.25)
    assert evaluate(network.eval(), task, "validation") == result.validation


def test_a_metric_to_minimise_is_told_as_it_is(tmp_path):
    class Errors(type(TASK)):
        higher_is_better: ClassVar[bool] = False
        metric_name: ClassVar[str] = "items"

        def metric(self):
            return Counted()

    class Counted:
        made = 0

        def __init__(self):
            Counted.made += 1

        def update(self, outputs, targets):
            """Only the count of metrics made matters."""

        def compute(self):
            return [7.0, 3.0, 5.0][Counted.made - 1]

    result = run(tmp_path, replace(TRAINING, task=Errors(**vars(TASK))))
    assert [row.test for row in read_metrics(tmp_path)] == [7.0, 3.0, 5.0]
    assert (result.test, result.best_test, result.best_epoch, result.metric) == (5.0, 3.0, 2, "items")


def test_it_may_start_from_given_weights(whole, tmp_path):
    file = whole[0] / "weights.safetensors"
    run(tmp_path / "warm", start=Start(init=file))
    assert read_metrics(tmp_path / "warm")[0].loss < read_metrics(whole[0])[0].loss
    with pytest.raises(RunFolderError, match=r"it has no init\.sha256"):
        run(whole[0], start=Start(init=file))
    other = replace(TRAINING, task=replace(TASK, num_outputs=5))
    with pytest.raises(SettingError, match="do not fit this network: 2 tensors are of another shape"):
        run(tmp_path / "none", other, start=Start(init=file))
    assert not (tmp_path / "none").exists()


def test_it_may_start_from_the_weights_that_fit(whole, tmp_path):
    notes, file = [], whole[0] / "weights.safetensors"
    other = replace(TRAINING, task=replace(TASK, num_outputs=5))
    partial = run(tmp_path / "partial", other, start=Start(init=file, is_partial=True), note=notes.append)
    assert partial.epochs == 3
    held, own = read_weights(file)[0], build_network(SPACE, CODE, other.task, 0).state_dict()
    taken = [name for name in own if held[name].shape == own[name].shape]
    missing = [name for name in own if name not in taken]
    assert len(missing) == 2
    assert notes == [
        f"{len(taken)} of {len(own)} tensors are taken from {file}, the rest is drawn by the seed: {missing[0]} and 1 "
        "others."
    ]
    start = Start(init=file)
    network = build_network(SPACE, CODE, TASK, 0)
    assert start.load(network) == f"All weights are taken from {file}."
    assert Start().load(network) == ""


def test_it_may_start_from_weights_under_a_prefix(whole, tmp_path):
    held = read_weights(whole[0] / "weights.safetensors")[0]
    file = tmp_path / "backbone.safetensors"
    save_file({f"backbone.{name}": tensor for name, tensor in held.items()}, file)
    start, notes = Start(init=file, is_partial=True, prefix="backbone."), []
    run(tmp_path / "run", start=start, note=notes.append)
    assert notes == [f"{len(held)} of {len(held)} tensors are taken from {file}."]
    assert read_metrics(tmp_path / "run")[0].loss < read_metrics(whole[0])[0].loss
    assert json.loads((tmp_path / "run" / "training.json").read_text())["init"]["prefix"] == "backbone."
    with pytest.raises(SettingError, match=r"none has the name behind the prefix 'neck\.'"):
        run(tmp_path / "none", start=replace(start, prefix="neck."))


def test_the_metrics_go_to_tensorboard_too(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(tmp_path, tensorboard=True)
    events = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    rows = read_metrics(tmp_path)
    assert [e.step for e in events.Scalars("test")] == [1, 2, 3]
    assert [e.value for e in events.Scalars("test")] == pytest.approx([row.test for row in rows])
    assert [e.value for e in events.Scalars("loss")] == pytest.approx([row.loss for row in rows])
    assert "validation" not in events.Tags()["scalars"]


def test_scoring_does_not_disturb_the_training(whole):
    # The same steps without any scoring, by the loop alone.
    network = build_network(SPACE, CODE, TASK, 0)
    train(network, TASK, RECIPE, epochs=3, seed=0)
    assert all(torch.equal(tensor, weights(whole[0])[name]) for name, tensor in network.state_dict().items())


def test_seeds_differ(whole, tmp_path):
    run(tmp_path, start=Start(seed=1))
    assert read_metrics(tmp_path)[0].loss != read_metrics(whole[0])[0].loss


def test_a_training_of_an_earlier_version_goes_on(tmp_path):
    """The task was then told from others by something else."""
    mark, before = {"task": {"name": "cifar10", "content": "pixels"}}, {"name": "cifar10", "content": "files"}
    _claim(tmp_path, {"task": before}, [], writes=True)
    _claim(tmp_path, mark, [before], writes=True)
    with pytest.raises(
        RunFolderError, match=r"belongs to another training: its task\.content is 'files', and here it is 'p"
    ):
        _claim(tmp_path, mark, [{**before, "content": "others"}], writes=True)
