"""`archsieve train`: what it prints, its JSON, its exit codes, and going on after an interruption."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from archsieve.networks.weights import read_weights
from archsieve.retraining.log import read_metrics
from plugins.commands import ONE_THREAD, finish, invoke, start, wait_for

TINY = ["nasbench201", "333123", "--task", "digits", "--set", "space.width=4", "--set", "space.cells=1"]
TINY += ["--set", "space.stages=2", "--set", "task.train_fraction=0.2", "--batch-size", "32"]
STRING = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train") / "run"
    return folder, invoke("train", *TINY, "--epochs", 3, "--out", folder)


def test_it_prints_what_it_came_to(trained):
    folder, result = trained
    assert result.exit_code == 0
    last = read_metrics(folder)[-1]
    lines = result.stdout.splitlines()
    assert lines[0] == f"{STRING} of nasbench201, trained 3 epochs by nasbench201, seed 0"
    assert lines[1] == "4,158 parameters, 92,496 MACs"
    assert lines[2] == f"Test accuracy in percent: {last.test:.2f}"
    assert lines[3].startswith("Best epoch, chosen on the test set itself (optimistic): ")
    assert lines[4].endswith(f"Weights: {folder}/weights.safetensors")
    notes = result.stderr.splitlines()
    assert notes[0].startswith("The recipe's settings of the task cifar10 (validation_fraction) do not go for digits")
    assert [note.partition(":")[0] for note in notes[1:]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert f"test {last.test:.2f}, validation {last.validation:.2f}" in notes[3]


def test_its_json_is_the_result(trained):
    folder, _ = trained
    result = invoke("train", *TINY, "--epochs", 3, "--out", folder, "--json")
    assert result.exit_code == 0
    found, stored = json.loads(result.stdout), json.loads((folder / "result.json").read_text())
    assert {k: v for k, v in found.items() if isinstance(v, int | str)} == {
        k: v for k, v in stored.items() if isinstance(v, int | str) and k != "checksum"
    }
    assert found["test"] == pytest.approx(stored["test"])


def test_another_setting_in_the_same_folder_is_refused(trained):
    result = invoke("train", *TINY, "--epochs", 4, "--out", trained[0])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "belongs to another training: its recipe.horizon is 3, and here it is 4." in result.stderr


def test_without_a_folder_it_makes_one_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert invoke("train", *TINY, "--epochs", 1).exit_code == 0
    assert (tmp_path / "runs" / "nasbench201-3-3-3-1-2-3" / "result.json").exists()


def test_a_dry_run_is_a_table_and_makes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke("train", *TINY, "--epochs", 3, "--dry-run")
    assert result.exit_code == 0
    rows = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    rows = {key: value.strip() for key, value in rows.items()}
    assert rows["parameters"] == "4,158"
    assert rows["MACs"] == "92,496"
    assert rows["items to train on"] == "258"
    assert rows["steps"] == "9 an epoch, 27 in 3 epochs"
    assert rows["timed"] == "3 steps of 16 items, on the data"
    assert rows["hours"].endswith(" on cpu")
    assert "with auxiliary head" not in rows
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_in_json_without_timing():
    result = invoke("train", *TINY, "--epochs", 3, "--dry-run", "--no-timing", "--json")
    found = json.loads(result.stdout)
    assert (found["params"], found["steps"], found["hours"], found["timed_steps"]) == (4158, 27, None, 0)


def test_a_recipe_that_starts_from_pretrained_weights_says_so_where_there_are_none():
    command = ["train", "topformer-hand-made", "tiny", "--recipe", "topformer-ade20k", "--dry-run", "--no-timing"]
    result = invoke(*command)
    assert result.exit_code == 0
    assert "1,389,654" in result.stdout
    assert "expects weights pretrained on ImageNet. Without --init" in result.stderr


def test_weights_under_a_prefix(trained, tmp_path):
    held = read_weights(trained[0] / "weights.safetensors")[0]
    save_file({f"backbone.{name}": tensor for name, tensor in held.items()}, tmp_path / "backbone.safetensors")
    given = ["--init", tmp_path / "backbone.safetensors", "--init-prefix", "backbone."]
    result = invoke("train", *TINY, "--epochs", 1, "--out", tmp_path / "run", *given)
    assert result.exit_code == 0
    said = f"{len(held)} of {len(held)} tensors are taken from"
    assert said in result.stderr
    assert said not in invoke("train", *TINY, "--epochs", 1, "--out", tmp_path / "run", *given).stderr  # all is done
    dry = ["train", *TINY, "--dry-run", "--no-timing", *given]
    assert said in invoke(*dry).stderr
    refused = invoke(*dry[:-1], "bone.")
    assert refused.exit_code == 1
    assert "none has the name behind the prefix 'bone.'" in refused.stderr


def test_where_the_data_are_not_no_folder_is_claimed(monkeypatch, tmp_path):
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    result = invoke("train", "topformer-hand-made", "tiny", "--recipe", "topformer-ade20k", "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "The file 'ADEChallengeData2016' is not in the folder ARCHSIEVE_DATA" in result.stderr
    assert not (tmp_path / "run").exists()


def test_noise_stands_in_for_scenes_that_are_not_here(monkeypatch):
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    command = ["train", "topformer-hand-made", "tiny", "--recipe", "topformer-ade20k", "--set", "batch_size=2"]
    result = invoke(*command, "--set", "task.crop=64", "--dry-run", "--json")
    found = json.loads(result.stdout)
    assert (found["is_timed_on_noise"], found["timed_items"], found["items"]) == (True, 2, 20_210)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nasbench201", "333129"], "decision 5 is 9, but must lie in 0..4"),
        (["nasbench200", "333123"], "There is no space 'nasbench200'. Did you mean 'nasbench201'?"),
        (["nasbench200", "333123", "--recipe", "nasbench201"], "There is no space 'nasbench200'. Did you mean"),
        (["nasbench201", "333123", "--recipe", "nasbench20"], "Did you mean 'nasbench201'?"),
        ([*TINY, "--set", "clipp=1"], "the recipe has no key 'clipp'. Did you mean 'clip'?"),
        ([*TINY, "--epochs", "0"], "`horizon >= 1`"),
        ([*TINY, "--init", "nothing.safetensors"], "Cannot read nothing.safetensors: No such file or directory."),
        ([*TINY, "--init-partial"], "--init-partial and --init-prefix need a file of weights: pass it with --init."),
        ([*TINY, "--init-prefix", "a."], "need a file of weights: pass it with --init."),
        ([*TINY, "--set", "betas=ab"], "betas must be a list of numbers, but is 'ab'."),
        ([*TINY, "--set", "betas=['a', 'b']"], "betas must be a list of numbers, but is 'a'."),
        ([*TINY, "--set", "by_step=true", "--set", "warm_up_steps=99999"], "The warm-up takes 99,999 steps, but the"),
        ([*TINY, "--set", "betas=[0.9]"], "`betas` must be two numbers in [0, 1), but got (0.9,)"),
        ([*TINY, "--device", "nonsense"], "The device 'nonsense' cannot be used here"),
        ([*TINY, "--dry-run", "--device", "nonsense"], "The device 'nonsense' cannot be used here"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    result = invoke("train", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "runs").exists()


def test_wrong_usage_is_exit_code_two():
    assert invoke("train", "nasbench201").exit_code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_interrupted_it_goes_on_by_the_same_command(trained, tmp_path, number):
    folder = tmp_path / "run"
    command = ["train", *TINY, "--epochs", 3, "--out", folder]
    process = start(*command, env=ONE_THREAD)
    wait_for(lambda: read_metrics(folder), seconds=120)
    os.killpg(process.pid, number)
    code, out, err = finish(process)
    if code == 0:  # it was quicker
        pytest.skip("the training ended before the signal came")
    assert out == ""
    assert not (folder / "result.json").exists()
    assert code == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    again = shlex.split(err.splitlines()[-1].partition("Resume with: ")[2])
    assert again[:2] == ["archsieve", "train"]
    done = invoke(*again[1:])
    assert done.exit_code == 0, done.stderr
    ours, theirs = (read_weights(Path(f) / "weights.safetensors")[0] for f in (folder, trained[0]))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert [replace(row, seconds=0) for row in read_metrics(folder)] == [
        replace(row, seconds=0) for row in read_metrics(trained[0])
    ]


def test_recipes_are_listed():
    assert invoke("list", "recipes").stdout.startswith("recipes: darts-cifar10, darts-imagenet")


def test_imagenet_is_among_the_data():
    result = invoke("data", "--json")
    row = next(row for row in json.loads(result.stdout) if row["used_by"] == "imagenet")
    assert (row["file"], row["state"]) == ("imagenet", "missing")
    assert "non-commercial" in row["licence"]


# What diverges


def test_a_training_that_diverges_is_a_sentence_and_leaves_no_weights(tmp_path):
    arguments = ["train", *TINY, "--out", tmp_path / "run", "--set", "learning_rate=1e20"]
    for _ in range(2):
        result = invoke(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert re.match(
            r"Error: The training diverged: in epoch 1 .* at a learning rate of 1e\+20\. Lower it\.$",
            result.stderr.splitlines()[-1],
        )
        assert "loss nan" not in result.stderr
        assert not {"weights.safetensors", "result.json", "metrics.jsonl"} & {
            p.name for p in (tmp_path / "run").iterdir()
        }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("learning_rate=inf", "`learning_rate` must be finite, but got learning_rate=inf"),
        ("learning_rate=nan", "learning_rate must be a number, but is nan"),
        ("learning_rate=-1", "`learning_rate > 0` and `clip > 0` must hold, but got learning_rate=-1"),
        ("learning_rate=0", "`learning_rate > 0`"),
        ("momentum=2", "`0 <= momentum < 1` must hold, but got momentum=2"),
        ("final_learning_rate=-0.1", "`0 <= final_learning_rate <= learning_rate` must hold, but got -0.1 and"),
        ("final_learning_rate=9", "`0 <= final_learning_rate <= learning_rate` must hold, but got 9"),
        ("weight_decay=-1", "must be finite and not negative, but got -1"),
        ("clip=-1", "`clip > 0` must hold, but got learning_rate=0.1, clip=-1"),
        ("label_smoothing=1", "`0 <= label_smoothing < 1` must hold, but got 1"),
        ("drop_path=1.5", "`0 <= drop_path < 1` must hold, but got 1.5"),
        ("betas=[0.9, 1.5]", r"`betas` must be two numbers in \[0, 1\), but got \(0.9, 1.5\)"),
        ("batch_size=0", "`batch_size >= 1` must hold, but got .*batch_size=0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path, change, sentence):
    result = invoke("train", *TINY, "--out", tmp_path / "run", "--set", change)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.search(sentence, result.stderr), result.stderr
    assert not (tmp_path / "run").exists()


def test_an_unknown_space_is_named_before_recipes():
    result = invoke("train", "transnas-mikro", "000000")
    assert result.exit_code == 1
    assert result.stderr == "Error: There is no space 'transnas-mikro'. Did you mean 'transnas-micro'?\n"
