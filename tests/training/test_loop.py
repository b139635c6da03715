"""The training loop: schedule, exact resumption, and what a checkpoint that cannot be read says."""

from __future__ import annotations

import math
import re
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.errors import ArchsieveError, DivergenceError, RunFolderError, ScoringError, SettingError
from archsieve.networks.building import build_network
from archsieve.networks.drop_path import DropPath
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.data.batching import Pending
from archsieve.tasks.synthetic import Synthetic
from archsieve.training.checkpoint import epochs_trained, load_checkpoint
from archsieve.training.loop import train, trainer_of
from archsieve.training.recipe import Recipe
from no_float64 import accelerator_without_float64
from plugins.items import Items

SPACE = NASBenchMacro(stem_width=4, widths=(6,), stages=(2,), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=50, test_images=11, signal=1.0)  # 45 to train on: 3 batches
RECIPE = Recipe(horizon=4, learning_rate=0.1, weight_decay=1e-3, batch_size=20)


def network():
    return build_network(SPACE, (1, 2), TASK, 0)


def trained(epochs, **kwargs):
    net = network()
    train(net, TASK, RECIPE, epochs=epochs, seed=0, **kwargs)
    return net.state_dict()


def assert_equal(one, other):
    assert list(one) == list(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_every_epoch_is_told_when_it_is_over(tmp_path):
    told = []
    file = tmp_path / "checkpoint.pt"

    def look(epoch):
        told.append((epoch, epochs_trained(file)))

    trained(2, checkpoint=file, on_epoch=look)
    trained(3, checkpoint=file, on_epoch=look)
    assert told == [(1, 1), (2, 2), (3, 3)]


# Schedule and optimiser, by hand.


def test_rate_by_hand():
    recipe = Recipe(horizon=4, learning_rate=1.0, final_learning_rate=0.2)
    # 0.2 + 0.8 * (1 + cos(pi e / 4)) / 2, and the last one for ever after.
    half = math.sqrt(0.5)
    expected = [1.0, 0.6 + 0.4 * half, 0.6, 0.6 - 0.4 * half, 0.2, 0.2, 0.2]
    assert [recipe.rate(epoch) for epoch in range(7)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"horizon": 0}, "`horizon >= 1` and `batch_size >= 1` must hold, but got .*horizon=0"),
        ({"batch_size": 0}, "must hold, but got .*batch_size=0"),
        ({"learning_rate": 0.0}, "`learning_rate > 0` and `clip > 0` must hold, but got .*learning_rate=0.0"),
        ({"clip": 0.0}, "must hold, but got .*clip=0.0"),
    ],
)
def test_settings_that_cannot_be(given, sentence):
    with pytest.raises(SettingError, match=sentence):
        Recipe(**{"horizon": 1, "learning_rate": 0.1, **given})


class Slope(nn.Module):
    """One weight whose loss has the gradient `slope`, whatever the batch."""

    def __init__(self, slope: float, start: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(start, dtype=torch.float64))
        self.slope = slope

    def forward(self, inputs):
        return self.slope * self.weight


def weight_after(epochs, *, slope=1.0, start=0.0, items=1, **settings):
    net = Slope(slope, start)
    recipe = Recipe(**{"horizon": 2, "learning_rate": 1.0, "momentum": 0.0, "batch_size": 1, **settings})
    train(net, Items(items), recipe, epochs=epochs, seed=0)
    return net.weight.item()


def test_each_epoch_has_its_own_rate():
    # A step an epoch down a slope of 1, at rates 1, 1/2, 0, 0.
    assert [weight_after(epochs) for epochs in range(5)] == pytest.approx([0.0, -1.0, -1.5, -1.5, -1.5])
    assert weight_after(2, items=3) == pytest.approx(-4.5)  # three steps an epoch


class Counted(Items):
    """Items that say how many they are."""

    def __init__(self, count):
        super().__init__(count)
        self.numbers, self.count = torch.arange(float(count)), lambda split: count

    def batches(self, split, *, batch_size, **_):
        yield from ((x, x) for x in self.numbers.split(batch_size))


