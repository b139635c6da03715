"""What is counted on networks that the meta device cannot hold, and that what is not counted is named."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from archsieve.errors import SettingError
from archsieve.networks.counting import (
    Count,
    count,
    count_auxiliary_params,
    count_flops,
    count_macs,
    count_params,
    examined,
    sizes_of,
)
from archsieve.networks.counting.formulas import flop_formulas
from archsieve.spaces.contract import SearchSpace
from archsieve.spaces.sizes import notes_on, size_of
from archsieve.tasks.synthetic import Synthetic


class By(nn.Module):
    """Its layers, and a forward that is a function of it and the inputs."""

    def __init__(self, forward, **parts):
        super().__init__()
        self._forward = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, inputs):
        return self._forward(self, inputs)


def early_exit(net, x):
    if net.first(x).softmax(1).max() > 0.99:
        return x
    return net.second(x)


def packed(net, x):
    sequence = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5], device="cpu"), batch_first=True)
    return nn.utils.rnn.pad_packed_sequence(net.layer(sequence)[0], batch_first=True)[0]


def with_gradients(net, x):
    with torch.enable_grad():
        x = x.requires_grad_()
        return torch.autograd.grad(net.layer(x).sum(), x)[0]


class Numbers(nn.Module):
    """Takes part of its build from values, which the meta device has none of."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(6, 6) for _ in torch.linspace(1, 3, 3).tolist()))

    def forward(self, inputs):
        return self.layers(inputs)


class MakesItsLayer(nn.Module):
    def forward(self, inputs):
        if not hasattr(self, "layer"):
            self.layer = nn.Linear(inputs.shape[1], 4)
        return self.layer(inputs)


def from_numpy(net, x):
    return net.layer(x * torch.from_numpy(net.mask))


