"""What a task's networks get, and that counters, limits, noise and proxies go by it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from archsieve import Input
from archsieve.errors import ScoringError, SettingError
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.size import MACS
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.estimators.zero_cost.proxy import Probe
from archsieve.fingerprints import fingerprint
from archsieve.networks.building import build_network
from archsieve.networks.counting import count_macs, count_params, sizes_of
from archsieve.networks.form import inputs_of
from archsieve.networks.inputs import call
from archsieve.networks.outputs import main_output
from archsieve.registry import PROXIES
from archsieve.runs.session import Session
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.form import Form, form_of
from archsieve.spaces.limits import Limits
from archsieve.spaces.within import Within
from archsieve.tasks.form_only import FormOnly
from archsieve.tasks.noise import Noise
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import SpaceContract
from archsieve.training.rehearsal import noise_like
from plugins.commands import invoke
from plugins.tokens import CLASSES, LENGTH, TOKENS, Named, Pairs, Reader, Readers, Words

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")
SHIPPED = sorted(n for n in PROXIES if PROXIES[n].function.__module__.startswith("archsieve.") and n != "dss")
MODULE = "plugins.tokens"


def macs(width, depth):
    return LENGTH * depth * width * width + width * CLASSES


class TestReaders(SpaceContract):
    space, task = Readers(), Words()


# The form


def test_a_task_that_says_nothing_gets_real_numbers_of_its_shape():
    assert inputs_of(Synthetic()) == (Input((3, 32, 32)),)
    assert form_of(Synthetic()) == Form((3, 32, 32), 10)
    assert form_of(Words()) == Form((LENGTH,), CLASSES, (Input((LENGTH,), tokens=TOKENS),))
    assert form_of(form_of(Words())) == form_of(FormOnly.of(Words())) == form_of(Words())


def test_the_form_of_tokens_is_another_than_that_of_numbers():
    prints = {fingerprint(Within(Readers(), task, Limits(max_macs=9))) for task in (Form((6,), 3), Words(), Pairs())}
    assert len(prints) == 3


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ((3, 4), "must be a tuple of archsieve.Input, e.g. .*, but hold 3"),
        ((Input((3,)), Input((4,), name="x")), "Give all inputs a name or none, but got: 3, x 4"),
        ((Input((3,), name="x"), Input((4,), name="x")), "Each input needs a name of its own"),
    ],
)
def test_inputs_that_make_no_sense_are_refused(inputs, sentence):
    task = type("Odd", (), {"name": "odd", "input_shape": (3,), "num_outputs": 2, "inputs": inputs})()
    with pytest.raises(SettingError, match=sentence):
        inputs_of(task)


@pytest.mark.parametrize("wrong", [{"shape": (0,)}, {"shape": (2.0,)}, {"shape": (3,), "tokens": 0}, {"shape": 3}])
def test_sizes_are_whole_numbers_from_one_on(wrong):
    with pytest.raises(SettingError, match="whole number"):
        Input(**wrong)


# How a network is called


class Keyword(nn.Module):
    def forward(self, first, *, extra=1.0, second):
        return first + 10 * second + extra


@pytest.mark.parametrize(
    "given", [(torch.ones(2), torch.ones(2) * 3), {"second": torch.ones(2) * 3, "first": torch.ones(2)}]
)
def test_inputs_behind_the_last_place_are_keywords_the_required_ones_first(given):
    assert call(Keyword(), given).tolist() == [32.0, 32.0]


def test_what_does_not_fit_fails_as_the_call_itself_does():
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        call(nn.Linear(2, 2), (torch.ones(1, 2), torch.ones(1, 2)))


@pytest.mark.parametrize(
    ("outputs", "value"),
    [
        ({"loss": torch.zeros(()), "logits": torch.ones(1)}, 1),
        ({"map": None, "only": torch.ones(1) * 2}, 2),
        ({"out": torch.ones(1) * 3, "aux": torch.ones(1)}, 3),
        ((torch.ones(1) * 4, torch.ones(1)), 4),
        ([{"logits": torch.ones(1) * 5}], 5),
    ],
)
def test_which_output_is_meant(outputs, value):
    assert main_output(outputs).item() == value


@pytest.mark.parametrize("outputs", [{}, (), None, "text", {"a": None}])
def test_no_output_is_said(outputs):
    with pytest.raises(ScoringError, match="returns no tensor"):
        main_output(outputs)


def test_several_outputs_by_name_are_listed():
    with pytest.raises(ScoringError, match="none of them is called 'logits': features, pooled"):
        main_output({"features": torch.ones(1), "pooled": torch.ones(1)})


# Counting


@pytest.mark.parametrize(("task", "beside"), [(Words(), 0), (Pairs(), 4 * 8), (Named(), 4 * 8)])
def test_multiply_adds_of_tokens_and_of_several_inputs(task, beside):
    sizes = sizes_of(Readers(), (1, 2), task)
    params = 8 * TOKENS + 4 * 8 + 8 + 3 * (64 + 8) + 8 * CLASSES + CLASSES
    assert (sizes.macs, sizes.notes) == (macs(8, 3) + beside, ())
    assert sizes.params + sizes.auxiliary_params == params


def test_a_batch_of_ones_own_is_counted_by_its_first_item():
    given = {"numbers": torch.ones(5, 4), "tokens": torch.ones(5, LENGTH, dtype=torch.long)}
    assert count_macs(Reader(8, 1), given) == macs(8, 1) + 32
    assert count_macs(Reader(8, 1), (given["tokens"], given["numbers"])) == macs(8, 1) + 32
    assert (
        count_params(nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.LazyLinear(3)), (Input((2,), tokens=9),)) == 63
    )


def test_limits_count_networks_of_tokens():
    space = Within(Readers(), Words(), Limits(max_macs=macs(4, 3)))
    assert list(enumerate_space(space)) == [(0, 0), (0, 1), (0, 2)]


def test_noise_in_the_form_of_a_task_of_tokens():
    noise = noise_like(Named(), 5)
    ((given, targets),) = noise.batches("train", batch_size=9)
    assert isinstance(noise, Noise)
    assert given["tokens"].dtype == torch.int64
    assert 0 <= int(given["tokens"].min()) <= int(given["tokens"].max()) < TOKENS
    assert (given["numbers"].shape, given["numbers"].dtype, targets.shape) == ((5, 4), torch.float32, (5,))


@pytest.mark.parametrize(
    ("loss", "kind"), [("mse", torch.float32), ("bce", torch.float32), ("cross_entropy", torch.int64)]
)
def test_targets_of_noise_go_with_its_loss(loss, kind):
    task = Noise((Input((4,)),), 1, loss, items=40)
    ((_, targets),) = task.batches("train", batch_size=40)
    assert targets.dtype == (torch.int64 if loss == "cross_entropy" else torch.float32)
    assert set(targets.flatten().tolist()) <= {0.0, 1.0} or loss == "mse"
    outputs = torch.zeros(40, 1)
    value = {"mse": targets.float().square().mean().item(), "bce": math.log(2), "cross_entropy": 0.0}[loss]
    assert task.loss(outputs, targets).item() == pytest.approx(value)
    if loss != "cross_entropy":
        assert task.loss(outputs[:, 0], targets).item() == pytest.approx(value)
        with pytest.raises(SettingError, match=r"but the network returns outputs of shape \(40, 2\)"):
            task.loss(torch.zeros(40, 2), targets)


# Proxies


@pytest.mark.parametrize("task", [Words(), Pairs(), Named()], ids=lambda task: task.name)
def test_every_proxy_scores_them(task, tmp_path):
    estimators = [ZeroCost(name, batch_size=8) for name in SHIPPED]
    with Session(tmp_path, Readers(), task) as session:
        scores = session.scores(estimators, [(1, 1)])[0]
        unscored = {
            e.name: session.failures(e, [(1, 1)]) for e, s in zip(estimators, scores, strict=True) if math.isnan(s)
        }
    why = ["has one", "more positions than channels"] + ["AZ-NAS", "gets no"] * (task.name != "toy-words")
    assert set(unscored) <= {"az_progressivity", "az_expressivity", "az_trainability", "meco"}, unscored
    assert not [reason for reason in unscored.values() if not any(part in str(reason) for part in why)], unscored


def probe_of(given, targets=None):
    targets = torch.zeros(3, dtype=torch.long) if targets is None else targets
    return Probe(((given, targets),), nn.functional.cross_entropy, CLASSES)


def test_the_jacobian_is_by_what_the_embedding_gives():
    torch.manual_seed(0)
    network, tokens = Reader(8, 1), torch.randint(TOKENS, (5, LENGTH))
    embedded = network.words(tokens).detach().requires_grad_()
    outputs = network.head(network.body(embedded).mean(1))
    (by_hand,) = torch.autograd.grad(outputs.sum(), embedded)
    eigenvalues = torch.linalg.eigvalsh(torch.corrcoef(by_hand.flatten(1).double())) + 1e-5
    expected = -(eigenvalues.log() + 1 / eigenvalues).sum().item()
    assert PROXIES["jacov"](network, probe_of(tokens)) == pytest.approx(expected, rel=1e-6)
    network.words.weight.requires_grad_(False)  # a frozen table has the same
    assert PROXIES["jacov"](network, probe_of(tokens)) == pytest.approx(expected, rel=1e-6)


def test_a_jacobian_by_several_inputs_has_all_of_them():
    torch.manual_seed(0)
    network, given = Reader(8, 1), (torch.randint(TOKENS, (5, LENGTH)), torch.randn(5, 4))
    embedded, numbers = network.words(given[0]).detach().requires_grad_(), given[1].clone().requires_grad_()
    outputs = network.head(network.body(embedded).mean(1) + network.numbers(numbers))
    by_hand = torch.cat([g.flatten(1) for g in torch.autograd.grad(outputs.sum(), (numbers, embedded))], dim=1)
    eigenvalues = torch.linalg.eigvalsh(torch.corrcoef(by_hand.double())) + 1e-5
    expected = -(eigenvalues.log() + 1 / eigenvalues).sum().item()
    assert PROXIES["jacov"](network, probe_of(given)) == pytest.approx(expected, rel=1e-6)


def test_synflow_puts_ones_in_the_place_of_the_embedding():
    network = nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        network[2].weight.copy_(torch.tensor([[1.0, -2.0, 3.0, -4.0]]))
    assert PROXIES["synflow"](network, probe_of(torch.tensor([[0, 1], [2, 3]]))) == 10.0


@pytest.mark.parametrize("name", ["zen", "meco", "synflow", "az_expressivity"])
def test_what_puts_noise_in_does_not_go_by_the_tokens(name):
    def score(first):
        torch.manual_seed(0)
        network = nn.Sequential(Reader(4, 2), Head())
        return PROXIES[name](network, probe_of(torch.full((4, LENGTH), first)))

    assert score(1) == score(2)


class Head(nn.Module):
    def forward(self, outputs):
        return outputs["logits"]


@pytest.mark.parametrize("name", ["jacov", "epe_nas", "zen", "meco", "synflow", "az_expressivity"])
def test_tokens_that_are_not_looked_up_have_no_place_for_noise(name):
    class OneHot(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(TOKENS, CLASSES)

        def forward(self, tokens):
            return self.layer(nn.functional.one_hot(tokens, TOKENS).float()).mean(1)

    with pytest.raises(ScoringError, match="does not look them up in an embedding"):
        PROXIES[name](OneHot(), probe_of(torch.ones(3, LENGTH, dtype=torch.long)))


@pytest.mark.parametrize("name", ["jacov", "wrcor", "zen", "synflow"])
def test_transposed_tokens_are_refused_however_many_there_are(name):
    class Turned(nn.Module):
        def __init__(self, turns):
            super().__init__()
            self.turns, self.words, self.head = turns, nn.Embedding(TOKENS, 4), nn.Linear(4, CLASSES)

        def forward(self, tokens):
            words = torch.tanh(self.words(tokens.T)).transpose(0, 1) if self.turns else torch.tanh(self.words(tokens))
            return self.head(words.mean(1))

    tokens = torch.randint(TOKENS, (5, 5), generator=torch.Generator().manual_seed(0))
    with pytest.raises(ScoringError, match=r"in an embedding .* with the inputs as the first dimension"):
        PROXIES[name](Turned(True), probe_of(tokens, torch.arange(5) % CLASSES))
    scores = []
    for batch in (tokens, tokens.T.contiguous().T):
        torch.manual_seed(0)
        scores.append(PROXIES[name](Turned(False), probe_of(batch, torch.arange(5) % CLASSES)))
    assert scores[0] == scores[1]


def test_a_mask_stays_what_it_is():
    class Masked(Reader):
        def forward(self, tokens, mask):
            weight = mask.float()[..., None]
            return self.head((self.body(self.words(tokens)) * weight).sum(1) / weight.sum(1))

    given = {"tokens": torch.randint(TOKENS, (4, LENGTH)), "mask": torch.ones(4, LENGTH, dtype=torch.bool)}
    for name in ("zen", "jacov", "nwot", "grad_norm", "gradsign"):
        torch.manual_seed(0)
        targets = torch.arange(4) % CLASSES
        whole = PROXIES[name](Masked(8, 2), probe_of(given, targets))
        assert math.isfinite(whole), name
        torch.manual_seed(0)
        cut = {**given, "mask": given["mask"] & (torch.arange(LENGTH) < 2)}
        changed = PROXIES[name](Masked(8, 2), probe_of(cut, targets)) != whole
        assert changed == (name != "nwot"), name  # whose activations are before the mask


def test_a_network_that_asks_for_gradients_itself_is_differentiated():
    class Asking(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, CLASSES)

        def forward(self, inputs):
            moved = inputs[:, None]
            moved.requires_grad = True
            return self.layer(torch.tanh(moved * moved)).mean(1)

    torch.manual_seed(0)
    assert math.isfinite(PROXIES["jacov"](Asking(), probe_of(torch.randn(3, 4))))


# Training and the command line


@pytest.mark.parametrize("task", [Words(), Pairs(), Named()], ids=lambda task: task.name)
def test_networks_of_them_are_trained(task, tmp_path):
    with Session(tmp_path, Readers(), task) as session:
        trained = PartialTraining(epochs=40, batch_size=16, learning_rate=0.1)
        (score,) = session.scores([trained], [(1, 0)])[0]
    assert score > 40  # a third by chance


def test_the_lazy_layers_of_a_space_get_their_weights_by_a_pass():
    class Lazy(Readers):
        def build(self, arch, task):
            return nn.Sequential(nn.Embedding(TOKENS, 4), nn.Flatten(), nn.LazyLinear(3))

    network = build_network(Lazy(), (0, 0), Words(), 0)
    assert network[2].weight.shape == (3, 4 * LENGTH)
    assert network.training


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_the_networks_of_a_space_in_another_precision_are_counted_and_scored(kind, tmp_path):
    @dataclass(frozen=True)
    class Narrow(Readers):
        def build(self, arch, task):
            return super().build(arch, task).to(kind)

    with Session(tmp_path, Narrow(), Pairs()) as session:
        found = session.scores([MACS(), ZeroCost("snip")], [(0, 0)])[0]
    assert found[0] == macs(4, 1) + 16
    assert found[1] > 0
    assert count_macs(nn.Linear(8, 2).to(kind), (8,)) == 16


def test_score_takes_a_space_on_tokens():
    proxies = [word for name in ("params", "macs", "jacov", "snip") for word in ("--proxy", name)]
    result = invoke("score", "toy-readers", "12", *proxies, "--plugin", MODULE, "--json")
    (row,) = json.loads(result.stdout)
    assert row["macs"] == macs(8, 3)
    assert math.isfinite(row["jacov"])
    assert row["snip"] > 0
    assert "Task: toy-words, the default of toy-readers: 6 of 11 tokens to 3 outputs." in result.stderr


def test_search_takes_limits_on_a_space_of_tokens(tmp_path):
    (tmp_path / "plan.toml").write_text(
        f"""