def test_each_step_has_its_own_rate():
    net, told = Slope(1.0), []
    recipe = Recipe(
        horizon=2, learning_rate=1.0, momentum=0.0, batch_size=1, schedule="linear", by_step=True, warm_up_steps=2
    )
    train(net, Counted(4), recipe, epochs=2, seed=0, tell=told.append)
    # Down a line of eight steps, of which the second has half: 1/2 * 7/8 + 6/8 + ... + 1/8, and a millionth first.
    assert net.weight.item() == pytest.approx(-(7 / 16 + 21 / 8), abs=2e-6)
    assert [epoch.rate for epoch in told] == pytest.approx([5 / 8, 1 / 8])


ADAM = {"by_step": True, "warm_up_steps": 4, "optimiser": "adamw", "norm_decay": False, "schedule": "linear"}


def test_training_by_the_step_goes_on_inside_an_epoch(tmp_path):
    recipe = replace(RECIPE, learning_rate=0.01, **ADAM)
    whole, parts = network(), network()
    train(whole, TASK, recipe, epochs=3, seed=0)
    for _ in range(20):
        trainer = trainer_of(parts, TASK, recipe, seed=0)
        trainer.checkpoint = tmp_path / "checkpoint.pt"
        trainer.resume()
        if trainer.epochs == 3:
            break
        trainer.advance(most=2 if not trainer.inside else None)
    assert trainer.epochs == 3
    assert_equal(parts.state_dict(), whole.state_dict())


def test_drop_path_may_fall_to_none():
    class Dropped(Slope):
        def __init__(self):
            super().__init__(1.0)
            self.drop_path, self.seen = DropPath(share=0.5), []

        def forward(self, inputs):
            self.seen.append(self.drop_path.probability)
            return super().forward(inputs)

    net = Dropped()
    recipe = Recipe(horizon=2, learning_rate=1.0, first_drop_path=0.4, batch_size=1)
    train(net, Items(1), recipe, epochs=3, seed=0)
    assert net.seen == pytest.approx([0.2, 0.1, 0.0])


def test_momentum_and_weight_decay_by_hand():
    # Velocities 1, then 0.9 + 1; rates 1 and 1/2.
    assert weight_after(2, momentum=0.9) == pytest.approx(-1.0 - 0.95)
    # Nesterov: 1 + 0.9, then velocity 1.9 and 1 + 0.9 * 1.9.
    assert weight_after(2, momentum=0.9, nesterov=True) == pytest.approx(-1.9 - 0.5 * 2.71)
    # Gradient 1 + 0.1 * 3.
    assert weight_after(1, start=3.0, weight_decay=0.1) == pytest.approx(3.0 - 1.3)


@pytest.mark.parametrize(("slope", "clip", "step"), [(10.0, 5.0, 5.0), (-10.0, 2.0, -2.0), (3.0, 5.0, 3.0)])
def test_gradients_are_clipped(slope, clip, step):
    assert weight_after(1, slope=slope, clip=clip) == pytest.approx(-step, rel=1e-5)


def test_the_clip_is_over_all_weights_together():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

        def forward(self, inputs):
            return 6 * self.a + 8 * self.b  # a gradient of norm 10

    net = Two()
    train(net, Items(1), Recipe(horizon=1, learning_rate=1.0, clip=5.0), epochs=1, seed=0)
    assert (net.a.item(), net.b.item()) == pytest.approx((-3.0, -4.0), rel=1e-5)


def test_training_is_shuffled_augmented_and_on_the_training_split():
    task = Items(5)
    train(Slope(1.0), task, Recipe(horizon=1, learning_rate=1.0, batch_size=3), epochs=2, seed=0)
    assert task.asked == [("train", 3, True)] * 2


# What regularises, and auxiliary heads.


