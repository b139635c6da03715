from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from archsieve.errors import SettingError
from archsieve.tasks.classification import Accuracy
from archsieve.tasks.data.augmentation import cut_out, moved
from archsieve.tasks.data.images import Images
from archsieve.tasks.image_classification import ImageClassification


@dataclass(frozen=True)
class Tiny(ImageClassification):
    """`pictures` training pictures of 2 x 2 pixels; the label of a picture is its number, its pixels hold it."""

    pictures: int = 10

    name: ClassVar[str] = "tiny"
    input_shape: ClassVar[tuple[int, ...]] = (1, 2, 2)
    num_outputs: ClassVar[int] = 1000
    white: ClassVar[int] = 1
    mean: ClassVar[tuple[float, ...]] = (0.0,)
    std: ClassVar[tuple[float, ...]] = (1.0,)
    crop_padding: ClassVar[int] = 1
    flip: ClassVar[bool] = True

    def load(self) -> Images:
        labels = np.arange(self.pictures)
        pixels = 4 * labels.reshape(-1, 1, 1, 1) % 200 + np.array([[1, 2], [3, 4]])
        return Images(pixels.astype(np.uint8), labels, pixels[:7].astype(np.uint8), labels[:7])


def numbers(task, split, **kwargs) -> list[int]:
    kwargs.setdefault("batch_size", 3)
    return [int(y) for _, targets in task.batches(split, **kwargs) for y in targets]


def stream(task, split, **kwargs) -> torch.Tensor:
    return torch.cat([x for x, _ in task.batches(split, **kwargs)])


@pytest.mark.parametrize("fraction", [0, 0.0, 0.1, 0.3, 0.5, 0.99])
def test_train_and_validation_are_disjoint_and_complete(fraction):
    task = Tiny(validation_fraction=fraction, pictures=100)
    train, validation = numbers(task, "train"), numbers(task, "validation")
    assert sorted(train + validation) == list(range(100))


@pytest.mark.parametrize(
    ("count", "fraction", "train"),
    [(10, 0.9, 1), (10, 0.1, 9), (50, 0.1, 45), (100, 0.58, 42), (7, 0.5, 3), (10, 0, 10), (1000, 0.001, 999)],
)
def test_sizes_are_exact(count, fraction, train):
    # 0.9 of 10 in floats leaves 0.9999999999999998 items.
    task = Tiny(validation_fraction=fraction, pictures=count)
    assert len(numbers(task, "train")) == train
    assert len(numbers(task, "validation")) == count - train


def test_the_split_depends_on_its_seed_alone():
    assert numbers(Tiny(pictures=100), "train") == numbers(Tiny(pictures=100), "train", batch_size=7)
    assert set(numbers(Tiny(pictures=100), "train")) != set(numbers(Tiny(pictures=100, split_seed=1), "train"))


def test_scoring_data_come_in_order_unaugmented_and_each_once():
    assert numbers(Tiny(), "test") == list(range(7))
    assert [len(y) for _, y in Tiny().batches("test", batch_size=3)] == [3, 3, 1]
    expected = torch.tensor(Tiny().load().test_images).float()
    assert torch.equal(stream(Tiny(), "test", batch_size=3), expected)


def test_rng_shuffles_and_keeps_pictures_with_their_labels():
    task = Tiny(pictures=40, validation_fraction=0)
    order = numbers(task, "train", rng=np.random.default_rng(0))
    assert sorted(order) == list(range(40))
    assert order != numbers(task, "train")
    assert order == numbers(task, "train", rng=np.random.default_rng(0))
    for inputs, targets in task.batches("train", batch_size=8, rng=np.random.default_rng(1)):
        assert torch.equal(inputs[:, 0, 0, 0], 4 * targets.float() + 1)


def test_inputs_are_normalised_by_channel():
    @dataclass(frozen=True)
    class Coloured(Tiny):
        white: ClassVar[int] = 4
        mean: ClassVar[tuple[float, ...]] = (0.5,)
        std: ClassVar[tuple[float, ...]] = (0.25,)

    inputs, targets = next(Coloured().batches("test", batch_size=1))
    # Pixels 1, 2, 3, 4 of 4 are .25, .5, .75, 1.
    assert torch.equal(inputs, torch.tensor([[[[-1.0, 0.0], [1.0, 2.0]]]]))
    assert inputs.dtype == torch.float32
    assert targets.dtype == torch.int64


def test_a_crop_by_hand():
    picture = torch.tensor([[[[1, 2], [3, 4]]]], dtype=torch.uint8)
    # Padded with one row and column of black on each side, the picture begins at row 1, column 1.
    by_move = {
        (1, 1, 0): [[1, 2], [3, 4]],
        (0, 0, 0): [[0, 0], [0, 1]],
        (2, 2, 0): [[4, 0], [0, 0]],
        (0, 1, 0): [[0, 0], [1, 2]],
        (1, 2, 0): [[2, 0], [4, 0]],
        (1, 1, 1): [[2, 1], [4, 3]],
        (1, 2, 1): [[0, 2], [0, 4]],
    }
    moves = torch.tensor(list(by_move))
    cropped = moved(picture.repeat(len(by_move), 1, 1, 1), moves, 1)
    assert cropped[:, 0].tolist() == list(by_move.values())


