"""Sliced layers: a part computes what the small layer with those weights computes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archsieve.errors import SettingError
from archsieve.spaces.slicing import SlicedBatchNorm2d, SlicedConv2d, SlicedLinear, cut


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
    kernel = torch.arange(2 * 1 * 5 * 5).reshape(2, 1, 5, 5)
    # The centre of the first kernel: rows 1 to 3 and columns 1 to 3 of 0..24 in rows of five.
    assert cut(kernel, (1, 1, 3, 3)).tolist() == [[[[6, 7, 8], [11, 12, 13], [16, 17, 18]]]]
    assert cut(torch.arange(6).reshape(2, 3), (1, 2)).tolist() == [[0, 1]]
    assert cut(torch.arange(4), (3,)).tolist() == [0, 1, 2]
    assert cut(kernel, (2, 1, 5, 5)) is kernel
    count = torch.tensor(3)
    assert cut(count, ()) is count


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


def test_gradients_reach_the_part_alone():
    layer = SlicedConv2d(4, 4, 5)
    layer(drawn(1, 2, 6, 6), 3, 3).sum().backward()
    touched = layer.weight.grad != 0
    assert touched[:3, :2, 1:4, 1:4].all()
    assert int(touched.sum()) == 3 * 2 * 9
