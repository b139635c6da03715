"""What `choice`, `one_of` and `space_of` promise, rule by rule."""

from __future__ import annotations

import pickle
import random
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from archsieve import choice, one_of, space_of
from archsieve.errors import ArchitectureError, ArchsieveError, SettingError, UnknownNameError
from archsieve.fingerprints import fingerprint, identity
from archsieve.networks.building import build_network
from archsieve.runs.folder import difference
from archsieve.spaces.choices.space import OwnSpace
from archsieve.spaces.sampling import draw_pool
from archsieve.tasks.synthetic import Synthetic
from plugins import own_nets
from spaces.choices.test_contract import NUMBERS, PICTURES, space

CODES = 60


def names(a_space):
    return [decision.name for decision in a_space.decisions]


def any_codes(a_space, count=CODES):
    """Codes with every digit in range, valid or not."""
    rng = np.random.default_rng(3)
    return [tuple(int(rng.integers(n)) for n in a_space.choices) for _ in range(count)]


# Outside a search


def test_outside_a_search_the_verbs_return_the_default_else_the_first():
    assert choice("width", [8, 16]) == 8
    assert choice("width", [8, 16], default=16) == 16
    assert choice("size", {"small": (1, 2), "large": (3, 4)}, default="large") == (3, 4)
    assert choice("size", [None, 3]) is None
    assert isinstance(one_of("act", {"relu": nn.ReLU, "silu": nn.SiLU}, default="silu"), nn.SiLU)
    ready = nn.Linear(2, 2)
    assert one_of("layer", [ready, nn.Identity]) is ready


def test_a_model_with_choices_stays_an_ordinary_model():
    network = own_nets.Convolutions()
    assert network.head.in_features == 8
    assert len(network.body) == 1
    assert space("convolutions").canonical(space("convolutions").parse("width=8")) is not None
    assert own_nets.Convolutions().head.in_features == 8


# Labels


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ([8, 0.5, True, None, "same"], ("8", "0.5", "True", "None", "same")),
        ([nn.ReLU, torch.tanh], ("ReLU", "tanh")),
        ([(1, 2), (3, 4)], ("0", "1")),
        ([lambda: 1, lambda: 2], ("0", "1")),
        ({"a": 1, 2: 3}, ("a", "2")),
        (range(3), ("0", "1", "2")),
    ],
)
def test_labels_are_texts_names_or_places(options, labels):
    from archsieve.spaces.choices.options import options_of

    assert options_of("name", options).labels == labels


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: choice("width", []), "'width' has no options"),
        (lambda: choice("width", [8, 8]), "'width' has two options with the label '8'"),
        (lambda: choice("width", [1, "1"]), "two options with the label '1'"),
        (lambda: choice("width", [8], default=9), "'width' has no option 9 for its default: it has 8"),
        (lambda: choice("width", {"a b": 8}), "label 'a b'"),
        (lambda: choice("width", ["a,b"]), "label 'a,b'"),
        (lambda: choice("width", ["a=b"]), "label 'a=b'"),
        (lambda: choice("width", [""]), "label ''"),
        (lambda: choice("width", 8), "needs a list or mapping of options, but got 8"),
        (lambda: choice("width", "abc"), "needs a list or mapping of options, but got 'abc'"),
        (lambda: choice("a width", [8]), "got 'a width'"),
        (lambda: choice("", [8]), "needs a name"),
        (lambda: choice(8, [8]), "needs a name"),
        (lambda: one_of("layer", [None, nn.Identity]), "'None' of the choice 'layer' must be a module"),
        (lambda: one_of("layer", [nn.Conv2d]), "'Conv2d' of the choice 'layer' cannot be called without arguments"),
        (lambda: one_of("layer", [dict]), "must make a torch.nn.Module, but made dict"),
    ],
)
def test_options_that_cannot_be_written_are_errors_that_name_the_choice(ask, words):
    with pytest.raises(SettingError, match=words):
        ask()


@pytest.mark.parametrize("name", ["same_label", "no_option", "twice", "wrong_default", "no_module", "needs_arguments"])
def test_they_are_errors_inside_a_search_too(name):
    with pytest.raises(SettingError, match=r"choice '(width|layer)'"):
        space_of(getattr(own_nets, name))