def test_augmentation_draws_every_crop_and_mirror_image():
    task = Tiny(pictures=1000, validation_fraction=0)
    padded = np.pad(np.array([[1, 2], [3, 4]]), 1)
    crops = [padded[r : r + 2, c : c + 2] for r in range(3) for c in range(3)]
    allowed = {crop[:, ::side].tobytes() for crop in crops for side in (1, -1)}
    seen = set()
    for inputs, targets in task.batches("train", batch_size=64, rng=np.random.default_rng(0), augment=True):
        for picture, number in zip(inputs[:, 0].numpy().astype(int), targets.numpy(), strict=True):
            base = 4 * int(number) % 200
            seen.add(np.where(picture > 0, picture - base, 0).tobytes())
    assert seen == allowed


def test_a_hole_by_hand():
    inputs = torch.ones(4, 2, 5, 5)
    holes = torch.tensor([[2, 2], [0, 0], [4, 1], [2, 4]])
    even, odd = cut_out(inputs, holes, 2), cut_out(inputs, holes, 3)
    assert torch.equal(inputs, torch.ones(4, 2, 5, 5))
    assert torch.equal(even[:, 0], even[:, 1])  # all channels alike
    # Of an even side, rows and columns from one before the middle up to the middle.
    rows = [["11111", "10011", "10011", "11111", "11111"], ["01111"] + ["11111"] * 4]
    rows += [["11111", "11111", "11111", "00111", "00111"], ["11111", "11100", "11100", "11111", "11111"]]
    assert [["".join(str(int(x)) for x in row) for row in picture] for picture in even[:, 0].tolist()] == rows
    assert (odd[:, 0] == 0).sum((1, 2)).tolist() == [9, 4, 6, 6]


def test_a_hole_is_the_mean_and_drawn_anew_for_each_picture():
    @dataclass(frozen=True)
    class Wide(Tiny):
        input_shape: ClassVar[tuple[int, ...]] = (1, 6, 6)
        mean: ClassVar[tuple[float, ...]] = (3.0,)
        crop_padding: ClassVar[int] = 0
        flip: ClassVar[bool] = False

        def load(self):
            pixels = np.full((self.pictures, 1, 6, 6), 7, dtype=np.uint8)
            return Images(pixels, np.arange(self.pictures), pixels[:1], np.arange(1))

    settings = {"rng": np.random.default_rng(0), "augment": True, "batch_size": 8}
    inputs = stream(Wide(pictures=400, cutout=4), "train", **settings)
    assert sorted(inputs.unique().tolist()) == [0.0, 4.0]
    # The middle is any pixel: the hole is 4 x 4 there, and less at the border: 2, 3, 4, 4, 4, 3 rows by its row.
    cut = (inputs == 0).sum((1, 2, 3))
    assert set(cut.tolist()) == {4, 6, 8, 9, 12, 16}
    assert torch.equal(
        inputs, stream(Wide(pictures=400, cutout=4), "train", batch_size=50, augment=True, rng=np.random.default_rng(0))
    )
    assert (stream(Wide(pictures=400, cutout=4), "test", batch_size=8) == 4.0).all()


def test_cutout_counts_in_the_identity_and_changes_neither_order_nor_crops():
    assert Tiny(cutout=2).identity() == {**Tiny().identity(), "cutout": 2}
    assert "cutout" not in Tiny().identity()
    one, other = (
        next(Tiny(cutout=cutout).batches("train", batch_size=9, rng=np.random.default_rng(0), augment=True))
        for cutout in (0, 1)
    )
    assert torch.equal(one[1], other[1])
    assert ((one[0] == other[0]) | (other[0] == 0)).all()
    with pytest.raises(SettingError, match="`cutout >= 0` must hold, but got cutout=-1"):
        Tiny(cutout=-1)


def test_the_augmented_stream_depends_on_rng_and_not_on_the_batch_size():
    def augmented(seed, batch_size):
        rng = np.random.default_rng(seed)
        return stream(Tiny(pictures=50), "train", batch_size=batch_size, rng=rng, augment=True)

    assert torch.equal(augmented(0, 4), augmented(0, 50))
    assert not torch.equal(augmented(0, 4), augmented(1, 4))


def test_all_draws_are_made_before_the_first_batch():
    left, read = np.random.default_rng(0), np.random.default_rng(0)
    Tiny().batches("train", batch_size=2, rng=left, augment=True)
    list(Tiny().batches("train", batch_size=3, rng=read, augment=True))
    assert left.random() == read.random()


def test_the_callers_random_state_is_untouched():
    before = torch.get_rng_state()
    list(Tiny().batches("train", batch_size=2, rng=np.random.default_rng(0), augment=True))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.gpu
