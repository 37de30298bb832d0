"""Batches in an order that (seed, epoch) decides, with random changes that (seed, epoch, sample) decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset

from vitrail.data.randomness import mix, seeded
from vitrail.data.sample import Batch, Pictures
from vitrail.data.transforms import Mixing, Transform
from vitrail.errors import InputError


class Draw(NamedTuple):
    """Which samples make a batch, in which epoch: all that a worker is told."""

    epoch: int
    indices: tuple[int, ...]


class Batches(Dataset["Batch | InputError"]):
    """Draw -> Batch, without state: decode, transform each, stack, mix.

    A picture's error comes as the item: raised in a worker, its one line would be buried in a traceback.
    """

    def __init__(self, pictures: Pictures, transform: Transform, seed: int, mixing: Mixing | None = None) -> None:
        self.pictures, self.transform, self.seed, self.mixing = pictures, transform, seed, mixing

    def __getitem__(self, draw: Draw) -> Batch | InputError:
        try:
            return self.load(draw)
        except InputError as error:
            return error

    def load(self, draw: Draw) -> Batch:
        """The batch itself. Raises: InputError for a picture that cannot be used."""
        samples = [self.pictures[index] for index in draw.indices]
        tensors = []
        for index, sample in zip(draw.indices, samples, strict=True):
            with seeded(self.seed, draw.epoch, index):
                tensors.append(self.transform(sample.image))
        images, target = torch.stack(tensors), torch.tensor([sample.target for sample in samples])
        if self.mixing:
            with seeded(self.seed, draw.epoch, *draw.indices):
                images, target = self.mixing(images, target)
        return Batch(images, target, tuple(sample.name for sample in samples))


class Loader:
    """An epoch of batches: `for batch in loader.epoch(3)`.

    In training (`shuffle`) all processes together take `batch` samples a step, in an order drawn from (seed, epoch),
    and the last incomplete batch is left out; a set smaller than one batch is one batch. Otherwise every sample
    comes once over all processes, in order. However many processes share a training batch, it holds the same samples.

    Args:
        batch: Samples per step over all processes.
        workers: Processes that decode; 0 decodes in this one. They change nothing but the speed.
        rank, world: Which of how many processes this one is.
    Raises: InputError where `world` does not divide a training batch, or there is nothing to load.
    """

    def __init__(
        self,
        batches: Batches,
        batch: int,
        shuffle: bool,
        workers: int = 0,
        rank: int = 0,
        world: int = 1,
        pin: bool = False,
    ) -> None:
        if len(batches.pictures) == 0:
            raise InputError("There are no pictures to load.")
        self.batches, self.shuffle, self.rank, self.world = batches, shuffle, rank, world
        self.batch = min(batch, len(batches.pictures)) if shuffle else batch
        if shuffle and self.batch % world:
            raise InputError(
                f"A batch of {self.batch} cannot be shared by {world} processes; "
                f"batch={max(self.batch - self.batch % world, world)} can."
            )
        self._sequence = _Sequence()
        self._loader: DataLoader[Batch | InputError] = DataLoader(
            batches,
            sampler=self._sequence,
            batch_size=None,
            num_workers=workers,
            pin_memory=pin,
            collate_fn=_same,
            persistent_workers=workers > 0,
        )

    def __len__(self) -> int:
        """Batches per epoch of this process."""
        return len(self.draws(0))

    @property
    def samples(self) -> int:
        """Samples this process sees in an epoch."""
        return sum(len(draw.indices) for draw in self.draws(0))

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch, counted from 0. Raises: InputError for a picture that cannot be used."""
        self._sequence.draws = self.draws(epoch)
        for batch in self._loader:
            if isinstance(batch, InputError):
                raise batch
            yield batch

    def draws(self, epoch: int) -> list[Draw]:
        """What `epoch` will load, without loading it."""
        count = len(self.batches.pictures)
        if not self.shuffle:
            mine = range(self.rank, count, self.world)
            each = max(self.batch // self.world, 1)
            return [Draw(epoch, tuple(mine[start : start + each])) for start in range(0, len(mine), each)]
        generator = torch.Generator().manual_seed(mix(self.batches.seed, epoch))
        order = torch.randperm(count, generator=generator).tolist()
        each = self.batch // self.world
        starts = range(self.rank * each, count - count % self.batch, self.batch)
        return [Draw(epoch, tuple(order[start : start + each])) for start in starts]


class _Sequence:
    """The draws of the current epoch, as a sampler: iterated in this process, so workers need no word of the epoch.

    It does not know its loader: in a circle the workers would be let go too late, and waited for.
    """

    def __init__(self) -> None:
        self.draws: list[Draw] = []

    def __iter__(self) -> Iterator[Draw]:
        return iter(self.draws)

    def __len__(self) -> int:
        return len(self.draws)


def _same(batch: Any) -> Any:
    return batch