# Names and places


def test_names_are_constructors_by_class_and_ordinal():
    assert names(space("convolutions")) == [
        "width", "depth", "Block0.kernel", "Block0.act", "Block1.kernel", "Block1.act", "Block2.kernel", "Block2.act",
    ]  # fmt: skip
    assert [d.is_module for d in space("convolutions").decisions] == [False] * 2 + [False, True] * 3


def test_a_function_that_makes_one_network_has_the_names_of_the_class():
    assert names(space("by a function")) == names(space("convolutions"))


def test_a_subclass_asks_after_its_base_class():
    assert set(names(space("subclass"))) == {*names(space("convolutions")), "rate"}
    assert space("subclass").describe(space("subclass").parse("depth=1")).endswith("Block0.act=relu, rate=0.0")


def test_inside_an_option_the_name_says_which_and_again_means_a_number():
    assert names(space("options with decisions")) == [
        "mixer", "norm", "has_rate", "mixer=gated/Gated0.inner", "rate",
    ]  # fmt: skip
    assert [n for n in names(space_of(own_nets.Rare, explore=200)) if n.startswith("bit")] == [
        "bit", "bit#1", "bit#2", "bit#3", "bit#4", "bit#5",
    ]  # fmt: skip


def test_nothing_is_shared_by_name_and_a_shared_module_asks_once():
    of_blocks = space("convolutions")
    arch = of_blocks.parse("depth=2, Block0.kernel=3, Block1.kernel=5")
    body = of_blocks.build(arch, PICTURES).body
    assert [block.layer.kernel_size for block in body] == [(3, 3), (5, 5)]
    assert names(space("configured")) == ["Config0.width", "Config0.sizes", "Gated0.inner"]


def test_modules_inside_modules_have_names_inside_names():
    own = space_of(own_nets.Nested)
    assert names(own) == [
        "Stage0.Gated0.inner", "Stage0.act", "Stage0.act#1",
        "Stage1.Gated0.inner", "Stage1.Gated1.inner", "Stage1.act", "Stage1.act#1",
    ]  # fmt: skip
    code = own.parse("Stage1.Gated1.inner=2, Stage0.act#1=Tanh")
    network = own.build(code, NUMBERS)
    assert [gate.gate.out_features for stage in network.stages for gate in stage.gates] == [1, 1, 2]
    assert [type(end) for end in network.stages[0].ends] == [nn.ReLU, nn.Tanh]
    assert own.factory == "plugins.own_nets:Nested"


def test_a_method_of_a_class_may_be_the_factory():
    own = space_of("plugins.own_nets:Nested.small")
    assert names(own)[0] == "inputs"
    assert "Nested0.Stage0.act" in names(own)


def test_a_part_that_is_kept_between_runs_is_found():
    own_nets.KEPT.clear()
    with pytest.raises(
        SettingError,
        match="kept draws at random, or keeps parts of an earlier run: with the same choices",
    ):
        space_of(own_nets.kept)


def test_a_constructor_may_catch_its_own_errors():
    own = space_of(own_nets.swallows)
    assert [own.build((digit,), NUMBERS).out_features for digit in (0, 1)] == [3, 4]


def test_the_default_is_that_of_the_call_and_comes_first_in_nothing():
    widths = space("convolutions").decisions[0]
    assert widths.options == ("4", "8", "12")
    assert space("convolutions").describe(space("convolutions").parse("depth=1")).startswith("width=8, depth=1, ")


# Codes


@pytest.mark.parametrize("name", ["convolutions", "transformer", "options with decisions", "by arguments"])
def test_every_code_that_is_one_survives_its_description(name):
    own = space(name)
    valid = [arch for arch in any_codes(own) if own.is_valid(arch)]
    assert valid
    assert [own.parse(own.describe(arch)) for arch in valid] == valid
    assert [own.parse("-".join(map(str, arch))) for arch in valid] == valid