LSTM = {"input_size": 10, "hidden_size": 20, "batch_first": True}
LSTM_2 = 7 * 2 * (80 * 10 + 80 * 20) + 7 * 2 * (80 * 40 + 80 * 20)  # two layers in two directions, seven steps
ENCODER = 5 * 8 * 8 * 4 + 2 * 5 * 5 * 8 + 2 * 5 * 8 * 16  # projections, scores and values, two linear layers
# name: build, shape of an input, multiply-adds by hand, whether it reads values
KNOWN = {
    "early exit": (lambda: By(early_exit, first=nn.Linear(8, 3), second=nn.Linear(8, 5)), (8,), 24 + 40, True),
    "item": (lambda: By(lambda n, x: n.layer(x) * x.sum().item(), layer=nn.Linear(8, 3)), (8,), 24, True),
    "rows by a mask": (lambda: By(lambda n, x: n.layer(x[x.sum(1) >= 0]), layer=nn.Linear(8, 3)), (8,), 24, True),
    "tensor from numbers": (
        lambda: By(lambda n, x: n.layer(x - torch.tensor([0.1, 0.2])), layer=nn.Linear(2, 3)),
        (2,),
        6,
        False,
    ),
    "numpy buffer": (
        lambda: By(from_numpy, mask=np.ones(8, np.float32), layer=nn.Linear(8, 3)),
        (8,),
        24,
        False,
    ),
    "build reads values": (Numbers, (6,), 3 * 36, False),
    "lazy layers": (lambda: nn.Sequential(nn.LazyLinear(5), nn.LazyBatchNorm1d(), nn.LazyLinear(2)), (8,), 50, False),
    "layer made in forward": (MakesItsLayer, (8,), 32, False),
    "LSTM": (lambda: By(lambda n, x: n.a(x)[0], a=nn.LSTM(**LSTM)), (7, 10), 7 * 80 * 30, False),
    "deep LSTM on the CPU": (
        lambda: By(lambda n, x: n.a(x)[0] * x.sum().item(), a=nn.LSTM(**LSTM, num_layers=2, bidirectional=True)),
        (7, 10),
        LSTM_2,
        True,
    ),
    "projected LSTM on the CPU": (
        lambda: By(lambda n, x: n.a(x)[0] * x.sum().item(), a=nn.LSTM(**LSTM, proj_size=5)),
        (7, 10),
        7 * (80 * 10 + 80 * 5 + 20 * 5),
        True,
    ),
    "packed LSTM": (lambda: By(packed, layer=nn.LSTM(**LSTM)), (7, 10), 5 * 80 * 30, True),
    "packed GRU": (lambda: By(packed, layer=nn.GRU(**LSTM)), (7, 10), 5 * 60 * 30, True),
    "bilinear": (lambda: By(lambda n, x: n.a(x, x), a=nn.Bilinear(16, 16, 32)), (16,), 16 * 16 * 32, False),
    "einsum": (lambda: By(lambda n, x: torch.einsum("nij,nkj->nik", x, x)), (4, 6), 4 * 4 * 6, False),
    "tensordot": (
        lambda: By(lambda n, x: torch.tensordot(x, n.w, 1), w=nn.Parameter(torch.zeros(6, 3))),
        (4, 6),
        72,
        0,
    ),
    "matrix times vector": (
        lambda: By(lambda n, x: (n.w @ x[0])[None] + x[0].dot(x[0]), w=nn.Parameter(torch.zeros(3, 4))),
        (4,),
        12 + 4,
        False,
    ),
    "addmv": (lambda: By(lambda n, x: torch.addmv(n.b, n.w, x[0]), b=torch.zeros(3), w=torch.zeros(3, 4)), (4,), 12, 0),
    "in place": (
        lambda: By(lambda n, x: torch.zeros(1, 4, 4, device=x.device).baddbmm_(x, x.mT)),
        (4, 6),
        4 * 4 * 6,
        False,
    ),
    "attention": (lambda: By(lambda n, x: functional.scaled_dot_product_attention(x, x, x)), (2, 5, 8), 800, False),
    "grouped heads": (
        lambda: By(lambda n, x: functional.scaled_dot_product_attention(x, x[:, :2], x[:, :2], enable_gqa=True)),
        (4, 5, 8),
        4 * 5 * 5 * 16,
        False,
    ),
    "encoder on its fast path": (
        lambda: By(
            lambda n, x: n.a(x) * x.sum().item(),
            a=nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
        ),
        (5, 8),
        2 * ENCODER,
        True,
    ),
    "unfolded convolution": (
        lambda: By(lambda n, x: n.a(functional.unfold(x, 3).mT), a=nn.Linear(36, 6)),
        (4, 5, 5),
        9 * 36 * 6,
        False,
    ),
    "elementwise, then summed": (
        lambda: By(lambda n, x: (x * n.w).sum(-1), w=nn.Parameter(torch.zeros(6))),
        (4, 6),
        0,  # by convention
        False,
    ),
    "bag of embeddings": (lambda: By(lambda n, x: n.a((x > 1).long()), a=nn.EmbeddingBag(9, 4)), (8,), 0, False),
    "weighed bag": (
        lambda: By(lambda n, x: n.a((x > 1).long(), per_sample_weights=x), a=nn.EmbeddingBag(9, 4, mode="sum")),
        (8,),
        8 * 4,
        False,
    ),
    "integers": (
        lambda: By(lambda n, x: torch._int_mm(*(x.to(torch.int8).expand(32, 32).contiguous(),) * 2)),
        (32,),
        32**3,
        0,
    ),
    "grid": (
        lambda: By(
            lambda n, x: functional.grid_sample(x, functional.affine_grid(n.w, x.shape, False)), w=torch.eye(2, 3)[None]
        ),
        (3, 5, 5),
        25 * 2 * 3,
        False,
    ),
    "gradients in the forward": (lambda: By(with_gradients, layer=nn.Linear(8, 8)), (8,), 2 * 64, False),
    "compiled": (lambda: torch.compile(nn.Sequential(nn.Linear(8, 4), nn.ReLU())), (8,), 32, False),
    "old weight norm": (lambda: norm_of_old(nn.Linear(8, 4)), (8,), 32, False),
}


def norm_of_old(layer):
    import warnings

    with warnings.catch_warnings(action="ignore"):  # torch calls it old
        return nn.utils.weight_norm(layer)