space = "toy-readers"
task = "toy-words"
limits = {{ max_macs = {macs(8, 2)} }}
stage = [{{ estimator = "jacov", top = 2 }}, {{ estimator = "macs", top = 1 }}]
"""
    )
    result = invoke("search", tmp_path / "plan.toml", "--out", tmp_path / "run", "--plugin", MODULE, "--json")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("enabled", [True, False])
def test_what_a_network_sets_for_all_of_torch_is_undone(enabled):
    class Setting(nn.Module):
        def forward(self, x):
            torch.set_grad_enabled(not enabled)
            torch.set_default_dtype(torch.float64)
            if len(x) > 1:
                raise KeyError("x")
            return x

    with torch.set_grad_enabled(enabled):
        call(Setting(), torch.zeros(1, 2))
        with pytest.raises(KeyError):
            call(Setting(), torch.zeros(2, 2))
        assert torch.is_grad_enabled() == enabled
    assert torch.get_default_dtype() == torch.float32


def test_a_network_that_turns_gradients_off_has_no_score_by_them():
    class Off(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            torch.set_grad_enabled(False)
            return self.layer(x)

    probe = Probe(((torch.ones(2, 2), torch.tensor([0, 1])),), nn.functional.cross_entropy, 2)
    with pytest.raises(ScoringError, match="output depends on none of its weights"):
        PROXIES["snip"](Off(), probe)
    assert PROXIES["trainable_layers"](Off(), probe) == 1
