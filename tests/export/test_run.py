"""`archsieve export`: what is written, that it runs without archsieve, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from archsieve import Session, load_plan, run_plan, space_of
from archsieve._checksums import with_checksum_line
from archsieve.errors import RunFolderError, SettingError
from archsieve.export.check import batches_for, check_source, outputs_by
from archsieve.export.run import FORMATS, export_run, model_of
from archsieve.export.source import of_own
from archsieve.networks.building import build_network
from archsieve.networks.weights import save_weights
from archsieve.runs.folder import write_json
from archsieve.runs.rows import RESULTS, checksum_of
from plugins import own_nets
from plugins.commands import invoke
from spaces.choices.test_contract import NUMBERS

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")

NETS = str(Path(own_nets.__file__))
HAS_ONNX = all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))
WHY = "the extra `onnx` is not installed"

OWN = """
task = { name = "synthetic", shape = [3, 8, 8], num_outputs = 3, images = 12, test_images = 4 }
pool = { sample = 2 }
[space]
name = "own"
factory = "own_nets:Convolutions"
explore = 10
[[stage]]
estimator = { name = "partial_training", epochs = 1, horizon = 1, batch_size = 6 }
top = 1
[final]
name = "partial_training"
epochs = 2
horizon = 2
batch_size = 6
"""
UNTRAINED = OWN.partition("[[stage]]")[0] + '[[stage]]\nestimator = "params"\ntop = 1\n'
CELLS = """
space = { name = "nasbench201", width = 4, cells = 1 }
task = { name = "synthetic", shape = [3, 8, 8], num_outputs = 3, images = 12, test_images = 4 }
pool = { sample = 2 }
[[stage]]
estimator = "params"
top = 1
"""


def searched(folder, text):
    (folder / "plan.toml").write_text(text)
    result = invoke("search", folder / "plan.toml", "--out", folder / "run", "--plugin", NETS)
    assert result.exit_code == 0, result.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return {name: searched(tmp_path_factory.mktemp(name), t) for name, t in (("own", OWN), ("untrained", UNTRAINED))}


@pytest.fixture
def run(runs, tmp_path):
    """A copy that a test may spoil."""
    return Path(shutil.copytree(runs["own"], tmp_path / "copy"))


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_trained_network_comes_as_source_with_its_weights(run, tmp_path):
    result = invoke("export", run, "--to", tmp_path / "home", "--plugin", NETS, "--json")
    assert result.exit_code == 0, result.stderr
    done = json.loads(result.stdout)
    expected = ["CHECK.txt", "architecture.json", "network.py", "source/own_nets.py", "weights.safetensors"]
    assert sorted(done["files"]) == files_below(tmp_path / "home") == sorted(expected)
    assert done["weights"] == "Its weights are those after 2 epochs, by partial_training[2]: the final training."
    assert done["differences"] == {"network.py": {"2": 0.0, "5": 0.0}}  # in an interpreter without archsieve
    facts = json.loads((tmp_path / "home" / "architecture.json").read_text())
    found = json.loads((run / "result.json").read_text())
    assert facts["architecture"] == found["best"]
    assert ", ".join(f"{name}={label}" for name, label in facts["decisions"].items()) == found["best"]
    check = (tmp_path / "home" / "CHECK.txt").read_text()
    assert "network.py: greatest difference 0 of a batch of 2, 0 of a batch of 5" in check
    assert "torch" in check.splitlines()[-1]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_an_untrained_one_says_so_and_has_no_file_of_weights(runs, tmp_path):
    done = export_run(runs["untrained"], tmp_path / "home", form="torch-export", plugins=["own_nets"])
    assert done.weights.startswith("It is not trained: the search left no weights of it")
    assert "weights.safetensors" not in done.files


@pytest.mark.slow
def test_an_untrained_one_runs_and_has_nothing_to_be_compared_with(runs, tmp_path):
    done = export_run(runs["untrained"], tmp_path / "home", plugins=["own_nets"])
    assert any("newly drawn weights" in note for note in done.notes)


@pytest.mark.slow
def test_a_network_of_a_space_of_the_package_comes_as_a_program(tmp_path):
    run = searched(tmp_path, CELLS)
    done = export_run(run, tmp_path / "home")
    assert {"network.pt2", "network.py"} <= set(done.files)
    assert any("network.py loads network.pt2" in note for note in done.notes)
    assert max(max(d.values()) for d in done.differences.values()) <= 1e-6


def test_a_program_takes_batches_of_any_size(run, tmp_path):
    done = export_run(run, tmp_path / "home", form="torch-export", plugins=["own_nets"])
    assert list(done.differences) == ["network.pt2"]
    network = torch.export.load(tmp_path / "home" / "network.pt2").module()
    model, inputs = model_of(run, plugins=["own_nets"]), torch.randn(7, 3, 8, 8)
    with torch.no_grad():
        assert torch.allclose(network(inputs), model(inputs), atol=1e-6)
        assert network(inputs[:1]).shape == (1, 3)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_ONNX, reason=WHY)
def test_all_forms_agree(run, tmp_path):
    done = export_run(run, tmp_path / "home", form="all", plugins=["own_nets"])
    assert set(done.differences) == {"network.py", "network.pt2", "network.onnx"}
    assert max(max(d.values()) for d in done.differences.values()) <= 1e-6
    assert done.notes == ()


@pytest.mark.skipif(HAS_ONNX, reason="the extra `onnx` is installed")
def test_without_the_extra_onnx_is_refused_alone_and_noted_among_all(run, tmp_path):
    result = invoke("export", run, "--to", tmp_path / "home", "--plugin", NETS, "--format", "onnx")
    assert result.exit_code == 1
    assert "pip install 'archsieve[onnx]'" in result.stderr
    assert not (tmp_path / "home").exists()


def test_the_result_of_a_search_gives_its_model(tmp_path):
    (tmp_path / "plan.toml").write_text(OWN)
    invoke("list", "spaces", "--plugin", NETS)
    plan = load_plan(tmp_path / "plan.toml", ["own_nets"])
    with Session(tmp_path / "run", plan.space, plan.task, plugins=["own_nets"]) as session:
        result = run_plan(plan, session)
    shutil.copyfile(tmp_path / "plan.toml", tmp_path / "run" / "plan.toml")
    one, other = result.model(), model_of(tmp_path / "run", plugins=["own_nets"])
    assert not one.training
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    with pytest.raises(SettingError, match="Only a result that `run_plan` returned"):
        replace(result).model()


@pytest.mark.slow
def test_a_plan_made_in_python_is_kept_so_that_its_run_goes_home(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(UNTRAINED)
    plan = load_plan(path, ["own_nets"])
    with Session(tmp_path / "run", plan.space, plan.task) as session:
        run_plan(plan, session)
        run_plan(replace(plan, title="again"), session)
    kept = tmp_path / "run" / "plan.toml"
    assert load_plan(kept, ["own_nets"]) == replace(plan, title="again")
    assert "network.py" in export_run(tmp_path / "run", tmp_path / "home", plugins=["own_nets"]).files
    kept.write_text(path.read_text())  # as a command leaves it, with its comments
    with Session(tmp_path / "run", plan.space, plan.task) as session:
        run_plan(plan, session)
    assert kept.read_text() == path.read_text()


def test_weights_of_a_training_elsewhere_are_taken(run, tmp_path):
    from archsieve.networks.weights import save_weights

    network = model_of(run, plugins=["own_nets"])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.25)
    save_weights(tmp_path / "mine.safetensors", network, {})
    done = export_run(run, tmp_path / "home", weights=tmp_path / "mine.safetensors", plugins=["own_nets"])
    assert done.weights == f"Its weights are those of {tmp_path / 'mine.safetensors'}."
    assert done.differences["network.py"] == {2: 0.0, 5: 0.0}


# What is refused


def _edit(name, change):
    def spoil(run):
        content = json.loads((run / name).read_text())
        change(content)
        write_json(run / name, content)

    return spoil


def _cut(name, share=0.5):
    def spoil(run):
        path = run / name if (run / name).exists() else next(run.glob(name))
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return spoil


def _other_code(result):
    result["code"] = [(option + 1) % 2 for option in result["code"]]


def _score(run):
    with sqlite3.connect(run / "results.sqlite") as db:
        db.execute("UPDATE results SET score = 99.0")


def _forged(run):
    _score(run)
    with sqlite3.connect(run / "results.sqlite") as db:
        db.create_function("checksum_of", -1, lambda *values: checksum_of(values))
        db.execute(f"UPDATE results SET checksum = checksum_of({RESULTS.names})")


def _replace(name, old, new):
    return lambda run: (run / name).write_text(with_checksum_line((run / name).read_text().replace(old, new)))


def _change(name, old, new):
    """Change a text that stands in a file, and leave its checksum."""

    def spoil(run):
        text = (run / name).read_text()
        assert old in text
        (run / name).write_text(text.replace(old, new))

    return spoil


SPOILT = {
    "another code": (_edit("result.json", _other_code), "do not agree"),
    "another text": (_edit("result.json", lambda r: r.update(best="width=4")), "do not agree on the winner 'width=4'"),
    "other digits": (_edit("result.json", lambda r: r.update(digits="00000000")), "do not agree"),
    "no winner": (_edit("result.json", lambda r: r.update(code=None, failure="Nothing.")), "no rank 1|no network"),
    "half a result": (_cut("result.json"), "cannot be read"),
    "no result": (lambda run: (run / "result.json").unlink(), "no result.json"),
    "no rounds": (lambda run: (run / "rounds.npz").unlink(), "no rounds.npz"),
    "half the rounds": (_cut("rounds.npz"), "cannot be read"),
    "no plan": (lambda run: (run / "plan.toml").unlink(), "no plan.toml"),
    "another plan": (_replace("plan.toml", "own_nets:Convolutions", "own_nets:Deeper"), "made for another space"),
    "another task": (_replace("plan.toml", "images = 12", "images = 13"), "made for another task"),
    "a plan changed by hand": (_change("plan.toml", "images = 12", "images = 11"), r"plan\.toml .*its checksum"),
    "a result changed by hand": (_change("result.json", '"seed": 0', '"seed": 1'), r"result\.json .*its checksum"),
    "a mark changed by hand": (_change("run.json", '"images": 12', '"images": 13'), r"run\.json .*its checksum"),
    "no mark": (lambda run: (run / "run.json").unlink(), "no run.json"),
    "another score": (_score, "Damaged rows"),
    "another score with its checksum": (_forged, "do not agree on the winner"),
    "a better score": (_edit("result.json", lambda r: r.update(best_score=99.0)), "do not agree on the winner"),
    "half the scores": (_cut("results.sqlite"), "damaged|cannot be read"),
    "half a checkpoint": (_cut("artifacts/*/*.pt"), "damaged"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_tampered_or_half_written_folder_exports_nothing_and_says_so(name, run, tmp_path):
    spoil, words = SPOILT[name]
    if name == "half a checkpoint":
        for path in run.glob("artifacts/*/*.pt"):
            path.write_bytes(path.read_bytes()[:200])
    else:
        spoil(run)
    result = invoke("export", run, "--to", tmp_path / "home", "--plugin", NETS)
    assert result.exit_code == 1, result.stdout
    assert re.search(words, result.stderr), result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy"]


def test_what_cannot_be_asked_for_is_one_sentence(run, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    asked = [
        (("--to", tmp_path / "full"), "There is already something in"),
        (("--to", tmp_path / "home", "--rank", "7"), "no rank 7"),
        (("--to", tmp_path / "home", "--format", "tflite"), f"must be one of {', '.join(FORMATS)}, but is 'tflite'"),
        (("--to", tmp_path / "home", "--weights", tmp_path / "none"), "no weights file"),
    ]
    for arguments, words in asked:
        result = invoke("export", run, *arguments, "--plugin", NETS)
        assert (result.exit_code, words in result.stderr) == (1, True), result.stderr
    assert "would run code" in invoke("export", run, "--to", tmp_path / "home").stderr
    assert not (tmp_path / "home").exists()
    with pytest.raises(RunFolderError, match=r"result\.json"):
        model_of(tmp_path / "full")


def test_values_that_cannot_be_written_are_named():
    own = space_of(own_nets.asks_for_more, {"width": {"a": torch.Size((3,))[0], "b": 4}})
    assert "asks_for_more(width=3)" in of_own(own, (0,), NUMBERS, "T", is_trained=False, weights="W").text
    odd = space_of(own_nets.asks_for_more, {"width": {"a": _Odd(3)}})
    with pytest.raises(SettingError, match=r"argument width=.* cannot be written into network\.py"):
        of_own(odd, (0,), NUMBERS, "T", is_trained=False, weights="W")


class _Odd(int):
    """A whole number that says nothing of itself."""

    __hash__ = int.__hash__

    def __repr__(self):
        return "<odd>"


@pytest.mark.slow
def test_the_source_is_of_the_output_that_is_meant_and_of_the_precision_that_was_trained(tmp_path):
    own = space_of(own_nets.Told, output="answer", shape=[6])
    network = build_network(own, own.default, NUMBERS, 0).eval()
    source = of_own(own, own.default, NUMBERS, "A network.", is_trained=True, weights="Trained.")
    assert "Trained. Of its outputs 'answer' is meant." in source.text
    (tmp_path / "network.py").write_text(source.text)
    for name, path in source.files.items():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tmp_path / "source" / name)
    save_weights(tmp_path / "weights.safetensors", network, {})
    batches = batches_for(NUMBERS)
    expected = outputs_by(network, batches)
    assert expected[2].shape == (2, 3)
    assert check_source(tmp_path, batches, expected, "answer").differences == {2: 0.0, 5: 0.0}


COMPILED = """
import torch
from torch import nn

from archsieve import choice


class Compiled(nn.Module):
    def __init__(self, num_outputs=3):
        super().__init__()
        self.body = torch.compile(nn.Sequential(nn.Conv2d(3, choice("width", [4, 6]), 3), nn.ReLU()), backend="eager")
        self.head = nn.LazyLinear(num_outputs)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""


def test_a_part_that_is_compiled_gets_its_weights(tmp_path):
    (tmp_path / "compiled_net.py").write_text(COMPILED)
    (tmp_path / "plan.toml").write_text(OWN.replace("own_nets:Convolutions", "compiled_net:Compiled"))
    plugin = ("--plugin", tmp_path / "compiled_net.py")
    searched = invoke("search", tmp_path / "plan.toml", "--out", tmp_path / "run", *plugin)
    assert searched.exit_code == 0, searched.stderr
    result = invoke("export", tmp_path / "run", "--to", tmp_path / "home", *plugin, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["differences"] == {"network.py": {"2": 0.0, "5": 0.0}}