@pytest.mark.filterwarnings("ignore:Lazy modules", "ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("name", KNOWN)
def test_known_by_hand(name):
    build, shape, macs, reads = KNOWN[name]
    assert examined(build, lambda network: count(network, shape)) == Count(macs, (), bool(reads))
    assert count_macs(build(), shape) == macs


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x @ x.mT


@pytest.fixture(scope="module")
def custom():
    library = torch.library.Library("archsieve_tests", "DEF")
    library.define("gram(Tensor x) -> Tensor")
    library.impl("gram", lambda x: x @ x.T, "CPU")
    yield torch.ops.archsieve_tests.gram
    library._destroy()


UNKNOWN = {
    "transform": (lambda x: torch.fft.rfft(x).real, (4, 8), "aten._fft_r2c (1 call)"),
    "distances": (lambda x: torch.cdist(x, x) + torch.cdist(x, x), (4, 8), "aten._cdist_forward (2 calls)"),
    "many distances": (lambda x: torch.cdist(x, x), (40, 8), "aten._euclidean_dist (1 call)"),
    "solver": (lambda x: torch.linalg.solve(x + torch.eye(4), x), (4, 4), "aten._linalg_solve_ex (1 call)"),
    "exponential": (torch.matrix_exp, (4, 4), "aten.linalg_matrix_exp (1 call)"),
    "sparse": (lambda x: torch.sparse.mm(torch.eye(8).to_sparse(), x.T), (8,), "aten._sparse_addmm (1 call)"),
    "nested": (
        lambda x: torch.nested.nested_tensor(list(x), layout=torch.jagged) @ torch.zeros(8, 3),
        (5, 8),
        "aten.matmul of nested tensors (1 call)",
    ),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", UNKNOWN)
def test_what_has_no_formula_is_named(name):
    function, shape, named = UNKNOWN[name]
    found = examined(lambda: By(lambda n, x: function(x)), lambda network: count(network, shape))
    assert found.unknown == (named,)
    assert found.notes() == (f"macs does not count: {named}.",)


def test_an_operation_of_ones_own_is_named(custom):
    build = lambda: By(lambda n, x: custom(n.layer(x)), layer=nn.Linear(8, 4))  # noqa: E731
    found = examined(build, lambda network: count(network, (8,)))
    assert found == Count(32, ("archsieve_tests.gram (1 call)",))


def test_what_is_written_as_a_function_of_its_own_is_looked_into():
    assert count(By(lambda n, x: Doubled.apply(x)), (4, 6)) == Count(4 * 4 * 6)


FREE = [
    *(
        getattr(functional, name)
        for name in ["gelu", "silu", "mish", "elu", "hardswish", "softplus", "logsigmoid", "hardsigmoid", "celu"]
    ),
    *(lambda x: functional.layer_norm(x, (6,)), lambda x: functional.group_norm(x, 2), functional.instance_norm),
    *(lambda x: functional.rms_norm(x, (6,)), lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear")),
    *(lambda x: functional.max_pool2d(x, 2), lambda x: functional.adaptive_avg_pool2d(x, 2), functional.pixel_shuffle),
    *(lambda x: x.softmax(1), lambda x: x.cumsum(1), lambda x: x.sort(1)[0], lambda x: x.topk(2)[0], torch.logsumexp),
    *(lambda x: x.std(1), lambda x: torch.cat((x, x), 1), lambda x: torch.stack((x, x)), lambda x: x.roll(1, 1)),
    *(lambda x: x.repeat(1, 2, 1, 1), lambda x: x.flip(1), lambda x: functional.pad(x, (1, 1, 1, 1), "reflect")),
    *(lambda x: x.gather(1, x.long()), lambda x: x.to(torch.float64), lambda x: x.clone().relu_().add_(1).zero_()),
    *(lambda x: torch.lerp(x, x, 0.5), lambda x: torch.addcmul(x, x, x), lambda x: torch.where(x > 0, x, -x)),
    *(lambda x: x.tril(), lambda x: torch.randn_like(x), lambda x: functional.glu(x, 1), lambda x: x.norm(dim=1)),
]
WITH_MORE = {functional.pixel_shuffle: 2, torch.logsumexp: 1}


@pytest.mark.parametrize("function", FREE)
def test_what_has_no_products_is_not_named(function):
    more = (WITH_MORE[function],) if function in WITH_MORE else ()
    assert count(By(lambda n, x: function(x, *more)), (4, 6, 6)) == Count(0)


def test_recurrent_layers_fused_on_other_devices_have_formulas():
    layer = nn.LSTM(10, 20, num_layers=2, bidirectional=True, proj_size=5)
    formula = flop_formulas()[torch.ops.aten._cudnn_rnn]
    by_hand = 7 * 3 * 2 * ((80 * 10 + 80 * 5 + 20 * 5) + (80 * 10 + 80 * 5 + 20 * 5))  # 2 * 5 features come from below
    weights = list(layer._flat_weights)
    assert formula(torch.zeros(7, 3, 10), weights, 5, out_val=None) == 2 * by_hand
    assert formula(torch.zeros(21, 10), weights, 5, out_val=None) == 2 * by_hand  # packed
    one = nn.GRU(10, 20)
    formula = flop_formulas()[torch.ops.aten.mkldnn_rnn_layer]
    assert formula(torch.zeros(7, 3, 10), one.weight_ih_l0, one.weight_hh_l0, out_val=None) == 2 * 21 * 60 * 30


def test_flops_of_layers_that_return_several_tensors():
    network = nn.Sequential(nn.ReLU(), nn.LSTM(10, 20, batch_first=True))
    assert count_flops(network, (7, 10)) == 7 * 80 * 30 + 70


# What a count leaves behind


class Restless(nn.Module):
    """Draws, writes into its buffers in every mode, and fails if it is told to."""

    def __init__(self, fails=False):
        super().__init__()
        self.fails = fails
        self.layer, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.register_buffer("calls", torch.zeros(()))
        self.head = nn.Linear(4, 2)

    def forward(self, inputs):
        self.calls = self.calls + 1
        self.layer.weight.data.add_(torch.rand(1) + random.random() + np.random.rand())  # noqa: NPY002, S311
        x = self.norm(self.layer(inputs))
        if self.fails and not self.training:
            raise ValueError("no")
        return (x, self.head(x)) if self.training else x * x.sum().item()


def state_of(network):
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return state, {name: m.training for name, m in network.named_modules()}


def same(one, other):
    return one[1] == other[1] and all(torch.equal(one[0][name], other[0][name]) for name in one[0])


@pytest.mark.parametrize("counter", [count, count_flops, count_params, count_auxiliary_params])
@pytest.mark.parametrize("fails", [False, True])
def test_a_count_leaves_network_and_random_states_alone(counter, fails):
    network = Restless(fails).train()
    network.norm.eval()
    before = state_of(network)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    if fails and counter is not count_params:
        with pytest.raises(ValueError, match="no"):
            counter(network, (4,))
    else:
        assert counter(network, (4,))
    assert same(before, state_of(network))
    assert not any(m._forward_hooks for m in network.modules())
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert np.array_equal(states[2], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_layers_stay_lazy():
    network = nn.Sequential(nn.LazyLinear(5), nn.LazyLinear(2))
    assert (count_params(network, (8,)), count_macs(network, (8,))) == (45 + 12, 50)
    assert network[1].has_uninitialized_params()
    with pytest.raises(SettingError, match="Some weights of the network are created by its first input: pass `inputs`"):
        count_params(network)


# Spaces


@dataclass(frozen=True)
class One(SearchSpace):
    """The networks of `KNOWN` and others by name."""

    build_one: object
    choices = (2,)

    def build(self, arch, task):
        return self.build_one()


def task_of(shape):
    return Synthetic(shape=shape, num_outputs=2, images=4)


@pytest.mark.filterwarnings("ignore:Lazy modules")
@pytest.mark.parametrize("name", ["early exit", "numpy buffer", "build reads values", "lazy layers", "item"])
def test_costs_of_a_space_fall_back(name):
    build, shape, macs, reads = KNOWN[name]
    space, task, before = One(build), task_of(shape), torch.get_rng_state()
    params = {
        "early exit": 27 + 45,
        "numpy buffer": 27,
        "build reads values": 126,
        "lazy layers": 45 + 10 + 12,
        "item": 27,
    }
    assert size_of(space, (0,), task, "macs") == macs
    assert size_of(space, (0,), task, "params") == params[name]
    assert sizes_of(space, (0,), task)[:3] == (params[name], 0, macs)
    assert torch.equal(before, torch.get_rng_state())
    said = "macs is that of an input of zeros: this network reads values, so others may cost another."
    assert notes_on(space, [(0,), (1,)], task, "macs") == ((said,) if reads else ())


def test_auxiliary_heads_are_found_where_the_meta_device_fails():
    assert sizes_of(One(Restless), (0,), task_of((4,)))[:3] == (20 + 8, 10, 16)


def test_params_need_no_forward_that_works():
    words = One(lambda: nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)))  # wants whole numbers
    assert size_of(words, (0,), task_of((5,)), "params") == 36 + 10


def test_what_is_broken_says_why():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        size_of(One(lambda: nn.Linear(3, 2)), (0,), task_of((4,)), "macs")
