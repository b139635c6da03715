"""Every proxy on every kind of network: a finite score, or a refusal in a sentence; the documentation says which.

After a change that is meant, run `python -m estimators.zero_cost.test_families` in tests/ to write the tables anew.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from archsieve.errors import ScoringError
from archsieve.networks.counting import count_macs, count_params
from archsieve.registry import PROXIES

from .families import FAMILIES, Inverted, MobileNet, ViT, build, probe_of
from .test_every_proxy import SHIPPED

PAGE = Path(__file__).parents[3] / "docs" / "proxies.md"
ALL_FOUR = [name for name in FAMILIES if name.startswith(("MobileNet", "ViT", "1-D", "MLP"))]
WORK_EVERYWHERE = ["l2_norm", "snip", "grad_norm", "synflow", "nwot", "jacov"]


def outcome(proxy, family):
    """Return the score, or the sentence of the refusal."""
    try:
        return PROXIES[proxy](build(family), probe_of(family))
    except ScoringError as refusal:
        return str(refusal)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("proxy", SHIPPED)
def test_a_score_or_a_sentence(proxy, family):
    found = outcome(proxy, family)
    assert isinstance(found, str) or math.isfinite(found)
    assert found == outcome(proxy, family)


@pytest.mark.parametrize("family", ALL_FOUR)
@pytest.mark.parametrize("proxy", WORK_EVERYWHERE)
def test_the_common_proxies_tell_networks_apart_on_every_family(proxy, family):
    network, data = build(family), probe_of(family)
    score = PROXIES[proxy](network, data)
    other = PROXIES[proxy](build(family, seed=1), data)
    assert score != other  # of other weights


@pytest.mark.parametrize("family", ALL_FOUR)
def test_costs_of_every_family(family):
    with torch.device("meta"):
        network = FAMILIES[family][0]()
    assert count_params(network) == count_params(build(family)) > 0
    assert count_macs(network, FAMILIES[family][1]) == count_macs(build(family), FAMILIES[family][1]) > 0


def test_the_cost_of_the_mobile_network_by_hand():
    # Stem 3 * 8 * 9 weights and 16 of BN; last 8 * 32 + 32, classifier 32 * 4 + 4; a block of m middle channels has
    # 8m + 2m, 9m + 2m, (4m + 4) + (4m + m), 8m + 16.
    blocks = sum(8 * m + 2 * m + 9 * m + 2 * m + 4 * m + 4 + 4 * m + m + 8 * m + 16 for m in (16, 24))
    assert count_params(MobileNet()) == 216 + 16 + blocks + 288 + 132


def test_attention_counts_in_every_sum_of_weights():
    network, data = ViT(), probe_of(next(name for name in FAMILIES if name.startswith("ViT")))
    before = {name: PROXIES[name](network, data) for name in ("l2_norm", "trainable_layers")}
    with torch.no_grad():
        for layer in network.layers:
            layer.attention.in_proj_weight.zero_()
    assert PROXIES["l2_norm"](network, data) < before["l2_norm"] - 4
    assert before["trainable_layers"] == 1 + 2 * 4 + 1  # patches; projections, output and two linear layers; head


def test_functions_count_as_modules_do():
    class Modules(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.head = nn.Linear(8, 4)

        def forward(self, inputs):
            return self.head(self.body(inputs))

    class Functions(Modules):
        def forward(self, inputs):
            return self.head(nn.functional.silu(self.body[0](inputs)).mean((2, 3)))

    data = probe_of(next(iter(FAMILIES)))
    for name in ("nwot", "swap", "zen", "meco"):
        scores = []
        for kind in (Modules, Functions):
            torch.manual_seed(0)
            scores.append(PROXIES[name](kind(), data))
        assert scores[0] == pytest.approx(scores[1], rel=1e-5), name


def test_zen_reads_what_the_head_pools_not_what_a_gate_pools():
    torch.manual_seed(0)
    block = Inverted(3, 8)
    data = probe_of(next(iter(FAMILIES)))
    tapped = []

    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.head = block, nn.Conv2d(3, 4, 1)

        def forward(self, inputs):
            x = self.block(inputs)
            tapped.append(x)
            return self.head(x)

    network = Dense()
    score = PROXIES["zen"](network, data)
    distance = (tapped[0] - tapped[1]).abs().flatten(1).sum(1).mean().log().item()
    scales = sum(
        0.5 * math.log(m.running_var.mean().item()) for m in network.modules() if isinstance(m, nn.BatchNorm2d)
    )
    assert score == pytest.approx(distance + scales, rel=1e-5)


def families_table():
    """Return the outcomes as a table with the refusals below."""
    reasons: dict[str, int] = {}
    lines = ["| proxy | " + " | ".join(FAMILIES) + " |", "|---|" + "---|" * len(FAMILIES)]
    for proxy in SHIPPED:
        cells = []
        for family in FAMILIES:
            found = outcome(proxy, family)
            cells.append(f"[{reasons.setdefault(found, len(reasons) + 1)}]" if isinstance(found, str) else "yes")
        lines.append(f"| `{proxy}` | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"{number}. {reason}" for reason, number in reasons.items())])


def declarations_table():
    """Return what each proxy declares."""
    lines = ["| proxy | needs | batches | weights | mode | source |", "|---|---|---|---|---|---|"]
    for name in SHIPPED:
        p = PROXIES[name]
        batches = p.batches if "data" in p.needs else 0
        options = ", ".join(f"`{key}={value!r}`" for key, value in p.options.items())
        label = f"`{name}`" + (f" ({options})" if options else "")
        lines.append(f"| {label} | {', '.join(p.needs) or 'nothing'} | {batches} | {p.init} | {p.mode} | {p.source} |")
    return "\n".join(lines)


TABLES = {"declarations": declarations_table, "families": families_table}


def rewritten(text):
    """Return the page with its tables made anew."""
    for name, make in TABLES.items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"\n<!-- end of {name} -->")
        assert mark
        assert end
        text = before + mark + make() + end + after
    return text


def test_the_page_says_so():
    assert rewritten(PAGE.read_text()) == PAGE.read_text()


def test_every_proxy_names_its_source():
    assert all(PROXIES[name].source for name in SHIPPED)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