def test_a_device_gets_the_same_pictures():
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")

    def on(device):
        rng = np.random.default_rng(0)
        return stream(Tiny(), "train", batch_size=4, rng=rng, augment=True, device=device).cpu()

    assert torch.equal(on("cuda"), on("cpu"))


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, math.nan, "0.1", None])
def test_a_validation_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(SettingError, match="`0 <= validation_fraction < 1` must hold, but got"):
        Tiny(validation_fraction=fraction)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5, math.nan, "0.1", None])
def test_a_train_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(SettingError, match="`0 < train_fraction <= 1` must hold, but got"):
        Tiny(train_fraction=fraction)


def test_a_part_of_the_training_pictures_is_always_the_same():
    def pictures_of(task, split, seed=None):
        rng = None if seed is None else np.random.default_rng(seed)
        return {x.numpy().tobytes() for xs, _ in task.batches(split, batch_size=3, rng=rng) for x in xs}

    whole, half, less = (Tiny(validation_fraction=0.2, train_fraction=f) for f in (1, 0.5, 0.25))
    assert [len(pictures_of(t, "train")) for t in (whole, half, less)] == [8, 4, 2]
    assert pictures_of(less, "train") < pictures_of(half, "train") < pictures_of(whole, "train")
    assert pictures_of(half, "train", 1) == pictures_of(half, "train", 2)
    assert pictures_of(half, "validation") == pictures_of(whole, "validation")
    assert [half.count(split) for split in ("train", "validation", "test")] == [4, 2, len(pictures_of(half, "test"))]


def test_all_of_the_training_pictures_is_no_setting():
    assert Tiny(train_fraction=1).identity() == Tiny().identity()
    assert "train_fraction" not in Tiny().identity()
    assert Tiny(train_fraction=0.5).identity()["train_fraction"] == 0.5


@pytest.mark.parametrize("seed", [0.5, "0", None, True])
def test_a_split_seed_is_a_whole_number(seed):
    with pytest.raises(SettingError, match="`split_seed` must be a whole number, but got"):
        Tiny(split_seed=seed)


def test_a_fraction_that_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(SettingError, match=r"0\.95 and train_fraction=1\.0 leave none of the 10 training images"):
        Tiny(validation_fraction=0.95).batches("train", batch_size=1)
    with pytest.raises(SettingError, match=r"0\.1 and train_fraction=0\.01 leave none of the 10 training images"):
        Tiny(train_fraction=0.01).count("train")


# Each is refused by the call, not by the first batch.
def test_an_unknown_split_is_refused():
    with pytest.raises(SettingError, match=r"no split 'validate'.* Did you mean 'validation'"):
        Tiny().batches("validate", batch_size=1)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_holds_at_least_one(size):
    with pytest.raises(SettingError, match=f"`batch_size >= 1` must hold, but got batch_size={size}"):
        Tiny().batches("train", batch_size=size)


def test_a_batch_size_is_a_whole_number():
    with pytest.raises(SettingError, match=r"`batch_size` must be a whole number, but got batch_size=2\.5"):
        Tiny().batches("train", batch_size=2.5)


def test_augmentation_needs_a_generator():
    with pytest.raises(SettingError, match="needs an `rng`"):
        Tiny().batches("train", batch_size=1, augment=True)


def test_accuracy_counts_every_item_once_however_the_batches_fall():
    accuracy = Accuracy()
    # 3 of 4 right, then 0 of 1: 60 % of the items, though the mean over batches is 37.5.
    accuracy.update(torch.eye(4), torch.tensor([0, 1, 2, 0]))
    accuracy.update(torch.tensor([[0.0, 1.0, 0.0, 0.0]]), torch.tensor([3]))
    assert accuracy.compute() == 60.0


def test_accuracy_of_nothing_is_nan():
    accuracy = Accuracy()
    assert math.isnan(accuracy.compute())
    accuracy.update(torch.empty(0, 3), torch.empty(0, dtype=torch.int64))
    assert math.isnan(accuracy.compute())


def test_an_output_that_is_nan_is_wrong():
    accuracy = Accuracy()
    outputs = torch.tensor([[math.nan, math.nan], [math.nan, 0.0], [1.0, 0.0], [1.0, 0.0]])
    accuracy.update(outputs, torch.tensor([0, 0, 0, 0]))
    assert accuracy.compute() == 50.0


def test_loss_is_the_mean_cross_entropy():
    # Equal outputs: log of the number of classes. Odds 3 to 1: log(4/3).
    loss = Tiny().loss(torch.tensor([[0.0, 0.0], [math.log(3), 0.0]]), torch.tensor([1, 0]))
    assert float(loss) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_identity_has_name_version_and_settings():
    assert Tiny(validation_fraction=0, split_seed=3).identity() == {
        "name": "tiny",
        "version": 1,
        "validation_fraction": 0.0,
        "split_seed": 3,
        "pictures": 10,
    }
    assert repr(Tiny(validation_fraction=0).identity()) == repr(Tiny(validation_fraction=0.0).identity())
