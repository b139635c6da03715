"""Networks of transformers and pytorchcv, with random weights: parameters and multiply-adds beside a count by hand.

They are built from configurations of the tests, so that nothing is downloaded. The extra `thirdparty` has the packages.
"""

from __future__ import annotations

import json
import math

import pytest

from archsieve.cli.own_network import input_of
from archsieve.networks.inputs import zeros_of
from archsieve.registry import PROXIES
from plugins.commands import invoke

from . import networks

pytest_plugins = ["plugins.fixtures"]
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install -e '.[thirdparty]'"
)
pytest.importorskip("pytorchcv", reason="pytorchcv is not installed: pip install -e '.[thirdparty]'")
pytestmark = [
    pytest.mark.thirdparty,
    pytest.mark.usefixtures("restored"),
    pytest.mark.filterwarnings("ignore"),  # theirs are not ours to mend
]
AZ = {"az_expressivity", "az_progressivity", "az_trainability"}  # compare positions, which some blocks change
REFUSED = {
    **{name: {"meco"} for name in ("bert", "bert_classifier", "clip", "vit")},  # more channels than tokens
    "gpt2": {"fisher", "meco", "zen"},  # linear layers of its own class
    "t5": {"meco", "vkdnw"},  # the same, and outputs with tokens before classes
    "wav2vec2": {"jacov", "synflow_bn"},  # outputs of a layer normalisation, whose sum is constant
}
SHIPPED = sorted(n for n in PROXIES if PROXIES[n].function.__module__.startswith("archsieve."))


def attention(layers, queries, width, keys=None):
    """Scores of each pair, and the values gathered by them."""
    return 2 * layers * queries * (keys or queries) * width


def steps(samples):
    """Positions that the convolutions of the speech encoders leave of some samples."""
    for kernel, stride in ((10, 5), (3, 2), (3, 2)):
        samples = (samples - kernel) // stride + 1
    return samples


def published(params, macs):
    return {"params": params, "macs": macs}


# Options; multiply-adds of attention and of other products without a layer; params and MACs that are published.
CASES = {
    "bert": (["--shape", "32:tokens=500", "--output", "pooler_output"], attention(3, 32, 48), {}),
    "bert_classifier": (["--shape", "input_ids=32:tokens=500"], attention(3, 32, 48), {}),
    "wav2vec2": (["--shape", "4000", "--output", "last_hidden_state"], attention(2, steps(4000), 32), {}),
    "hubert": (["--shape", "input_values=4000"], attention(2, steps(4000), 32), {}),
    "gpt2": (["--shape", "32:tokens=300"], attention(2, 32, 32), {}),
    "t5": (
        ["--shape", "input_ids=32:tokens=200", "--shape", "decoder_input_ids=16:tokens=200"],
        attention(2, 32, 32) + attention(2, 16, 32) + attention(2, 16, 32, keys=32),
        {},
    ),
    "clip": (
        [*("--shape", "input_ids=16:tokens=200", "--shape", "pixel_values=3x32x32"), "--output", "image_embeds"],
        attention(2, 16, 32) + attention(2, 17, 48) + 24,  # and one text by one picture
        {},
    ),
    "vit": (["--shape", "pixel_values=3x32x32"], attention(2, 17, 48), {}),
    "resnet18": (["--shape", "3x224x224"], 0, published(11_689_512, 1_814_073_344)),
    "mobilenet": (["--shape", "3x224x224"], 0, {"params": 3_504_960}),
    "efficientnet": (["--shape", "3x224x224"], 0, {"params": 5_288_548}),
}


def score(name, *proxies):
    named = [word for proxy in proxies for word in ("--proxy", proxy)]
    result = invoke("score-model", f"thirdparty.networks:{name}", *CASES[name][0], *named, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)[0], result.stderr


def inputs_of(name):
    given = CASES[name][0]
    return tuple(input_of(text) for option, text in zip(given[::2], given[1::2], strict=True) if option == "--shape")


def test_bert_by_the_textbook():
    """Embeddings with their norm; per layer four projections, two linear layers, two norms; a pooler."""
    words, width, layers, wide = (networks.BERT[key] for key in list(networks.BERT) if key != "num_attention_heads")
    layer = 4 * (width * width + width) + 2 * width * wide + wide + width + 4 * width
    params = (words + 512 + 2) * width + 2 * width + layers * layer + width * width + width
    macs = layers * (32 * (4 * width * width + 2 * width * wide) + 2 * 32 * 32 * width) + width * width
    row, _ = score("bert", "params", "macs")
    assert (row["params"], row["macs"]) == (params, macs)


@pytest.mark.parametrize("name", CASES)
def test_parameters_and_multiply_adds_of(name, record_property):
    network, given = getattr(networks, name)(), zeros_of(inputs_of(name), 1)
    by_hooks = networks.counted(network, **given) if isinstance(given, dict) else networks.counted(network, given)
    row, _ = score(name, "params", "macs")
    assert row["params"] == sum(p.numel() for p in network.parameters())
    assert row["macs"] == by_hooks.layers + CASES[name][1]
    assert {key: row[key] for key in CASES[name][2]} == CASES[name][2]


def test_the_linear_layers_of_gpt2_are_weights():
    """Four a layer, which are classes of transformers' own, and the classifier."""
    assert score("gpt2", "trainable_layers")[0]["trainable_layers"] == 2 * 4 + 1


@pytest.mark.parametrize("name", ["bert", "bert_classifier", "wav2vec2", "hubert", "gpt2", "t5", "clip", "vit"])
def test_proxies_score_them_or_say_why_not(name):
    """On tokens too: those that need noise or a Jacobian take what the embeddings give."""
    names = [n for n in SHIPPED if "labels" not in PROXIES[n].needs or name not in ("t5", "wav2vec2")]
    row, said = score(name, *names)
    unscored = {n for n in names if row[n] is None}
    assert unscored <= AZ | REFUSED.get(name, set()), said
    assert all(f"{proxy} could not score thirdparty.networks:{name}: " in said for proxy in unscored)
    assert "Error:" not in said
    assert all(math.isfinite(float(row[p])) for p in ("l2_norm", "jacov", "zen", "synflow_log") if p not in unscored)
