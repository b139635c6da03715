"""The contract of a space catches spaces whose scores would depend on company, and passes those that only look so."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.errors import PartialScoringError
from archsieve.estimators.contract import Context
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.networks.building import build_network
from archsieve.networks.supernets import build_supernet
from archsieve.spaces.contract import SearchSpace, enumerate_space
from archsieve.spaces.layers.chain import Chain
from archsieve.spaces.sizes import size_of
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import SpaceContract
from archsieve.testing.spaces import SHARED

from .broken import broken_laws as laws_broken_by
from .broken import laws_of

TASK = Synthetic(shape=(3, 8, 8), num_outputs=3, images=40, test_images=6)
METERED = ("l2_norm", "meco", "nwot", "swap", "zen")


class Rectify(nn.Module):
    """Writes to what it gets; torch is not told where `by_data`."""

    def __init__(self, by_data=False):
        super().__init__()
        self.by_data = by_data
        self.layers = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))

    def forward(self, x):
        (x.data if self.by_data else x).clamp_(min=0)
        return self.layers(x)


class Counting(nn.Module):
    """Answers otherwise each time."""

    def __init__(self):
        super().__init__()
        self.layer, self.calls = nn.Conv2d(4, 4, 3, padding=1), 0

    def forward(self, x):
        self.calls += 1
        return torch.relu(self.layer(x)) * self.calls


class Dropping(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return torch.relu(nn.functional.dropout(self.layer(x), 0.5, training=self.training))


BLOCKS = {
    "pure": lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()),
    "in place": Rectify,
    "by data": lambda: Rectify(by_data=True),
    "counting": Counting,
    "dropping": Dropping,
}


@dataclass(frozen=True)
class Blocks:
    kind: str
    classes: int

    def stem(self):
        return nn.Conv2d(3, 4, 3, padding=1)

    def block(self, position, option):
        return (nn.Identity, BLOCKS[self.kind], lambda: nn.AvgPool2d(3, 1, 1))[option]()

    def head(self):
        return nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, self.classes))


class Residual(Chain):
    """Its own forward is not the walk through its pieces."""

    def forward(self, inputs, arch=None):
        x = y = self.stem(inputs)
        for position, option in enumerate(arch or self._path):
            y = self.piece(position, option)(y)
        return self.head(x + y)


class Lookalike(nn.Module):
    """Has the parts of a chain, and does something else with them."""

    def __init__(self, space, task, blocks, options):
        super().__init__()
        self._chain = [Residual(space, task, blocks, options)]
        for name in ("stem", "choices", "head"):
            setattr(self, name, getattr(self._chain[0], name))

    def forward(self, inputs, arch=None):
        return self._chain[0](inputs, arch)

    def extract(self, arch):
        from archsieve.networks.supernets import extract_path

        return extract_path(self, self._chain[0]._space, self._chain[0]._task, arch)


@dataclass(frozen=True)
class Paths(SearchSpace):
    """Three blocks, each nothing, a block of one kind, or a pooling."""

    kind: str = "pure"
    network: ClassVar[type] = Chain

    @property
    def choices(self):
        return (3, 3, 3)

    def build(self, arch, task):
        return self.network(self, task, Blocks(self.kind, task.num_outputs), [(option,) for option in arch])

    def supernet(self, task):
        return self.network(self, task, Blocks(self.kind, task.num_outputs), [range(3)] * 3)


class Shareable(Paths):
    is_shareable = True


class ResidualPaths(Shareable):
    network = Residual


class LookalikePaths(Shareable):
    network = Lookalike


def broken_laws(space, folder, laws=None):
    return laws_broken_by(SpaceContract, folder, laws, space=space, task=TASK)


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_space_that_does_not_share_may_do_anything(kind, tmp_path):
    assert not [law for law in broken_laws(Paths(kind), tmp_path) if "share" in law or "sharing" in law]


def test_a_pure_space_may_share(tmp_path):
    assert not broken_laws(Shareable("pure"), tmp_path)


@pytest.mark.parametrize("space", [ResidualPaths("pure"), LookalikePaths("pure")])
def test_what_is_no_chain_is_not_walked(space, tmp_path):
    assert not broken_laws(space, tmp_path)


@pytest.mark.parametrize("kind", ["in place", "by data", "counting"])
def test_the_contract_catches_what_must_not_share(kind, tmp_path):
    assert broken_laws(Shareable(kind), tmp_path)


class Shifting(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, classes))

    def forward(self, x):
        x -= 0.5
        x /= 0.25
        return self.layers(x)


@dataclass(frozen=True)
class ShiftingSpace(SearchSpace):
    """Nine networks that write to their input."""

    @property
    def choices(self):
        return (3, 3)

    def build(self, arch, task):
        return Shifting(task.num_outputs)


class ShareableShifting(ShiftingSpace):
    is_shareable = True


def test_the_contract_catches_networks_that_write_to_their_inputs(tmp_path):
    assert "test_shareable_networks_leave_inputs_and_keep_no_state" in broken_laws(ShareableShifting(), tmp_path)


def test_the_contract_looks_at_more_than_biases(tmp_path):
    """Convolutions without bias map zeros to zeros: only other inputs tell two weights apart."""

    class Unseeded(Shareable):
        def build(self, arch, task):
            network = super().build(arch, task)
            network.unseeded = True
            for module in network.modules():
                if isinstance(module, nn.Conv2d):  # whose own code draws without the caller's seed
                    module.bias = None
                    module.reset_parameters = lambda weight=module.weight: nn.init.normal_(
                        weight, generator=torch.Generator().manual_seed(torch.seed() % 1000)
                    )
            return network

    assert "test_networks_fit_the_task" in broken_laws(Unseeded("pure"), tmp_path)


class Reversed(Shareable):
    """Reads a code back to front."""

    def parse(self, text):
        return super().parse(text)[::-1]


class Restless(Shareable):
    """Its canonical code has another canonical code."""

    def canonical(self, arch):
        return (*arch[1:], arch[0])


class Leaping(Shareable):
    """Mutates two decisions at once."""

    def mutate(self, arch, rng):
        return (*((option + 1) % 3 for option in arch[:2]), *arch[2:])


class SmallByMistake(Shareable):
    """Forgets the head in its closed form."""

    def params(self, arch, task):
        return size_of(Shareable(self.kind), arch, task, "params") - 15


class NotTheLargest(Shareable):
    """Says that pooling everywhere is the largest."""

    extremes = ((0, 0, 0), (2, 2, 2))


class TwoOutputs(Shareable):
    """Builds for other classes than the task's."""

    def build(self, arch, task):
        return self.network(self, task, Blocks(self.kind, task.num_outputs - 1), [(option,) for option in arch])


