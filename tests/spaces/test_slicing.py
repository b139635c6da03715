"""Sliced layers: a part computes what the small layer with those weights computes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archsieve.errors import SettingError
from archsieve.spaces.layers.slicing import SlicedBatchNorm2d, SlicedConv2d, SlicedLinear, cut


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def small_layer(layer, small):
    """Return the small torch layer with the first channels and the centre of the kernel of the large one."""
    state = {}
    for name, tensor in small.state_dict().items():
        part = layer.state_dict()[name]
        for dimension, n in enumerate(tensor.shape):
            begin = 0 if dimension < 2 else (part.shape[dimension] - n) // 2
            part = part.narrow(dimension, begin, n)
        state[name] = part.clone()
    small.load_state_dict(state, strict=True)
    return small


def test_cut_by_hand():
    assert cut(torch.arange(6).reshape(2, 3), 1, (3,), (2,)).tolist() == [[0, 1], [3, 4]]
    # Segments 0 1 2, 3 4, 5 6 7 8: the first of each, one of them missing, one of them empty.
    tensor, whole = torch.arange(9), (3, 2, 4)
    assert cut(tensor, 0, whole, (2, 1, 3)).tolist() == [0, 1, 3, 5, 6, 7]
    assert cut(tensor, 0, whole, (2, 2)).tolist() == [0, 1, 3, 4]
    assert cut(tensor, 0, whole, (3, 0, 1)).tolist() == [0, 1, 2, 5]
    assert cut(tensor, 0, whole, whole) is tensor
    view = cut(tensor, 0, (9,), (4,))
    assert view.data_ptr() == tensor.data_ptr()


def test_the_centre_of_a_kernel_by_hand():
    layer = SlicedConv2d(1, 2, 5)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(50.0).reshape(2, 1, 5, 5))
    # Rows 1 to 3 and columns 1 to 3 of 0..24 in rows of five.
    assert layer.part("weight", SlicedConv2d(1, 1, 3)).tolist() == [[[[6, 7, 8], [11, 12, 13], [16, 17, 18]]]]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "part"), [(1, 1), (3, 3), (5, 3), (5, 5), (7, 5), (7, 3)])
@pytest.mark.parametrize(("inputs", "outputs"), [(6, 8), (4, 8), (6, 3), (4, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_part_of_a_convolution(stride, kernel, part, inputs, outputs, bias):
    layer = SlicedConv2d(6, 8, kernel, stride, bias=bias)
    small = small_layer(layer, nn.Conv2d(inputs, outputs, part, stride, part // 2, bias=bias))
    x = drawn(2, inputs, 7, 7)
    assert torch.equal(layer(x, outputs, part), small(x))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("part", [3, 5])
@pytest.mark.parametrize("channels", [8, 5, 1])
def test_a_part_of_a_depthwise_convolution(stride, part, channels):
    layer = SlicedConv2d(8, 8, 5, stride, groups=8)
    small = small_layer(layer, nn.Conv2d(channels, channels, part, stride, part // 2, groups=channels, bias=False))
    x = drawn(2, channels, 7, 7)
    assert torch.equal(layer(x, channels, part), small(x))


def test_the_whole_is_the_default():
    layer, x = SlicedConv2d(3, 4, 5, bias=True), drawn(2, 3, 6, 6)
    assert torch.equal(layer(x), nn.Conv2d.forward(layer, x))


def test_groups_that_cannot_be_sliced():
    with pytest.raises(SettingError, match="Only groups of one channel can be sliced, but got 8 channels in 2"):
        SlicedConv2d(8, 8, 3, groups=2)


def test_a_part_of_a_linear_layer():
    layer = SlicedLinear(6, 4)
    small, x = small_layer(layer, nn.Linear(5, 4)), drawn(3, 5)
    assert torch.equal(layer(x), small(x))


def normalisation(momentum=0.1, **settings):
    layer = SlicedBatchNorm2d(6, momentum=momentum, **settings)
    with torch.no_grad():
        for tensor in layer.state_dict().values():
            if tensor.dim():
                tensor.copy_(0.5 + torch.rand(6))
    return layer


@pytest.mark.parametrize("momentum", [0.1, None, 0.0])
@pytest.mark.parametrize("channels", [6, 4])
def test_a_part_of_a_normalisation_in_training_and_after_it(momentum, channels):
    layer = normalisation(momentum)
    beyond = layer.running_mean[channels:].clone(), layer.running_var[channels:].clone()
    small = small_layer(layer, nn.BatchNorm2d(channels, momentum=momentum))
    for seed in range(3):
        x = drawn(4, channels, 5, 5 + seed)
        assert torch.equal(layer(x), small(x))
        assert torch.equal(layer.running_mean[:channels], small.running_mean)
        assert torch.equal(layer.running_var[:channels], small.running_var)
    assert int(layer.num_batches_tracked) == int(small.num_batches_tracked) == 3
    assert torch.equal(layer.running_mean[channels:], beyond[0])
    assert torch.equal(layer.running_var[channels:], beyond[1])
    x = drawn(4, channels, 3, 3)
    assert torch.equal(layer.eval()(x), small.eval()(x))


@pytest.mark.parametrize("settings", [{"affine": False}, {"track_running_stats": False}])
def test_normalisations_without_weights_or_without_statistics(settings):
    layer = normalisation(**settings)
    small, x = small_layer(layer, nn.BatchNorm2d(4, **settings)), drawn(4, 4, 5, 5)
    for training in (True, False):
        assert torch.equal(layer.train(training)(x), small.train(training)(x))


INPUTS, OUTPUTS = (4, 3), (2, 2, 3)
PARTS = [((4, 3), (2, 2, 3)), ((3, 2), (2, 2, 3)), ((4, 3), (1, 2, 2)), ((2, 1), (2, 1)), ((4,), (2,))]


def places(whole, part):
    """Return the channels of a part, one by one."""
    return [sum(whole[:i]) + k for i, length in enumerate(part) for k in range(length)]


@pytest.mark.parametrize(("inputs", "outputs"), PARTS)
def test_a_part_of_a_convolution_in_segments(inputs, outputs):
    layer = SlicedConv2d(INPUTS, OUTPUTS, 3, bias=True)
    small = nn.Conv2d(sum(inputs), sum(outputs), 3, padding=1)
    rows, columns = places(OUTPUTS, outputs), places(INPUTS, inputs)
    with torch.no_grad():
        small.weight.copy_(layer.weight[rows][:, columns])
        small.bias.copy_(layer.bias[rows])
    x = drawn(2, sum(inputs), 5, 5)
    assert torch.equal(layer(x, outputs, inputs=inputs), small(x))
    alone = SlicedConv2d(inputs, outputs, 3, bias=True)
    assert torch.equal(layer.part("weight", alone), small.weight)
    assert torch.equal(layer.part("bias", alone), small.bias)
    layer(x, outputs, inputs=inputs).sum().backward()
    small(x).sum().backward()
    expected = torch.zeros_like(layer.weight)
    expected[torch.tensor(rows)[:, None], torch.tensor(columns)] = small.weight.grad
    assert torch.equal(layer.weight.grad, expected)


@pytest.mark.parametrize("part", [(2, 2, 3), (1, 2, 2), (2, 1), (0, 2, 1)])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_part_of_a_normalisation_in_segments(part, momentum):
    layer, rows = SlicedBatchNorm2d(OUTPUTS, momentum=momentum), places(OUTPUTS, part)
    with torch.no_grad():
        for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
            tensor.copy_(0.5 + torch.rand(7))
    small = nn.BatchNorm2d(len(rows), momentum=momentum)
    small.load_state_dict({n: t[rows] if t.dim() else t for n, t in layer.state_dict().items()})
    before = layer.running_mean.clone()
    for seed in range(2):
        x = drawn(4, len(rows), 5, 5 + seed)
        assert torch.equal(layer(x, part), small(x))
    alone = SlicedBatchNorm2d(part)
    for name, tensor in small.state_dict().items():
        assert torch.equal(layer.part(name, alone), tensor), name
    others = [i for i in range(7) if i not in rows]
    assert torch.equal(layer.running_mean[others], before[others])
    assert (layer.running_mean[rows] != before[rows]).all()
    x = drawn(4, len(rows), 3, 3)
    assert torch.equal(layer.eval()(x, part), small.eval()(x))


def test_gradients_reach_the_part_alone():
    layer = SlicedConv2d(4, 4, 5)
    layer(drawn(1, 2, 6, 6), 3, 3).sum().backward()
    touched = layer.weight.grad != 0
    assert touched[:3, :2, 1:4, 1:4].all()
    assert int(touched.sum()) == 3 * 2 * 9
