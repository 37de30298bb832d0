"""Batches: the order is decided by (seed, epoch), the changes by (seed, epoch, sample), and by nothing else."""

from __future__ import annotations

import gc
import time

import pytest
import torch
from PIL import Image

from vitrail.data import transforms
from vitrail.data.loader import Batches, Loader
from vitrail.data.randomness import mix, seeded
from vitrail.data.sample import Batch, Sample
from vitrail.data.settings import Augment, Preprocessing
from vitrail.errors import InputError

CHANGE = transforms.for_training((8, 8), Preprocessing(), Augment(erase=1.0, jitter=0.5))


class Greys:
    """`count` pictures of one grey each."""

    classes = ("dark", "light")

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        return Sample(Image.new("RGB", (8, 8), (index, index, index)), index % 2, f"grey {index}")


def loader(count: int, batch: int, shuffle: bool = True, seed: int = 0, **options: int) -> Loader:
    return Loader(Batches(Greys(count), CHANGE, seed), batch, shuffle, **options)


def names(batches: list[Batch]) -> list[str]:
    return [name for batch in batches for name in batch.names]


def test_an_epoch_holds_every_sample_at_most_once_in_an_order_of_its_own() -> None:
    training = loader(22, 4)
    first, second = (names(list(training.epoch(epoch))) for epoch in (0, 1))
    assert len(first) == len(set(first)) == 20 == training.samples
    assert len(training) == 5
    assert first != second
    assert first == names(list(loader(22, 4).epoch(0)))
    assert first != names(list(loader(22, 4, seed=1).epoch(0)))


def test_workers_change_nothing() -> None:
    alone, helped = loader(10, 4), loader(10, 4, workers=2)
    for epoch in (0, 1):
        for a, b in zip(alone.epoch(epoch), helped.epoch(epoch), strict=True):
            assert a.names == b.names
            assert torch.equal(a.images, b.images)


def test_a_samples_changes_depend_on_the_epoch_and_on_no_other_sample() -> None:
    def of(name: str, batches: Loader, epoch: int) -> torch.Tensor:
        return next(batch.images[batch.names.index(name)] for batch in batches.epoch(epoch) if name in batch.names)

    whole = of("grey 3", loader(8, 8), 2)
    assert torch.equal(whole, of("grey 3", loader(8, 2), 2))
    assert not torch.equal(whole, of("grey 3", loader(8, 8), 1))


def test_processes_share_the_batch_one_process_would_have() -> None:
    alone = list(loader(22, 4).epoch(3))
    parts = [list(loader(22, 4, rank=rank, world=2).epoch(3)) for rank in (0, 1)]
    for batch, left, right in zip(alone, *parts, strict=True):
        assert batch.names == left.names + right.names
        assert torch.equal(batch.images, torch.cat([left.images, right.images]))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_measuring_sees_each_sample_once_over_all_processes(world: int) -> None:
    seen = [names(list(loader(11, 4, shuffle=False, rank=rank, world=world).epoch(0))) for rank in range(world)]
    assert sorted(name for part in seen for name in part) == sorted(f"grey {index}" for index in range(11))


def test_a_small_set_is_one_batch_and_an_empty_one_an_error() -> None:
    assert [len(batch) for batch in loader(3, 64).epoch(0)] == [3]
    with pytest.raises(InputError, match="no pictures"):
        loader(0, 4)
    with pytest.raises(InputError, match=r"batch of 5 cannot be shared by 2 processes; batch=4 can"):
        loader(20, 5, world=2)


def test_a_mixed_batch_has_shares_and_follows_its_seed() -> None:
    mixing = transforms.mixing(Augment(mixup=1.0, cutmix=1.0), 2)
    first, second = (next(Loader(Batches(Greys(6), CHANGE, 0, mixing), 6, True).epoch(0)) for _ in range(2))
    assert first.target.shape == (6, 2)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.target, second.target)


def test_seeding_leaves_the_generator_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with seeded(1, 2):
        inside = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    with seeded(1, 2):
        assert torch.equal(torch.rand(2), inside)
    assert len({mix(0, 1), mix(1, 0), mix(0, 1, 0), mix(1)}) == 4


def test_a_batch_moves_as_a_whole() -> None:
    moved = next(loader(4, 4).epoch(0)).to("meta")
    assert moved.images.device.type == moved.target.device.type == "meta"
    assert len(moved) == 4


def test_workers_are_let_go_at_once() -> None:
    training = loader(8, 4, workers=1)
    list(training.epoch(0))
    begun = time.perf_counter()
    del training
    gc.collect()
    assert time.perf_counter() - begun < 4.0


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_cannot_be_read_is_one_line(workers: int) -> None:
    class Broken(Greys):
        def __getitem__(self, index: int) -> Sample:
            raise InputError(f"grey {index}: not a readable picture.")

    with pytest.raises(InputError) as caught:
        list(Loader(Batches(Broken(2), CHANGE, 0), 2, False, workers).epoch(0))
    assert str(caught.value) == "grey 0: not a readable picture."