class Answers(nn.Module):
    """The same three outputs for every item, whatever it is; two heads in training."""

    def __init__(self):
        super().__init__()
        self.main = nn.Parameter(torch.tensor([0.0, 1.0, 2.0]))
        self.other = nn.Parameter(torch.tensor([3.0, 0.0, 0.0]))

    def forward(self, inputs):
        outputs = self.main.expand(len(inputs), 3)
        return (outputs, self.other.expand(len(inputs), 3)) if self.training else outputs


class Classes(Synthetic):
    """Every item is of class 0."""

    def batches(self, split, **kwargs):
        yield torch.zeros(4, 1), torch.zeros(4, dtype=torch.int64)


def first_loss(**settings):
    told = []
    recipe = Recipe(horizon=1, learning_rate=0.1, momentum=0.0, clip=math.inf, **settings)
    net = Answers()
    train(net, Classes(shape=(1,), num_outputs=3), recipe, epochs=1, seed=0, tell=told.append)
    return told[0].loss, net


def negative_log(own, *others):
    return -own + math.log(sum(math.exp(x) for x in (own, *others)))


def test_the_loss_of_an_auxiliary_head_is_weighed():
    main, other = negative_log(0, 1, 2), negative_log(3, 0, 0)
    assert first_loss()[0] == pytest.approx(main)
    loss, net = first_loss(auxiliary_weight=0.4)
    assert loss == pytest.approx(main + 0.4 * other)
    # d/dx of the loss at the target's own output is its probability minus 1.
    assert net.other[0].item() == pytest.approx(3.0 + 0.1 * 0.4 * (1 - math.exp(-other)), rel=1e-6)
    assert net.main[0].item() == pytest.approx(0.0 + 0.1 * (1 - math.exp(-main)), rel=1e-6)
    assert first_loss()[1].other.tolist() == [3.0, 0.0, 0.0]


def test_label_smoothing_by_hand():
    # A tenth of the target is spread over the three classes.
    by_class = [negative_log(0, 1, 2), negative_log(1, 0, 2), negative_log(2, 0, 1)]
    expected = 0.9 * by_class[0] + 0.1 * sum(by_class) / 3
    assert first_loss(label_smoothing=0.1)[0] == pytest.approx(expected)


def test_a_loss_that_knows_no_label_smoothing_says_so():
    task = Items(1)
    task.name = "items"
    with pytest.raises(SettingError, match="The loss of the task 'items' does not support label smoothing"):
        train(Slope(1.0), task, Recipe(horizon=1, learning_rate=1.0, label_smoothing=0.1), epochs=1, seed=0)