class Settings(Shareable):
    """Draws a setting that is in no field."""

    def identity(self):
        return {"drawn": next(self.drawn)}

    drawn = count()


class SharedStorage(Chain):
    def extract(self, arch):
        network = super().extract(arch)
        network.head = self.head
        return network


class TrainedOtherwise(Chain):
    """Extracts the running statistics of a new network."""

    def extract(self, arch):
        network = super().extract(arch)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
        return network


class AlwaysTraining(Chain):
    def extract(self, arch):
        return super().extract(arch).train()


class DrawsByItself(Shareable):
    """Mutates by numpy's own generator."""

    def mutate(self, arch, rng):
        place = np.random.randint(3)  # noqa: NPY002
        return (*arch[:place], (arch[place] + 1) % 3, *arch[place + 1 :])


def with_network(kind, of="pure"):
    return type(f"Of{kind.__name__}", (Shareable,), {"network": kind})(of)


WRONG = [
    (Reversed(), "test_parse_inverts_describe"),
    (Restless(), "test_canonical_is_a_fixed_point"),
    (Leaping(), "test_mutation_changes_one_decision"),
    (Settings(), "test_settings_are_plain"),
    (TwoOutputs(), "test_networks_fit_the_task"),
    (Shareable("counting"), "test_shareable_networks_leave_inputs_and_keep_no_state"),
    (Shareable("by data"), "test_shareable_pieces_leave_what_they_get"),
    (Shareable("counting"), "test_a_chain_walks_as_it_runs"),
    (Shareable("counting"), "test_sharing_changes_no_score"),
    (SmallByMistake(), "test_sizes_equal_counts"),
    (NotTheLargest(), "test_extremes_bound_the_sizes"),
    (with_network(SharedStorage), "test_law_of_the_supernet"),
    (with_network(TrainedOtherwise), "test_a_trained_supernet_computes_its_paths"),
    (with_network(AlwaysTraining), "test_extracting_leaves_the_supernet_alone"),
    (DrawsByItself(), "test_draws_come_from_the_given_generator"),
]


@pytest.mark.parametrize(("wrong", "law"), WRONG, ids=[law for _, law in WRONG])
def test_a_wrong_space_is_caught(wrong, law, tmp_path):
    assert broken_laws(wrong, tmp_path, [law]) == [law]


def test_every_law_catches_something():
    assert {law for _, law in WRONG} == set(laws_of(SpaceContract))


# The scores themselves


FOURTH = 4