def test_idle_decisions_are_zero_in_a_canonical_code_and_written_only_where_they_are_not():
    own = space("convolutions")
    arch = own.parse("width=4, depth=1, Block0.kernel=3, Block0.act=relu, Block2.act=silu")
    assert own.describe(arch) == "width=4, depth=1, Block0.kernel=3, Block0.act=relu, Block2.act=silu"
    assert own.canonical(arch) == own.parse("width=4, depth=1, Block0.kernel=3, Block0.act=relu")
    assert own.describe(own.canonical(arch)) == "width=4, depth=1, Block0.kernel=3, Block0.act=relu"
    one, other = (build_network(own, code, PICTURES, 0) for code in (arch, own.canonical(arch)))
    assert str(one) == str(other)


def test_options_that_depend_on_earlier_ones_make_codes_invalid():
    own = space("transformer")
    assert own.decisions[1].options == ("1", "2", "4", "3")
    with pytest.raises(ArchitectureError, match=r"heads=3 is not offered together .* there it is one of 1, 2, 4"):
        own.parse("width=8, heads=3")
    codes = any_codes(own)
    for arch in codes:
        width, heads = (int(own.decisions[i].options[arch[i]]) for i in (0, 1))
        assert own.is_valid(arch) is (width % heads == 0)
        assert own.describe(arch)  # of any code


def test_what_a_constructor_refuses_is_no_architecture_and_says_why():
    own = space("by arguments")
    with pytest.raises(ArchitectureError, match=r"ValueError: depth 3 must divide width 4"):
        own.parse("width=4, depth=3")
    assert own.is_valid(own.parse("width=6, depth=3"))
    assert {own.describe(a).startswith("width=4, depth=3") for a in draw_pool(own, 0)} == {False}
    assert len(draw_pool(own, 0)) == 10  # of 12


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("widht=8", "no decision 'widht'. Did you mean 'width'?"),
        ("width=9", "'width' has no option '9': it is one of 4, 8, 12"),
        ("width=4, width=8", "written twice, as 4 and as 8"),
        ("width=4, depth", "no decision 'depth'"),
        ("abc", "is not an architecture of own"),
        ("9-9", "decisions"),
    ],
)
def test_a_text_that_is_no_architecture_says_why(text, words):
    with pytest.raises(ArchitectureError) as caught:
        space("convolutions").parse(text)
    assert words in str(caught.value)


def test_what_a_text_leaves_out_has_its_default():
    own = space("convolutions")
    assert own.describe(own.parse("depth=2")) == (
        "width=8, depth=2, Block0.kernel=3, Block0.act=relu, Block1.kernel=3, Block1.act=relu"
    )


# Drawing


def test_every_decision_that_comes_up_is_uniform_so_that_shallow_networks_are_as_likely_as_deep_ones():
    own, rng = space("convolutions"), np.random.default_rng(0)
    codes = [own.sample(rng) for _ in range(600)]
    depths = Counter(code[1] for code in codes)
    assert all(150 < depths[depth] < 250 for depth in range(3))
    assert all(own.canonical(code) == code for code in codes)


def test_a_mutant_differs_in_one_decision_that_is_asked_for():
    rng = np.random.default_rng(0)
    for name in ("convolutions", "transformer", "options with decisions", "by arguments"):
        own = space(name)
        for _ in range(CODES):
            arch = own.sample(rng)
            mutant = own.mutate(arch, rng)
            assert sum(a != b for a, b in zip(arch, mutant, strict=True)) == 1
            assert own.canonical(mutant) != arch  # another network
            assert own.is_valid(mutant)


# Exploration


def test_a_decision_met_later_is_an_error_that_says_what_to_do():
    own = space_of(own_nets.Rare, explore=5)
    assert "rare" not in names(own)
    with pytest.raises(
        SettingError, match=r"'rare' of .*Rare was not met .*: raise `explore` .*here 5.*ask for it always"
    ):
        own.is_valid((3,) * 6)
    with pytest.raises(SettingError, match=r"'rare'"):
        own.build((3,) * 6, NUMBERS)


def test_options_that_depend_on_the_inputs_need_their_shape():
    task = Synthetic(shape=(10,), num_outputs=3)
    with pytest.raises(SettingError, match=r"give the space the `shape` of an input, on which it may depend, or ask"):
        space_of(own_nets.Told, output="answer").build((0,), task)
    own = space_of(own_nets.Told, output="answer", shape=[10])
    assert own.decisions[0].options == ("2", "5")
    assert own.build((1,), task)(torch.zeros(2, 10)).shape == (2, 3)