def test_drop_path_is_set_for_every_epoch_and_left_alone_without():
    class Watching(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop, self.weight, self.seen = DropPath(0.7), nn.Parameter(torch.zeros(1)), []

        def forward(self, inputs):
            self.seen.append(self.drop.probability)
            return self.weight.sum()

    for drop_path, expected in ((0.2, [0.0, 0.05, 0.1]), (0.0, [0.7] * 3)):
        net = Watching()
        recipe = Recipe(horizon=4, learning_rate=1.0, drop_path=drop_path)
        train(net, Items(1), recipe, epochs=3, seed=0)
        assert net.seen == pytest.approx(expected)


# Batches in parts.


def test_micro_batches_have_the_gradient_of_the_batch():
    # Without batch statistics, parts change nothing but the order of sums; 45 items, the last batch of 5 in parts of 2.
    def run(**settings):
        net = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
        nn.init.constant_(net[1].weight, 0.01)
        nn.init.zeros_(net[1].bias)
        told = []
        recipe = Recipe(horizon=4, learning_rate=0.1, batch_size=8, **settings)
        train(net, TASK, recipe, epochs=2, seed=0, tell=told.append)
        return net[1].weight, [epoch.loss for epoch in told]

    (weight, losses), (other, others) = run(), run(micro_batches=4)
    assert torch.allclose(weight, other, atol=1e-6)
    assert losses == pytest.approx(others, abs=1e-5)
    assert not torch.equal(weight, other)  # it was in parts


def test_micro_batches_share_the_choices_of_their_step():
    def drawn(parts):
        seen, net = [], network()

        def forward(inputs, choices):
            seen.append(int(choices.integers(1_000_000)))
            yield net(inputs)

        train(
            net,
            TASK,
            Recipe(horizon=4, learning_rate=0.1, batch_size=20, micro_batches=parts),
            epochs=1,
            seed=0,
            forward=forward,
        )
        return seen

    first, second, last = drawn(1)
    assert drawn(2) == [first, first, second, second, last]  # 45 items: the last batch has one part


def test_statistics_follow_as_fast_in_parts():
    # Values 1 in the first half of every batch, 3 in the second; momentum 0.1 from a mean of 0.
    class Halves(Items):
        def batches(self, split, *, batch_size, **kwargs):
            for value in (1.0, 3.0):
                yield torch.full((batch_size, 1, 1, 1), value), torch.zeros(batch_size)

    net = nn.BatchNorm2d(1)
    task = Halves(8)
    task.loss = lambda outputs, targets: outputs.sum()
    train(net, task, Recipe(horizon=1, learning_rate=1.0, batch_size=8, micro_batches=2), epochs=1, seed=0)
    assert net.running_mean.item() == pytest.approx(0.1 * (1 + 3) / 2)
    assert net.num_batches_tracked.item() == 1


def test_training_in_parts_goes_on_after_a_signal(tmp_path):
    recipe = Recipe(horizon=4, learning_rate=0.1, weight_decay=1e-3, batch_size=20, micro_batches=2)

    def run(stop_at, checkpoint):
        net, steps = nn.Sequential(nn.Dropout(0.5), network()), 0

        def forward(inputs, choices):
            nonlocal steps
            steps += 1
            if steps == stop_at:
                signal.raise_signal(signal.SIGINT)
            yield net(inputs)

        train(net, TASK, recipe, epochs=2, seed=0, checkpoint=checkpoint, forward=forward)
        return net.state_dict()

    with pytest.raises(KeyboardInterrupt):
        run(3, tmp_path / "c.pt")
    place = load_checkpoint(tmp_path / "c.pt", nn.Sequential(nn.Dropout(0.5), network()))
    assert (place.epochs, place.inside["steps"]) == (0, 2)
    assert_equal(run(None, None), run(None, tmp_path / "c.pt"))


def stopped_and_gone_on(device, checkpoint, edit=lambda place: place):
    """Train one epoch, stopped after a step; return the weights, having edited what the checkpoint says in between."""
    recipe = Recipe(horizon=4, learning_rate=0.1, batch_size=8)
    for most in (1, None):
        net = nn.Sequential(nn.Dropout(0.5), network())
        trainer = trainer_of(net, TASK, recipe, seed=0, device=device)
        trainer.checkpoint = checkpoint
        trainer.resume()
        trainer.inside = edit(trainer.inside) if trainer.inside else trainer.inside
        assert trainer.advance(most) == (most is None)
    return net.state_dict()


def test_a_checkpoint_with_the_cpus_generator_alone_goes_on(tmp_path):
    """As they were before there were several."""
    new = stopped_and_gone_on("cpu", tmp_path / "new.pt")
    old = stopped_and_gone_on("cpu", tmp_path / "old.pt", lambda place: {**place, "draws": place["draws"][0]})
    assert_equal(new, old)


def test_the_devices_generator_goes_on_inside_an_epoch(tmp_path):
    def run(device, *mosts):
        for most in mosts:
            net, own = network(), torch.mps.get_rng_state.__self__  # what the device draws from

            def forward(inputs, choices, net=net, own=own):
                yield net(inputs * torch.rand(1, generator=own).to(device))

            trainer = trainer_of(net, TASK, RECIPE, seed=0, device=device, forward=forward)
            trainer.checkpoint = tmp_path / "c.pt" if len(mosts) > 1 else None
            trainer.resume()
            trainer.advance(most)
        return net.state_dict()

    with accelerator_without_float64() as device:
        assert_equal(run(device, None), run(device, 1, None))


def as_list(net):
    return lambda inputs, choices: [net(inputs)]


def as_generator(net):
    return lambda inputs, choices: (net(inputs) for _ in range(1))


@pytest.mark.parametrize("form", [lambda net: None, as_list, as_generator])
def test_the_network_and_the_loss_are_in_mixed_precision_however_forward_gives_them(monkeypatch, form):
    depth, seen = 0, []

    class Mixed:
        def __init__(self, kind, dtype, enabled):
            assert (dtype, enabled) == (torch.bfloat16, kind == "cuda")

        def __enter__(self):
            nonlocal depth
            depth += 1

        def __exit__(self, *error):
            nonlocal depth
            depth -= 1

    monkeypatch.setattr(torch, "autocast", Mixed)
    net = network()
    net.register_forward_hook(lambda *_: seen.append(depth))
    task = Synthetic(shape=(3, 8, 8), num_outputs=4, images=20, test_images=11)
    trainer_of(net, task, RECIPE, seed=0, forward=form(net)).advance()
    assert seen == [1] * len(seen)
    assert depth == 0


def test_figures_are_told_again_after_a_resumption_and_count_the_whole_epoch(tmp_path):
    told, net = [], network()
    train(net, TASK, RECIPE, epochs=2, seed=0, checkpoint=tmp_path / "c.pt", tell=told.append)
    assert [(e.number, e.rate) for e in told] == [(1, RECIPE.rate(0)), (2, RECIPE.rate(1))]
    assert all(e.seconds > 0 for e in told)
    again = []
    train(network(), TASK, RECIPE, epochs=3, seed=0, checkpoint=tmp_path / "c.pt", tell=again.append)
    assert [e.number for e in again] == [2, 3]
    assert again[0] == told[1]

    def stop(*_):
        raise TerminatedError

    steps, third = 0, network()

    def forward(inputs, choices):
        nonlocal steps
        steps += 1
        if steps == 8:  # the second step of the third epoch
            signal.raise_signal(signal.SIGTERM)
        yield third(inputs)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(TerminatedError):
            train(third, TASK, RECIPE, epochs=3, seed=0, checkpoint=tmp_path / "d.pt", forward=forward)
    finally:
        signal.signal(signal.SIGTERM, before)
    cut = []
    train(network(), TASK, RECIPE, epochs=3, seed=0, checkpoint=tmp_path / "d.pt", tell=cut.append)
    assert [(e.number, e.loss) for e in cut] == [(3, again[1].loss)]


# Exactness.


def test_training_in_pieces_is_training_at_once(tmp_path):
    at_once = trained(3)
    trained(1, checkpoint=tmp_path / "c.pt")
    assert epochs_trained(tmp_path / "c.pt") == 1
    in_pieces = trained(3, checkpoint=tmp_path / "c.pt")  # by new objects, as in a new process
    assert_equal(at_once, in_pieces)
    assert epochs_trained(tmp_path / "c.pt") == 3


def test_an_epoch_cut_off_in_the_middle_is_done_again(tmp_path):
    steps, net = 0, network()

    def forward(inputs, choices):
        nonlocal steps
        steps += 1
        if steps == 5:  # the second step of the second epoch
            raise KeyboardInterrupt
        yield net(inputs)

    with pytest.raises(KeyboardInterrupt):
        train(net, TASK, RECIPE, epochs=3, seed=0, checkpoint=tmp_path / "c.pt", forward=forward)
    assert epochs_trained(tmp_path / "c.pt") == 1
    assert_equal(trained(3), trained(3, checkpoint=tmp_path / "c.pt"))
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


class TerminatedError(Exception):
    """Stands for what SIGTERM does to the process."""


def test_sigterm_saves_inside_the_epoch_and_then_takes_its_effect(tmp_path):
    def run(stop_at, checkpoint):
        steps, net = [], nn.Sequential(nn.Dropout(0.5), network())

        def forward(inputs, choices):
            steps.append(int(choices.integers(1_000_000)))
            if len(steps) == stop_at:
                signal.raise_signal(signal.SIGTERM)
            yield net(inputs)

        try:
            train(net, TASK, RECIPE, epochs=3, seed=0, checkpoint=checkpoint, forward=forward)
        except TerminatedError:
            return net.state_dict(), steps
        assert stop_at is None
        return net.state_dict(), steps

    def stop(*_):
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, stop)
    try:
        at_once, all_steps = run(None, tmp_path / "once.pt")
        _, first = run(5, tmp_path / "c.pt")  # in the second epoch of three steps each
        assert epochs_trained(tmp_path / "c.pt") == 1
        _, second = run(1, tmp_path / "c.pt")
        in_pieces, third = run(None, tmp_path / "c.pt")
        assert signal.getsignal(signal.SIGTERM) is stop
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [len(first), len(second), len(third)] == [5, 1, 3]
    assert first + second + third == all_steps
    assert_equal(at_once, in_pieces)


