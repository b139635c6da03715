"""TransNAS-Bench-101's spaces: their strings, their networks by hand, and how many there are."""

from __future__ import annotations

import itertools

import pytest
import torch

from archsieve.errors import ArchitectureError, SettingError
from archsieve.networks.counting import count_macs, count_params
from archsieve.spaces.contract import enumerate_space, size
from archsieve.spaces.transnas.macro_space import TransNASMacro
from archsieve.spaces.transnas.space import TransNASMicro, from_naslib, to_naslib
from archsieve.tasks.synthetic import Synthetic

MICRO, MACRO = TransNASMicro(), TransNASMacro()
TASK = Synthetic(shape=(3, 64, 64), num_outputs=75)


def test_the_published_example_of_a_cell():
    # Of its README: a skip makes node 1, none and a 1x1 convolution node 2, and three 3x3 convolutions node 3.
    arch = MICRO.parse("64-41414-1_02_333")
    assert arch == MICRO.parse("102333") == (1, 0, 2, 3, 3, 3)
    assert MICRO.picture(arch).cells["cell"] == (
        *(("0", "1", "skip"), ("1", "2", "conv1x1")),
        *(("0", "3", "conv3x3"), ("1", "3", "conv3x3"), ("2", "3", "conv3x3")),
    )


def test_the_published_example_of_a_skeleton():
    # Of its README: normal, twice the channels, half of the resolution, both.
    assert MACRO.picture(MACRO.parse("64-1234-basic")).blocks == (
        "as it is, 64 channels",
        "channels doubled, 128 channels",
        "picture halved, 128 channels",
        "channels doubled, picture halved, 256 channels",
    )


def test_how_many_there_are():
    # Of n modules, k double the channels and m halve the picture: (n over k)(n over m), k in 1..3 and m in 1..4.
    by_length = {4: 14 * 15, 5: 25 * 30, 6: 41 * 56}
    lengths = [len(MACRO.modules(arch)) for arch in enumerate_space(MACRO)]
    assert {n: lengths.count(n) for n in (4, 5, 6)} == by_length
    assert len(lengths) == sum(by_length.values()) == 3256
    assert size(MICRO) == 4096


@pytest.mark.parametrize("text", ["64-1111-basic", "64-2222-basic", "64-333332-basic", "64-222241-basic", "000044"])
def test_skeletons_that_change_too_little_or_too_much_are_refused(text):
    with pytest.raises(ArchitectureError, match="excluded by the limits"):
        MACRO.parse(text)


@pytest.mark.parametrize("space", [MICRO, MACRO], ids=["micro", "macro"])
@pytest.mark.parametrize(
    "text",
    [
        *("64-41414-1_02_334", "64-41414-10_2_333", "32-41414-1_02_333", "64-4141-1_02_333", "1_02_333"),
        *("64-123-basic", "64-1234567-basic", "32-1234-basic", "64-1235-basic", "basic", "64-1234-Basic", "12"),
    ],
)
def test_other_strings_are_refused(space, text):
    with pytest.raises(ArchitectureError, match=rf"no(t an)? architecture of {space.name}"):
        space.parse(text)


def test_naslib_numbers_go_there_and_back():
    # NASLib: skip, zero, 3x3, 1x1 on the edges 1<-0, 2<-0, 3<-0, 2<-1, 3<-1, 3<-2.
    assert from_naslib((0, 1, 2, 3, 2, 2)) == MICRO.parse("64-41414-1_02_333")
    for arch in itertools.islice(enumerate_space(MICRO), 0, 4096, 97):
        assert from_naslib(to_naslib(arch)) == arch


def test_parameters_of_a_cell_by_hand():
    # Width 4, one module that changes everything: cells 4 -> 8 and 8 -> 8. Stem: 3*2*9 + 4, 2*4*9 + 8.
    # Skips of the first cell's input are 1x1 convolutions (4*8 + 16); every other skip has no parameter.
    space, task = TransNASMicro(width=4, modules="4"), Synthetic(shape=(3, 32, 32), num_outputs=10)
    stem, head = (54 + 4) + (72 + 8), 90
    assert space.params(space.parse("111111"), task) == stem + 3 * (32 + 16) + head
    assert space.params(space.parse("301001"), task) == stem + (4 * 8 * 9 + 16) + (8 * 8 * 9 + 16) + head
    assert space.params(space.parse("000002"), task) == stem + 2 * (64 + 16) + head


def test_parameters_of_a_skeleton_by_hand():
    # Width 2: modules 1, 1, 1 keep 2 channels (2*2*9 + 4 a convolution), 4 doubles them, with a shortcut of 2*4 + 8.
    space, task = TransNASMacro(width=2), Synthetic(shape=(3, 32, 32), num_outputs=10)
    stem, same = (27 + 2) + (18 + 4), 36 + 4
    doubled = (72 + 8) + (144 + 8) + (8 + 8) + 2 * (144 + 8)
    assert space.params(space.parse("2-1114-basic"), task) == stem + 12 * same + doubled + 50


@pytest.mark.parametrize("text", ["64-41414-1_02_333", "64-41414-0_00_000", "64-41414-0_01_002", "64-41414-1_11_111"])
def test_sizes_of_cells_are_counts_of_the_network(text):
    expect_sizes(MICRO, MICRO.parse(text))


@pytest.mark.parametrize("text", ["64-1234-basic", "64-411111-basic", "64-44411-basic"])
def test_sizes_of_skeletons_are_counts_of_the_network(text):
    expect_sizes(MACRO, MACRO.parse(text))


def expect_sizes(space, arch):
    with torch.device("meta"):
        network = space.build(arch, TASK)
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 75)
    assert space.params(arch, TASK) == count_params(network)
    assert space.macs(arch, TASK) == count_macs(network, TASK.input_shape)
    assert space.encoder_params(arch) == count_params(network) - 75 * (network_head_inputs(network) + 1)


def network_head_inputs(network):
    return next(m for m in network.modules() if isinstance(m, torch.nn.Linear)).in_features


def test_a_cell_without_a_path_gives_the_same_for_every_picture():
    space = TransNASMicro(width=4, modules="14")
    network = space.build(space.parse("330000"), TASK).eval()
    outputs = network(torch.randn(2, 3, 64, 64))
    assert torch.equal(outputs[0], outputs[1])


def test_which_cells_are_one_network():
    assert MICRO.canonical(MICRO.parse("001000")) == MICRO.parse("000000")  # a skip of nothing is nothing
    assert MICRO.canonical(MICRO.parse("002000")) != MICRO.parse("000000")  # a convolution has parameters
    # A skip from the input is a convolution where the shape changes, so that it is no edge to merge with others.
    assert MICRO.canonical(MICRO.parse("103030")) != MICRO.canonical(MICRO.parse("003300"))
    # Nodes 1 and 2 may change places where no edge joins them.
    assert MICRO.canonical(MICRO.parse("230132")) == MICRO.canonical(MICRO.parse("320123"))
    classes = {arch: MICRO.canonical(arch) for arch in enumerate_space(MICRO)}
    assert len(set(classes.values())) == 2290
    assert all(classes[first] == first for first in classes.values())
    assert all(MICRO.encoder_params(arch) == MICRO.encoder_params(first) for arch, first in classes.items())


@pytest.mark.parametrize("settings", [{"width": 3}, {"width": 0}, {"modules": ""}, {"modules": "415"}, {"width": "64"}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SettingError):
        TransNASMicro(**settings)