def test_exploring_goes_on_around_networks_that_asked_something_new():
    assert "rate" in names(space_of(own_nets.Mixed, explore=1))


def test_what_only_the_deepest_network_asks_is_found_and_sized():
    own = space_of(own_nets.Staged, explore=1)
    assert {f"Cell{place}.scale" for place in range(15)} < set(names(own))
    assert "Cell14.scale=2" in own.describe(tuple(options - 1 for options in own.choices))
    assert own.is_valid(own.climbed(to_most=True))


def test_an_option_of_which_no_network_can_be_made_is_an_error_with_its_reason():
    with pytest.raises(SettingError, match=r"typing_error made no network with width=b in 60 tries: TypeError: "):
        space_of(own_nets.typing_error)


# Factories


def test_a_factory_that_draws_is_found():
    with pytest.raises(SettingError, match=r"coin draws at random, or keeps parts.*.*ReLU"):
        space_of(own_nets.coin)
    with pytest.raises(SettingError, match=r"CoinFlag draws at random, or keeps parts.*.*skips="):
        space_of(own_nets.CoinFlag)


@pytest.mark.parametrize(("factory", "shared"), [("shared_backbone", "0.weight"), ("remembered", "weight")])
def test_networks_that_share_weights_are_found(factory, shared):
    with pytest.raises(SettingError, match=rf"{factory} returns networks that share {shared}, .*copy.deepcopy"):
        space_of(getattr(own_nets, factory))
    own = space_of(own_nets.copied_backbone)
    first, second = (own.build(own.default, NUMBERS)[0].weight for _ in range(2))
    assert torch.equal(first, second)
    assert first is not second


def test_exploring_leaves_random_states_alone():
    torch.manual_seed(4), random.seed(4), np.random.seed(4)  # noqa: NPY002
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state())  # noqa: NPY002
    space_of(own_nets.Mixed, version=7)
    after = torch.get_rng_state(), random.getstate(), str(np.random.get_state())  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_a_constructor_may_print_and_what_it_changes_for_the_process_is_put_back(capsys):
    own = space_of(own_nets.talks)
    assert capsys.readouterr().out == ""
    network = build_network(own, own.default, NUMBERS, 0)
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)
    assert network.weight.dtype == torch.float32
    assert network.weight.requires_grad


def test_a_constructor_that_exits_is_one_sentence():
    with pytest.raises(SettingError, match=r"exits makes no network .* SystemExit: 3 \(own_nets.py, line"):
        space_of(own_nets.exits)


def test_a_choice_in_forward_is_an_error():
    own = space_of(own_nets.InForward)
    with pytest.raises(SettingError, match=r"'scale' is made while the network computes: .* constructor"):
        own.build((0,), NUMBERS)


def test_a_factory_must_have_a_name_that_workers_can_import():
    with pytest.raises(SettingError, match=r"top of a module.*is a lambda: write a function with def"):
        space_of(lambda: nn.Linear(6, 3))

    def local():
        return nn.Linear(6, 3)

    with pytest.raises(SettingError, match=r"top of a module.*local"):
        space_of(local)
    with pytest.raises(SettingError, match=r"module:name"):
        space_of("own_nets")
    with pytest.raises(UnknownNameError, match=r"has no 'Convolution'. Did you mean 'Convolutions'?"):
        space_of("plugins.own_nets:Convolution")
    with pytest.raises(SettingError, match=r"must be a class or function, but is Synthetic"):
        space_of("spaces.choices.test_contract:PICTURES")