@pytest.mark.parametrize("parts", [1, 2])
def test_batches_that_are_made_ahead_train_alike_and_those_taken_are_not_made_again(tmp_path, parts):
    made = []

    class Later(type(TASK)):
        def pending(self, split, **settings):
            for number, batch in enumerate(self.batches(split, **settings)):
                yield Pending(len(batch[0]), lambda number=number, batch=batch: made.append(number) or batch)

    recipe = replace(RECIPE, micro_batches=parts)

    def run(task, stop_at=None, checkpoint=None):
        net, steps = network(), 0

        def forward(inputs, choices):
            nonlocal steps
            steps += 1
            if steps == stop_at:
                signal.raise_signal(signal.SIGINT)
            yield net(inputs)

        train(net, task, recipe, epochs=2, seed=0, checkpoint=checkpoint, forward=forward)
        return net.state_dict()

    later = Later(**vars(TASK))
    assert_equal(run(TASK), run(later))
    made.clear()
    with pytest.raises(KeyboardInterrupt):
        run(later, stop_at=parts, checkpoint=tmp_path / "c.pt")  # in the first step
    made.clear()
    assert_equal(run(TASK), run(later, checkpoint=tmp_path / "c.pt"))
    an_epoch = 3 if parts == 1 else 5  # 45 images by 20, or by 10
    assert sorted(made) == sorted([*range(parts, an_epoch), *range(an_epoch)])


