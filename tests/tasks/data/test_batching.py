"""Batches: parts of a step, the last one, and what is made ahead."""

from __future__ import annotations

import threading

import pytest
import torch

from archsieve.tasks.data.batching import Pending, ahead, count_steps, in_steps, joined, made


def sized(*sizes):
    return [Pending(n, lambda n=n: (torch.full((n,), float(n)), torch.full((n,), n))) for n in sizes]


@pytest.mark.parametrize(
    ("sizes", "least", "expected"),
    [([4, 4, 2], 2, [4, 4, 2]), ([4, 4, 1], 2, [4, 5]), ([1], 2, [1]), ([], 2, []), ([4, 1], 1, [4, 1])],
)
def test_a_last_batch_too_small_is_joined_to_the_one_before(sizes, least, expected):
    found = list(joined(sized(*sizes), least))
    assert [b.items for b in found] == expected
    assert [len(b.make()[0]) for b in found] == expected
    if expected == [4, 5]:
        assert [x.tolist() for x in found[1].make()] == [[4.0] * 4 + [1.0], [4] * 4 + [1]]


def test_batches_of_one_size_only_are_joined_and_no_whole_ones():
    # Two tall, one tall, one wide; then wide ones that come singly, whatever was asked for.
    shapes = [(2, 5, 3), (1, 5, 3), (1, 3, 5), (1, 3, 5), (1, 3, 5)]
    batches = [made((torch.zeros(shape), torch.zeros(shape))) for shape in shapes]
    found = [tuple(b.make()[0].shape) for b in joined(batches, least=100)]
    assert found == [(3, 5, 3), (1, 3, 5), (1, 3, 5), (1, 3, 5)]
    other = [made((torch.zeros(2, 4), torch.zeros(2, 1))), made((torch.zeros(1, 4), torch.zeros(1, 2)))]
    assert [b.items for b in joined(other, least=2)] == [2, 1]  # targets of another size


@pytest.mark.parametrize("items", range(1, 30))
@pytest.mark.parametrize(("size", "parts"), [(1, 1), (2, 1), (3, 1), (4, 2), (3, 4)])
def test_steps_are_counted_as_they_are_taken(items, size, parts):
    sizes = [min(size, items - at) for at in range(0, items, size)]
    steps = list(in_steps(joined(sized(*sizes), min(2, size)), parts, 0, 1))
    assert count_steps(items, size, parts) == len(steps)
    assert sum(b.items for step in steps for _, b in step.own) == items


def test_processes_take_turns_within_a_step():
    batches = sized(*range(1, 8))
    first, second = (
        [(parts, [(place, b.items) for place, b in own]) for parts, own in in_steps(batches, 4, rank, 2)]
        for rank in (0, 1)
    )
    assert first == [(4, [(0, 1), (2, 3)]), (3, [(0, 5), (2, 7)])]
    assert second == [(4, [(1, 2), (3, 4)]), (3, [(1, 6)])]  # nothing is left for its last turn


def test_what_is_there_already_is_not_made_again():
    batch = torch.zeros(3, 2), torch.zeros(3)
    assert made(batch).items == 3
    assert all(one is other for one, other in zip(made(batch).make(), batch, strict=True))


def test_what_is_made_ahead_comes_in_order_and_no_more_than_two_early():
    began = []

    def call(i):
        began.append(i)
        return i

    stream = ahead(lambda i=i: call(i) for i in range(6))
    for i in range(6):
        assert next(stream) == i
        assert len(began) <= i + 3
    assert list(stream) == []
    assert list(ahead([])) == []


def test_an_error_comes_where_its_batch_would_have():
    def fail():
        raise ValueError("broken")

    stream = ahead([lambda: 1, fail, lambda: 3])
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    stream = ahead(lambda i=i: i for i in range(100))
    next(stream)
    stream.close()
    assert threading.active_count() == before