def test_a_broken_import_is_passed_on_with_its_cause(tmp_path, monkeypatch):
    (tmp_path / "broken_net.py").write_text("import torhc\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingError, match=r"'broken_net' .* cannot be imported: ModuleNotFoundError.*torhc") as caught:
        space_of("broken_net:Net")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_factory_gets_of_the_task_what_it_names():
    task = Synthetic(shape=(2, 5, 5), num_outputs=4)
    for name in ("convolutions", "by a function"):
        network = space(name).build((0,) * 8, task)
        assert network.body[0].layer.in_channels == 2
        assert network.head.out_features == 4
    assert space("by arguments").build((0, 0, 0), task)[-1].out_features == 4  # a keyword


def test_it_must_be_able_to_do_without_the_rest():
    with pytest.raises(SettingError, match=r"asks_for_more needs the argument 'width', which gets no value: vary it"):
        space_of(own_nets.asks_for_more)
    assert space_of(own_nets.asks_for_more, {"width": [2, 3]}).choices == (2,)
    with pytest.raises(SettingError, match=r"no argument 'widht' to vary. Did you mean 'width'?"):
        space_of(own_nets.asks_for_more, {"widht": [2, 3]})
    with pytest.raises(SettingError, match=r"breaks makes no network with its defaults: ZeroDivisionError: division"):
        space_of(own_nets.breaks)
    with pytest.raises(SettingError, match=r"no_network must return a torch.nn.Module, but returned list"):
        space_of(own_nets.no_network)
    with pytest.raises(SettingError, match=r"`weights` must be 'fresh' or 'given', but got 'old'"):
        space_of(own_nets.fixed, weights="old")
    with pytest.raises(SettingError, match=r"sent to workers"):
        space_of(own_nets.asks_for_more, {"width": {"a": lambda: 3}})


def test_arguments_vary_by_their_labels_and_may_be_anything():
    own = space("by arguments")
    assert own.describe(own.parse("width=6, depth=2, act=t")) == "width=6, depth=2, act=t"
    assert isinstance(own.build(own.parse("act=t"), NUMBERS)[1], nn.Tanh)


def test_the_default_of_an_argument_is_the_factorys_own_where_it_is_an_option():
    own = space_of(own_nets.plain, {"width": [8, 4], "depth": [2, 4]})
    assert own.describe(own.default) == "width=4, depth=2"


# Identity


def test_the_identity_is_of_factory_version_decisions_and_layers():
    own = space("convolutions")
    assert set(identity(own)) == {"type", "version", "factory", "decisions", "choices", "digest_of_layers"}
    others = [space_of(own_nets.Convolutions, version=2), space("by a function"), space("subclass")]
    assert len({fingerprint(own), *map(fingerprint, others)}) == 4
    assert fingerprint(OwnSpace("plugins.own_nets:Convolutions", explore=50)) == fingerprint(own)


def test_a_class_renamed_between_two_runs_is_named_in_the_difference():
    one, other = identity(space("convolutions")), identity(space("by a function"))
    assert difference(one, other) == (
        "its factory is 'plugins.own_nets:Convolutions', and here it is 'plugins.own_nets:convolutions'"
    )
    renamed = {**one, "decisions": [{**d, "name": d["name"].replace("Block", "Cell")} for d in one["decisions"]]}
    assert difference(one, renamed) == "its decisions.2.name is 'Block0.kernel', and here it is 'Cell0.kernel'"


def test_a_worker_gets_what_was_explored():
    own = space("convolutions")
    copy = pickle.loads(pickle.dumps(own))  # noqa: S301
    assert "explored" in vars(copy)
    assert "_player" not in vars(copy)
    assert (copy, hash(copy), fingerprint(copy)) == (own, hash(own), fingerprint(own))
    arch = own.parse("depth=3")
    assert str(copy.build(arch, PICTURES)) == str(own.build(arch, PICTURES))


# What comes out


def test_a_network_is_plain_pytorch():
    network = space("convolutions").build((0,) * 8, PICTURES)
    assert type(network) is own_nets.Convolutions
    modules = {type(module).__module__.partition(".")[0] for module in network.modules()}
    pickle.dumps(network)
    assert modules == {"torch", "plugins"}
    assert all(type(p) is nn.Parameter for p in network.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_a_model_without_decisions_is_a_space_of_one():
    own = space("without decisions")
    assert (own.choices, own.decisions) == ((1,), ())
    assert own.describe((0,)) == "plugins.own_nets:fixed"
    assert own.parse(own.describe((0,))) == (0,)
    with pytest.raises(ArchsieveError, match=r"cannot be mutated"):
        own.mutate((0,), np.random.default_rng(0))