def test_a_sigterm_that_has_no_effect_changes_nothing(tmp_path):
    net, steps = network(), 0

    def forward(inputs, choices):
        nonlocal steps
        steps += 1
        if steps == 2:
            signal.raise_signal(signal.SIGTERM)
        yield net(inputs)

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        train(net, TASK, RECIPE, epochs=3, seed=0, forward=forward)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert steps == 9
    assert_equal(trained(3), net.state_dict())


def test_losses_and_rates_for_tensorboard(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    seen = []

    class Watched(type(TASK)):
        def loss(self, outputs, targets):
            loss = super().loss(outputs, targets)
            seen.append(loss.detach())
            return loss

    train(network(), Watched(**vars(TASK)), RECIPE, epochs=2, seed=0, log=tmp_path)
    events = event_accumulator.EventAccumulator(str(tmp_path)).Reload()
    losses, rates = events.Scalars("loss"), events.Scalars("learning_rate")
    assert [e.step for e in losses] == [e.step for e in rates] == [1, 2]
    assert [e.value for e in losses] == pytest.approx([float(sum(s) / 3) for s in (seen[:3], seen[3:])])
    assert [e.value for e in rates] == pytest.approx([RECIPE.rate(0), RECIPE.rate(1)])
    assert_equal(trained(2), trained(2, log=tmp_path / "other"))


def test_gradients_of_several_outputs_are_summed():
    net, twice = network(), network()

    def once(inputs, choices):
        yield 2 * net(inputs)

    def both(inputs, choices):
        yield twice(inputs)
        yield twice(inputs)

    class Summed(Synthetic):
        def loss(self, outputs, targets):
            return outputs.sum() / 1000

    task = Summed(shape=(3, 8, 8), num_outputs=4, images=50)
    for trainee, forward in ((net, once), (twice, both)):
        train(trainee, task, RECIPE, epochs=1, seed=0, forward=forward)
    ours, theirs = dict(net.named_parameters()), dict(twice.named_parameters())
    assert all(torch.allclose(ours[name], theirs[name], rtol=1e-5) for name in ours)


def test_steps_draw_their_choices_by_seed_and_epoch(tmp_path):
    def choices(epochs, checkpoint=None):
        drawn, net = [], network()

        def forward(inputs, rng):
            drawn.append(int(rng.integers(1_000_000)))
            yield net(inputs)

        train(net, TASK, RECIPE, epochs=epochs, seed=0, checkpoint=checkpoint, forward=forward)
        return drawn

    at_once = choices(3)
    assert len(set(at_once)) == 9
    assert choices(1, tmp_path / "c.pt") + choices(3, tmp_path / "c.pt") == at_once


def test_every_epoch_has_an_order_of_its_own():
    net, seen = network(), []

    def forward(inputs, choices):
        seen.append(inputs)
        yield net(inputs)

    train(net, TASK, RECIPE, epochs=3, seed=0, forward=forward)
    epochs = [torch.cat(seen[i : i + 3]) for i in (0, 3, 6)]
    assert [len(e) for e in epochs] == [45] * 3
    assert not any(torch.equal(epochs[i], epochs[j]) for i, j in ((0, 1), (1, 2), (0, 2)))


def test_the_first_epoch_does_not_depend_on_how_many_follow():
    net, seen = network(), []

    class Watched(Synthetic):
        def batches(self, split, **kwargs):
            seen.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
            return super().batches(split, **kwargs)

    train(net, Watched(**vars(TASK)), RECIPE, epochs=3, seed=0)
    assert_equal(seen[1], trained(1))
    assert_equal(seen[2], trained(2))


def test_seeds_give_other_orders():
    one, other = network(), network()
    train(one, TASK, RECIPE, epochs=1, seed=0)
    train(other, TASK, RECIPE, epochs=1, seed=1)
    assert not torch.equal(one.head[-1].weight, other.head[-1].weight)


def test_no_epochs_change_nothing_and_write_nothing(tmp_path):
    assert_equal(trained(0, checkpoint=tmp_path / "c.pt"), network().state_dict())
    assert list(tmp_path.iterdir()) == []
    assert epochs_trained(tmp_path / "c.pt") == 0


def test_training_leaves_the_random_state_alone(tmp_path):
    net, before = network(), torch.get_rng_state()
    train(net, TASK, RECIPE, epochs=1, seed=0, checkpoint=tmp_path / "c.pt")
    assert torch.equal(torch.get_rng_state(), before)
    assert net.training


# Checkpoints that cannot be read.


@pytest.fixture
def checkpoint(tmp_path):
    trained(1, checkpoint=tmp_path / "c.pt")
    return tmp_path / "c.pt"


def damage_cut(data):
    return data[: len(data) // 2]


def damage_nothing_left(data):
    return b""


def damage_text(data):
    return b"not a checkpoint"


def damage_names(data):  # the first record's header
    return b"\0" * 200 + data[200:]


@pytest.mark.parametrize("damage", [damage_cut, damage_nothing_left, damage_text, damage_names])
def test_a_damaged_checkpoint_says_so(checkpoint, damage):
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    for read in (epochs_trained, lambda path: trained(2, checkpoint=path), lambda p: load_checkpoint(p, network())):
        with pytest.raises(RunFolderError, match=r"The checkpoint .*c\.pt is damaged, .*: delete it to train again"):
            read(checkpoint)


def test_a_file_cut_anywhere_is_one_sentence(checkpoint):
    data = checkpoint.read_bytes()
    for end in range(0, len(data), len(data) // 50):
        checkpoint.write_bytes(data[:end])
        with pytest.raises(ArchsieveError, match="is damaged"):
            epochs_trained(checkpoint)


@pytest.mark.parametrize("content", [{"network": {}}, [1, 2], {"network": 3, "optimiser": {}, "epochs": 1}])
def test_a_file_of_something_else_says_so(tmp_path, content):
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(RunFolderError, match="to another network: delete it"):
        trained(1, checkpoint=tmp_path / "c.pt")


def test_the_checkpoint_of_another_network_says_so(checkpoint):
    other = build_network(SPACE, (0, 0), TASK, 0)
    with pytest.raises(RunFolderError, match=r"to another network: delete it to train again\. \(Error"):
        train(other, TASK, RECIPE, epochs=2, seed=0, checkpoint=checkpoint)


def test_a_checkpoint_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    torch.save({"network": {}, "optimiser": {}, "epochs": Evil()}, tmp_path / "c.pt")
    with pytest.raises(RunFolderError, match="is damaged"):
        epochs_trained(tmp_path / "c.pt")
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"c\.pt"):
        load_checkpoint(tmp_path / "c.pt", network())


def test_dropout_depends_on_the_seed_and_the_epoch_alone(tmp_path):
    task = Synthetic(shape=(3, 8, 8), num_outputs=3, images=40, signal=1.0)
    recipe = Recipe(horizon=4, learning_rate=0.1, batch_size=8)

    def trained(steps, checkpoint=None):
        for epochs in steps:
            torch.rand(epochs)  # whatever the caller draws
            network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(192, 3))
            torch.nn.init.constant_(network[2].weight, 0.01)
            torch.nn.init.zeros_(network[2].bias)
            train(network, task, recipe, epochs=epochs, seed=0, checkpoint=checkpoint)
        return network[2].weight

    at_once, again = trained([3]), trained([3])
    assert torch.equal(at_once, again)
    assert torch.equal(at_once, trained([1, 3], tmp_path / "c.pt"))


# What diverges


class Scaled(nn.Module):
    """Classifies by one weight matrix, with large outputs; a buffer is infinite, as a mask is."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(int(np.prod(TASK.input_shape)), TASK.num_outputs)
        self.register_buffer("mask", torch.full((2,), -torch.inf))

    def forward(self, inputs):
        return 1e9 * self.line(inputs.flatten(1))


@pytest.mark.parametrize("micro_batches", [1, 2])
@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_training_that_diverges_says_so_and_saves_nothing_of_it(tmp_path, optimiser, micro_batches):
    told, file = [], tmp_path / "c.pt"
    recipe = Recipe(horizon=4, learning_rate=0.01, batch_size=8, optimiser=optimiser, micro_batches=micro_batches)
    train(Scaled(), TASK, recipe, epochs=1, seed=0, checkpoint=file)
    before = file.read_bytes()
    network = Scaled()
    wild = replace(recipe, learning_rate=1e30, clip=torch.inf)
    with pytest.raises(DivergenceError) as caught:
        train(network, TASK, wild, epochs=4, seed=0, checkpoint=file, tell=told.append)
    assert re.fullmatch(
        r"The training diverged: in epoch [23] (the loss became (nan|inf)|'line\.(weight|bias)' is not finite any "
        r"more), at a learning rate of [0-9.e+]+\. Lower it\.",
        str(caught.value),
    )
    assert isinstance(caught.value, ScoringError)
    assert len(told) <= 2
    assert file.read_bytes() == before or len(told) == 2


def test_weights_that_are_no_numbers_are_found_though_no_loss_was(tmp_path):
    network = Scaled()
    recipe = Recipe(horizon=1, learning_rate=0.01, batch_size=1000)
    network.line.weight.register_hook(lambda gradient: gradient * torch.nan)  # the one step of the epoch
    file = tmp_path / "c.pt"
    with pytest.raises(DivergenceError, match=r"in epoch 1 'line\.(weight|bias)' is not finite any more"):
        train(network, TASK, recipe, epochs=1, seed=0, checkpoint=file)
    assert not file.exists()


def test_an_infinite_buffer_is_no_divergence():
    train(Scaled(), TASK, Recipe(horizon=1, learning_rate=0.01), epochs=1, seed=0)
