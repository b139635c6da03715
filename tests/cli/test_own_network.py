"""`archsieve score-model`: inputs, outputs and precisions as people's networks have them."""

from __future__ import annotations

import json

import pytest

from archsieve.cli.own_network import input_of
from archsieve.errors import PlanError, ScoringError, SettingError
from archsieve.fingerprints import fingerprint
from archsieve.networks.form import Input
from archsieve.registry import PROXIES
from archsieve.runs.session import Session
from archsieve.spaces.choices.declaration import space_of
from archsieve.spaces.choices.fit import check_fit, fit_of
from archsieve.spaces.choices.space import OwnSpace
from archsieve.tasks.noise import Noise
from archsieve.tasks.own_batch import OwnBatch
from plugins.commands import invoke

pytest_plugins = ["plugins.fixtures"]
pytestmark = [
    pytest.mark.usefixtures("restored"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning"),
]
SHIPPED = sorted(n for n in PROXIES if PROXIES[n].function.__module__.startswith("archsieve."))
LABELLED = [name for name in SHIPPED if "labels" in PROXIES[name].needs and name != "epe_nas"]

SOURCE = """
from dataclasses import dataclass
import torch
from torch import nn
from archsieve import choice

def regression():
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 1))

def rectify():
    return nn.Sequential(nn.ReLU(), nn.Linear(8, 1))

class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = regression()

    def forward(self, x):
        return self.body(x)[:, 0]

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.picture, self.numbers, self.head = nn.Conv2d(3, 4, 3), nn.Linear(10, 4), nn.Linear(4, 3)

    def forward(self, picture, numbers):
        return self.head(torch.relu(self.picture(picture)).mean((2, 3)) + self.numbers(numbers))

class Tokens(nn.Module):
    def __init__(self, out=2):
        super().__init__()
        self.table, self.layer, self.head = nn.Embedding(20, 8), nn.Linear(8, 8), nn.Linear(8, out)

    def features(self, ids):
        return torch.relu(self.layer(self.table(ids)))

    def forward(self, ids):
        return self.head(self.features(ids).mean(1))

def Words3():
    return Tokens(3)

class Id(nn.Module):
    def __init__(self):
        super().__init__()
        self.users, self.items = nn.Embedding(7, 4), nn.Embedding(9, 4)

    def forward(self, user, item):
        return (torch.relu(self.users(user)) * self.items(item)).sum(1)

class Keyword(Tokens):
    def forward(self, input_values, *, attention_mask=None, output_attentions=False):
        return super().forward(input_values)

class OnlyKeyword(Tokens):
    def forward(self, *, ids):
        return super().forward(ids)

@dataclass
class Output:
    logits: torch.Tensor | None = None
    hidden: torch.Tensor | None = None
    states: tuple = ()

class Structured(Tokens):
    def forward(self, ids):
        features = self.features(ids)
        return Output(self.head(features.mean(1)), features, (features,))

class Unnamed(Tokens):
    def forward(self, ids):
        features = self.features(ids)
        return {"hidden": features, "pooled": self.head(features.mean(1)), "states": [features], "loss": features.sum()}

class Pair(Tokens):
    def forward(self, ids):
        features = self.features(ids)
        return features, self.head(features.mean(1))

class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 2)

    def forward(self, x):
        return x, self.layer(x)

def scripted():
    return torch.jit.script(Both())

class One(Tokens):
    def forward(self, ids):
        features = self.features(ids)
        return [self.head(features.mean(1)), (features, None)]

class Nothing(Tokens):
    def forward(self, ids):
        return {"none": None}

class Masked(Tokens):
    def forward(self, ids, mask):
        weight = mask.float()[..., None]
        return self.head((self.features(ids) * weight).sum(1) / weight.sum(1))

def memory():
    return nn.LSTM(5, 4, batch_first=True)

class Scalar(Tokens):
    def forward(self, ids):
        features = self.features(ids)
        return features.sum(), self.head(features.mean(1))

class Chosen(nn.Module):
    def __init__(self, num_outputs=4, input_shape=(9,)):
        super().__init__()
        self.layer = nn.Linear(input_shape[0], choice("width", [2, 5]))
        self.head = nn.Linear(self.layer.out_features, num_outputs)

    def forward(self, x):
        return self.head(self.layer(x))

def asks_later():
    network = nn.Linear(8, 4)
    network.register_forward_hook(lambda *_: choice("late", [1, 2]) and None)
    return network

def mixed():
    return nn.Sequential(nn.Linear(8, 6).half(), nn.ReLU(), nn.Linear(6, 4).double())

class Prints(nn.Linear):
    def __init__(self):
        super().__init__(8, 2)
        print("building")

    def forward(self, x):
        print("computing")
        return super().forward(x)

class Exits(nn.Linear):
    def __init__(self):
        super().__init__(8, 2)

    def forward(self, x):
        raise SystemExit("enough")

def bfloat16():
    return regression().bfloat16()

def half():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)).half()

def double():
    return regression().double()

def lazy():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))

class Asserts(nn.Module):
    def forward(self, x):
        assert x.shape[1] == 5, "five columns are needed"
        return x

def batch():
    return torch.linspace(-1, 1, 32).reshape(4, 8)

def masked_batch():
    ids = torch.arange(24).reshape(6, 4) % 20
    return {"mask": torch.ones(6, 4, dtype=torch.bool), "ids": ids}

def pair_batch():
    return [torch.ones(4, 3, 6, 6, dtype=torch.float64), torch.ones(4, 10, dtype=torch.bfloat16)]

def wants_more(count):
    return torch.ones(count, 8)

def uneven():
    return torch.ones(4, 3), torch.ones(5, 3)

def words():
    return ["a", "b"]

def none_at_all():
    return torch.ones(0, 3)
"""


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder that holds a model file; returns the name of its module."""
    name = f"mine_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.fixture
def score(models):
    """Run the command on a model of the file."""

    def run(model, *arguments, proxies=("params", "macs")):
        named = [word for name in proxies for word in ("--proxy", name)]
        given = [f"{models}:{a.partition(':')[2]}" if str(a).startswith("mine:") else a for a in arguments]
        return invoke("score-model", f"{models}:{model}", *given, *named, "--json")

    return run


def row_of(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)[0]


TWO = ["--shape", "3x6x6", "--shape", "10"]
IDS = ["--shape", "5:tokens=20"]
TOKENS_PARAMS, TOKENS_MACS = 20 * 8 + 72 + 18, 5 * 64 + 16


@pytest.mark.parametrize(
    ("model", "options", "params", "macs"),
    [
        ("regression", ["--shape", "8", "--outputs", "1"], 61, 54),
        ("regression", ["--shape", "8"], 61, 54),  # costs need no loss
        ("Flat", ["--shape", "8", "--outputs", "1"], 61, 54),
        ("Two", TWO, 112 + 44 + 15, 16 * 4 * 27 + 40 + 12),
        ("Two", ["--shape", "numbers=10", "--shape", "picture=3x6x6"], 112 + 44 + 15, 16 * 4 * 27 + 40 + 12),
        ("Tokens", IDS, TOKENS_PARAMS, TOKENS_MACS),
        ("Id", ["--shape", ":tokens=7", "--shape", ":tokens=9"], 64, 0),
        ("Keyword", IDS, TOKENS_PARAMS, TOKENS_MACS),
        ("OnlyKeyword", IDS, TOKENS_PARAMS, TOKENS_MACS),
        ("Structured", IDS, TOKENS_PARAMS, TOKENS_MACS),
        ("Unnamed", [*IDS, "--output", "pooled"], TOKENS_PARAMS, TOKENS_MACS),
        ("Unnamed", [*IDS, "--output", "states.0"], TOKENS_PARAMS, TOKENS_MACS),
        ("Pair", [*IDS, "--output", "1"], TOKENS_PARAMS, TOKENS_MACS),
        ("Scalar", IDS, TOKENS_PARAMS, TOKENS_MACS),
        ("mixed", ["--shape", "8"], 54 + 28, 48 + 24),
        ("Chosen", ["--shape", "8"], 18 + 12, 16 + 8),  # the number of outputs that it has by itself
        ("Chosen", ["--shape", "8", "--outputs", "7"], 18 + 21, 16 + 14),
        ("Chosen", ["--shape", "8", "--outputs", "1"], 18 + 3, 16 + 2),
        ("scripted", ["--shape", "8", "--output", "1"], 18, 16),
        ("memory", ["--shape", "7x5"], 4 * 4 * (5 + 4 + 2), 7 * 4 * 4 * (5 + 4)),
        ("memory", ["--shape", "7x5", "--output", "1.0"], 4 * 4 * (5 + 4 + 2), 7 * 4 * 4 * (5 + 4)),
        ("One", IDS, TOKENS_PARAMS, TOKENS_MACS),
        ("Masked", ["--inputs", "mine:masked_batch"], TOKENS_PARAMS, 4 * 64 + 16),
        ("regression", ["--inputs", "mine:batch"], 61, 54),
        ("Two", ["--inputs", "mine:pair_batch"], 112 + 44 + 15, 16 * 4 * 27 + 40 + 12),
        ("half", ["--shape", "3x8x8", "--outputs", "3"], 112 + 8 + 435, 36 * 4 * 27 + 432),
        ("lazy", ["--shape", "3x8x8", "--outputs", "3"], 112 + 8 + 435, 36 * 4 * 27 + 432),
    ],
)
def test_costs_by_hand(score, model, options, params, macs):
    row = row_of(score(model, *options))
    assert (row["params"], row["macs"]) == (params, macs)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("regression", ["--shape", "8", "--outputs", "1"]),
        ("Flat", ["--shape", "8", "--outputs", "1", "--loss", "bce"]),
        ("Two", TWO),
        ("Structured", IDS),
        ("Scalar", IDS),
        ("mixed", ["--shape", "8", "--outputs", "4"]),
        ("Unnamed", [*IDS, "--output", "pooled"]),
        ("Masked", ["--inputs", "mine:masked_batch"]),
        ("Two", ["--shape", "numbers=10", "--shape", "picture=3x6x6"]),
        ("bfloat16", ["--shape", "8", "--outputs", "1"]),
        ("lazy", ["--shape", "3x8x8", "--outputs", "3"]),
    ],
)
def test_what_takes_a_loss_scores_them(score, model, options):
    names = [*LABELLED, "swap", "l2_norm", "jacov", "synflow_log"]
    row = row_of(score(model, *options, proxies=names))
    bad = {name: value for name, value in row.items() if name in names and not isinstance(value, int | float)}
    alike = {"wrcor": "-inf"} if model == "Masked" else {}  # where items do not differ, no response correlates
    assert bad == alike


@pytest.mark.parametrize(
    ("model", "options", "note"),
    [
        (
            "regression",
            ["--outputs", "1"],
            "snip: mean squared error (--loss bce: of a binary classifier), against random numbers.",
        ),
        ("Flat", ["--loss", "bce"], "Loss of snip: binary cross entropy of logits, against random zeros and ones."),
        ("bfloat16", ["--outputs", "1"], ":bfloat16 has bfloat16 weights; it is scored in float32."),
        ("double", ["--outputs", "1"], ":double has float64 weights; it is scored in float32."),
        ("mixed", ["--outputs", "4"], ":mixed has float16 and float64 weights; it is scored in float32."),
        ("Chosen", [], ":Chosen asks for 1 decision: this is its default network. Others: `archsieve score "),
    ],
)
def test_what_is_made_of_a_network_is_said(score, model, options, note):
    result = score(model, "--shape", "8", *options, proxies=["snip"])
    assert row_of(result)["snip"] > 0
    assert note in result.stderr


def test_what_a_network_prints_is_beside_the_results(score):
    result = score("Prints", "--shape", "8", "--outputs", "2", proxies=["params", "nwot"])
    assert row_of(result)["params"] == 18
    assert {"building", "computing"} < set(result.stderr.splitlines())


def test_a_network_that_ends_python_is_one_sentence(score):
    result = score("Exits", "--shape", "8")
    assert result.exit_code == 1
    line = 1 + SOURCE.splitlines().index('        raise SystemExit("enough")')
    assert "ended Python by exit('enough') (mine_" in result.stderr
    assert result.stderr.strip().endswith(f", line {line}): remove that.")


def test_the_loss_makes_a_difference_and_the_precision_none(score):
    by_loss = [
        row_of(score("regression", "--shape", "8", "--outputs", "1", *loss, proxies=["grad_norm"]))["grad_norm"]
        for loss in ([], ["--loss", "mse"], ["--loss", "bce"])
    ]
    assert by_loss[0] == by_loss[1] != by_loss[2]


@pytest.mark.parametrize(
    ("model", "options", "sentence"),
    [
        ("Two", ["--shape", "3x6x6"], "It takes 2 inputs (picture, numbers) and got 1: give --shape once for each"),
        ("regression", [*TWO], "It takes at most 1 input and got 2."),
        ("Tokens", ["--shape", "5"], "It looks tokens up: say how many there are, e.g. --shape 5:tokens=20."),
        ("Tokens", ["--shape", "3x6x6", "--outputs", "1"], "e.g. --shape 128:tokens=20."),
        ("Tokens", ["--shape", "5:tokens=21"], "Its embeddings have 20 rows: tokens and lengths must be below."),
        ("regression", ["--shape", "8:tokens=4"], "It may take real numbers: leave `:tokens=` out."),
        ("regression", ["--inputs", "mine:masked_batch"], "It takes at most 1 input and got 2."),
        ("Masked", ["--inputs", "mine:batch"], "It takes 2 inputs (ids, mask) and got 1: return a tuple of them."),
        (
            "Asserts",
            ["--shape", "4"],
            "does not take inputs of shape (4,): five columns are needed. Describe its inputs",
        ),
        (
            "Unnamed",
            IDS,
            "tensors: hidden, pooled, states.0. Choose one: --output NAME, e.g. --output hidden",
        ),
        ("Unnamed", [*IDS, "--output", "logits"], "has no output 'logits': it has hidden, pooled, states.0."),
        ("Pair", IDS, "returns several tensors: 0, 1. Choose one: --output NAME, e.g. --output 0"),
        ("scripted", ["--shape", "8"], "returns several tensors: 0, 1."),
        ("Nothing", IDS, "returns no tensor, but dict."),
        ("asks_later", ["--shape", "8"], "The choice 'late' is made while the network computes: decisions belong to"),
        (
            "regression",
            ["--task", "digits", "--shape", "8"],
            "--task digits defines inputs, outputs and loss, and so does --shape",
        ),
        ("regression", ["--task", "digits", "--outputs", "3"], "and so does --outputs: use one of them."),
        (
            "regression",
            ["--shape", "8", "--inputs", "mine:batch"],
            "--inputs (your own batch) and --shape (noise) both define",
        ),
        (
            "regression",
            ["--shape", "8", "--loss", "hinge"],
            "--loss must be one of cross-entropy, mse, bce, but is 'hinge'.",
        ),
        ("regression", ["--shape", "0"], "must be whole numbers from 1 on, but got (0,)"),
        (
            "regression",
            ["--shape", "8:token=4"],
            "Write a shape as numbers with x between them, e.g. 3x32x32, but got '8:token=4'.",
        ),
        ("regression", ["--shape", "a=8", "--shape", "9"], "Give all inputs a name or none, but got: a 8, 9"),
        ("regression", ["--inputs", "mine:bacth"], "Did you mean 'batch'?"),
        (
            "regression",
            ["--inputs", "mine:uneven"],
            "must return tensors with the same number of items first, but gives (4, 3), (5, 3).",
        ),
        ("regression", ["--inputs", "mine:words"], "a dictionary of tensors by name, but it holds str."),
        ("regression", ["--inputs", "mine:none_at_all"], "must return tensors with the same number of items first"),
        (
            "regression",
            ["--inputs", "mine:wants_more"],
            "must be callable without arguments, but: wants_more() missing",
        ),
        ("regression", ["--inputs", "batch"], "is named as module:function"),
    ],
)
def test_advice_that_can_help(score, model, options, sentence):
    result = score(model, *options)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("model", "options", "sentence"),
    [
        (
            "regression",
            ["--shape", "8"],
            "set the number (--outputs; 1 for a regression, or for a binary classifier",
        ),
        ("Pair", [*IDS, "--output", "0"], "(5, 8) per item, but the loss of snip needs one number per class: choose"),
        ("memory", ["--shape", "7x5"], "(7, 4) per item, but the loss of snip needs one number per class"),
        ("Tokens", [*IDS, "--outputs", "3"], "gives outputs of shape (2,), but the task has 3 classes"),
        ("Tokens", [*IDS, "--outputs", "1"], "gives outputs of shape (2,), but the task has 1 numbers for each item"),
    ],
)
def test_outputs_that_do_not_fit_a_loss(score, model, options, sentence):
    result = score(model, *options, proxies=["snip"])
    assert result.exit_code == 1
    assert sentence in result.stderr


def test_a_batch_too_small_for_two_is_parted(score):
    row = row_of(score("regression", "--inputs", "mine:batch", proxies=["zico", "snip"]))
    assert all(isinstance(row[name], float) for name in ("zico", "snip"))


def test_a_batch_is_scored_itself(score, models):
    assert row_of(score("rectify", "--inputs", "mine:batch", proxies=["swap"]))["swap"] == 1  # all columns rise alike
    assert row_of(score("rectify", "--shape", "8", "--outputs", "1", proxies=["swap"]))["swap"] > 1
    assert OwnBatch(f"{models}:batch", 1, "mse").inputs == (Input((8,)),)
    assert OwnBatch(f"{models}:masked_batch", 2).inputs == (
        Input((4,), tokens=2, name="mask"),
        Input((4,), tokens=20, name="ids"),
    )


def test_a_task_of_tokens_says_itself_what_they_are(score):
    options = ["--task", "toy-words", "--plugin", "plugins.tokens"]
    row = row_of(score("Words3", *options, proxies=["macs", "snip", "jacov"]))
    assert row["macs"] == 6 * 64 + 24
    assert row["snip"] > 0
    assert isinstance(row["jacov"], float)


def test_the_same_in_python(models, tmp_path):
    task = Noise((Input((5,), tokens=20),), 2)
    space = space_of(f"{models}:Unnamed", output="pooled", weights="given")
    assert check_fit(space, task).outputs == (2,)
    with Session(tmp_path, space, task) as session:
        from archsieve.estimators.size import MACS
        from archsieve.estimators.zero_cost.estimator import ZeroCost

        macs, snip = session.scores([MACS(), ZeroCost("snip", init="as_built")], [space.default])[0]
    assert macs == TOKENS_MACS
    assert snip > 0
    with pytest.raises(ScoringError, match="several tensors"):
        fit_of(space_of(f"{models}:Unnamed"), task)
    with pytest.raises(SettingError, match="has 3 classes"):
        check_fit(space, Noise((Input((5,), tokens=20),), 3))


def test_an_output_that_is_not_named_leaves_the_identity(models):
    space = OwnSpace(f"{models}:Unnamed")
    assert "output" not in space.identity()
    assert fingerprint(space) != fingerprint(OwnSpace(f"{models}:Unnamed", output="pooled"))
    for output in ("", 0):
        with pytest.raises(SettingError, match="`output` must be the name or place of an output as text"):
            OwnSpace(f"{models}:Unnamed", output=output)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3x32x32", Input((3, 32, 32))),
        (" 8 ", Input((8,))),
        ("128:tokens=30522", Input((128,), tokens=30522)),
        (":tokens=5", Input((), tokens=5)),
        ("input_ids=128:tokens=30522", Input((128,), tokens=30522, name="input_ids")),
        ("x=3X4", Input((3, 4), name="x")),
    ],
)
def test_how_inputs_are_written(text, meant):
    assert input_of(text) == meant


@pytest.mark.parametrize(
    "text", ["", " ", "x", "3x", "3xa", "3,4", "-3", "3:tokens", "3:tokens=-1", "1=3", "a=", "\u0663"]
)
def test_what_is_no_shape(text):
    with pytest.raises(PlanError, match="Write a shape as"):
        input_of(text)