def alone_and_together(space, names, tmp_path):
    """Return the scores of every fourth code: by itself, in the company of all, and in chunks of different sizes."""
    ctx, archs = Context(space, TASK, tmp_path), list(enumerate_space(space))
    members = [ZeroCost(name, batch_size=6) for name in names]

    def scores(members, archs):
        try:
            return members[0].score_group(members, archs, ctx)
        except PartialScoringError as failed:
            return failed.scores

    alone = np.array([[scores([m], [arch])[0, 0] for m in members] for arch in archs[::FOURTH]])
    chunks = [scores(members, archs), np.concatenate([scores(members, archs[i::4]) for i in range(4)])]
    order = np.argsort(np.concatenate([np.arange(len(archs))[i::4] for i in range(4)]))
    return alone, chunks[0][::FOURTH], chunks[1][order][::FOURTH]


@pytest.mark.parametrize("kind", ["pure", "in place", "dropping"])
@pytest.mark.parametrize("space", [Paths, Shareable, ResidualPaths, LookalikePaths])
def test_scores_of_paths_do_not_depend_on_company_or_chunk(space, kind, tmp_path):
    """Sharing that turns out to be wrong is given up, even where the space says that it is right."""
    before = torch.get_rng_state()
    alone, together, chunked = alone_and_together(space(kind), METERED, tmp_path)
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(chunked, alone)
    assert torch.equal(torch.get_rng_state(), before)
    assert len({row.tobytes() for row in alone}) >= 5


@pytest.mark.parametrize("kind", ["by data", "counting"])
def test_scores_of_paths_that_do_not_share_never_depend_on_company(kind, tmp_path):
    alone, together, chunked = alone_and_together(Paths(kind), (*METERED, "snip", "jacov"), tmp_path)
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(chunked, alone)


def test_networks_that_write_to_their_inputs_are_scored_as_if_alone(tmp_path):
    names = (*SHARED[:3], *SHARED[4:7], "swap", "epe_nas", "grad_norm")
    alone, together, chunked = alone_and_together(ShiftingSpace(), names, tmp_path)
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(chunked, alone)
    assert np.isfinite(alone).all()
    assert (alone == alone[0]).all()  # nine equal networks


def test_a_residual_supernet_is_scored_by_its_own_forward(tmp_path):
    """Proxies and one-shot scores are those of the networks that `forward` says."""
    space = ResidualPaths("pure")
    ctx = Context(space, TASK, tmp_path)
    estimator = ZeroCost("nwot", batch_size=6)
    inputs = estimator._probe(ctx).inputs
    for arch in [(1, 0, 2), (1, 1, 1), (0, 2, 1)]:
        seen = []
        network = build_network(space, arch, TASK, 0)
        for module in network.modules():
            if isinstance(module, nn.ReLU):
                module.register_forward_hook(lambda m, i, o, seen=seen: seen.append((i[0] > 0).flatten(1)))
        network(inputs)
        units = torch.cat(seen, 1).double()
        kernel = units @ units.T + (1 - units) @ (1 - units).T
        assert estimator.score([arch], ctx)[0] == pytest.approx(torch.linalg.slogdet(kernel).logabsdet.item(), rel=1e-6)
    one_shot = OneShot(epochs=1, batch_size=12)
    one_shot.fit([], ctx, None)
    archs = list(enumerate_space(space))[::3]
    supernet = build_supernet(space, TASK, 0)
    supernet.load_state_dict(torch.load(one_shot._file(ctx), weights_only=True)["network"])
    supernet.eval()
    for module in supernet.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    (inputs, targets), *_ = TASK.batches("validation", batch_size=12)
    with torch.no_grad():
        expected = [100 * float((supernet(inputs, arch).argmax(1) == targets).float().mean()) for arch in archs]
    np.testing.assert_allclose(one_shot.score(archs, ctx), expected, rtol=1e-6)


class KeepsNetworks(Paths):
    kept: ClassVar[dict] = {}

    def build(self, arch, task):
        return self.kept.setdefault(arch, super().build(arch, task))


class KeepsHeads(Paths):
    kept: ClassVar[dict] = {}

    def build(self, arch, task):
        network = super().build(arch, task)
        network.head = self.kept.setdefault("head", network.head)
        return network


@pytest.mark.parametrize("keeping", [KeepsNetworks, KeepsHeads])
def test_a_factory_that_keeps_modules_gives_each_proxy_what_it_built(keeping, tmp_path):
    alone, together, chunked = alone_and_together(keeping("pure"), ("zen", "snip", "synflow", "nwot"), tmp_path)
    fresh = alone_and_together(Paths("pure"), ("zen", "snip", "synflow", "nwot"), tmp_path)[0]
    for scores in (alone, together, chunked):
        np.testing.assert_array_equal(scores, fresh)
