"""Batches in an order that (seed, epoch) decides, with random changes that (seed, epoch, sample) decides."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from weakref import WeakSet

import torch
from torch.utils.data import DataLoader, Dataset

from vitrail.data.randomness import mix, seeded
from vitrail.data.sample import Batch, Pictures
from vitrail.data.transforms import Mixing, Transform
from vitrail.errors import InputError

TRIES = 16  # other pictures that training looks at before it gives a damaged one up

_WITH_WORKERS: WeakSet[DataLoader[Any]] = WeakSet()


class Draw(NamedTuple):
    """Which samples make a batch, in which epoch: all that a worker is told.

    copies: Which changed copy of its sample each is; empty where an epoch has one of each.
    """

    epoch: int
    indices: tuple[int, ...]
    copies: tuple[int, ...] = ()


class Batches(Dataset["Batch | InputError"]):
    """Draw -> Batch, without state: decode, transform each, stack, mix.

    A picture that cannot be used is left out and named in `Batch.skipped`; with `replace` another takes its place, so
    that the batch keeps its size: training wants that, measuring must not have it.

    An error comes as the item: raised in a worker, its one line would be buried in a traceback.

    fewest: Classes that training wants at least.     noun, rate, kinds: What lines about a run call them.
    """

    fewest = 2
    noun, rate, kinds = "pictures", "img/s", "classes"

    def __init__(
        self, pictures: Pictures, transform: Transform, seed: int, mixing: Mixing | None = None, replace: bool = False
    ) -> None:
        self.pictures, self.transform, self.seed = pictures, transform, seed
        self.mixing, self.replace = mixing, replace

    def __getitem__(self, draw: Draw) -> Batch | InputError:
        try:
            return self.load(draw)
        except InputError as error:
            return error

    def load(self, draw: Draw) -> Batch:
        """The batch itself. Raises: InputError where no picture can take a damaged one's place."""
        skipped: list[str] = []
        loaded = []
        for number, index in enumerate(draw.indices):
            copy = draw.copies[number : number + 1]
            found = self._first(draw.epoch, index, copy if any(copy) else (), skipped)
            if found:
                loaded.append(found)
        return self.join(loaded, draw, tuple(skipped))

    def open(self, index: int, numbers: tuple[int, ...]) -> Any:
        """The sample that `change` takes; what is random about reading it follows from `numbers`.

        Raises: InputError where it cannot be used.
        """
        return self.pictures[index]

    def change(self, sample: Any) -> Any:
        """What one sample becomes, its random choices made; `join` takes it."""
        return self.transform(sample.image), sample.target, sample.name

    def join(self, loaded: Sequence[Any], draw: Draw, skipped: tuple[str, ...]) -> Any:
        """The batch of what the samples became."""
        if not loaded:
            return Batch.of(torch.empty(0, 3, 1, 1), skipped)
        tensors, targets, names = zip(*loaded, strict=True)
        images, target = torch.stack(tensors), torch.tensor(targets)
        if self.mixing:
            with seeded(self.seed, draw.epoch, *draw.indices):
                images, target = self.mixing(images, target)
        return Batch(images, target, names, skipped)

    def _first(self, epoch: int, index: int, copy: tuple[int, ...], skipped: list[str]) -> Any:
        """The sample, or with `replace` the first usable one of those that (seed, epoch, index) names after it."""
        for attempt in range(TRIES + 1):
            chosen = mix(self.seed, epoch, index, attempt) % len(self.pictures) if attempt else index
            numbers = (self.seed, epoch, chosen, *copy)
            try:
                sample = self.open(chosen, numbers)
            except InputError as error:
                if not attempt:
                    skipped.append(str(error))
                if not self.replace:
                    return None
                continue
            with seeded(*numbers):
                return self.change(sample)
        raise InputError(f"{skipped[-1]} Nor could any of {TRIES} others be read in its place.")


class Loader:
    """An epoch of batches: `for batch in loader.epoch(3)`.

    In training (`shuffle`) all processes together take `batch` samples a step, in an order drawn from (seed, epoch),
    and the last incomplete batch is left out; a set smaller than one batch is one batch. Otherwise every sample
    comes once over all processes, in order. However many processes share a training batch, it holds the same samples.

    Args:
        batch: Samples per step over all processes.
        workers: Processes that decode; 0 decodes in this one. They change nothing but the speed.
        rank, world: Which of how many processes this one is.
        parts: Equal pieces, one after the other, in which this process gets its share of a training batch.
        repeats: Changed copies of a sample that stand in one training batch; the epoch keeps its length.
        steps: Training batches that count as an epoch, whatever part of a pass through the data, or how many, they
            are; None: one pass.
    Raises: InputError where `world` times `parts` does not divide a training batch, there is nothing to load, or
        nothing to tell apart in training.
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
        parts: int = 1,
        repeats: int = 1,
        steps: int | None = None,
    ) -> None:
        _check(batches, shuffle)
        self.batches, self.shuffle, self.rank, self.world = batches, shuffle, rank, world
        self.parts, self.repeats, self.steps = parts, repeats, steps
        self.batch = min(batch, len(batches.pictures)) if shuffle else batch
        if shuffle and self.batch % (world * parts):
            shared = f"{world} process{'es' * (world > 1)}" + (f" in {parts} parts" if parts > 1 else "")
            fitting = _fitting(self.batch, batches, world, parts)
            raise InputError(f"A batch of {self.batch} cannot be shared by {shared}; {fitting}.")
        self._sequence = _Sequence()
        self._loader: DataLoader[Batch | InputError] = DataLoader(
            batches,
            sampler=self._sequence,
            batch_size=None,
            num_workers=workers,
            pin_memory=pin,
            collate_fn=_same,
            persistent_workers=workers > 0,
            worker_init_fn=_leave_signals,
        )
        if workers:
            _WITH_WORKERS.add(self._loader)

    def __len__(self) -> int:
        """Batches per epoch of this process, each part of one counted."""
        return len(self.draws(0))

    @property
    def samples(self) -> int:
        """Samples this process sees in an epoch."""
        return sum(len(draw.indices) for draw in self.draws(0))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, counted from 0, without the first `start`.

        Raises: InputError where nothing can take a damaged picture's place.
        """
        self._sequence.draws = self.draws(epoch)[start:]
        for batch in self._loader:
            if isinstance(batch, InputError):
                try:
                    raise batch
                finally:
                    del batch  # in a circle with its traceback it would keep the workers, which heed no signal to end
            yield batch

    def draws(self, epoch: int) -> list[Draw]:
        """What `epoch` will load, without loading it."""
        count = len(self.batches.pictures)
        if not self.shuffle:
            mine = range(self.rank, count, self.world)
            each = max(self.batch // self.world, 1)
            return [Draw(epoch, tuple(mine[start : start + each])) for start in range(0, len(mine), each)]
        if self.steps is None:
            return self._once(epoch)
        whole = count // self.batch  # batches of a pass
        first, behind = epoch * self.steps, (epoch + 1) * self.steps
        passes = range(first // whole, -(-behind // whole))
        draws = [draw for number in passes for draw in self._once(number)]
        begun = passes.start * whole
        return draws[(first - begun) * self.parts : (behind - begun) * self.parts]

    def _once(self, epoch: int) -> list[Draw]:
        """A pass through the data."""
        count = len(self.batches.pictures)
        generator = torch.Generator().manual_seed(mix(self.batches.seed, epoch))
        order = torch.randperm(count, generator=generator).tolist()
        each = self.batch // self.world // self.parts
        draws = []
        for start in range(0, count - count % self.batch, self.batch):
            for first in range(
                start + self.rank * each * self.parts, start + (self.rank + 1) * each * self.parts, each
            ):
                places = range(first, first + each)
                indices = tuple(order[place // self.repeats] for place in places)
                copies = tuple(place % self.repeats for place in places) if self.repeats > 1 else ()
                draws.append(Draw(epoch, indices, copies))
        return draws


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


def _check(batches: Batches, training: bool) -> None:
    """Nothing where a training or a measurement can begin with these."""
    noun, pictures = batches.noun, batches.pictures
    if not len(pictures) and training:
        raise InputError(f"There are no {noun} to train on.")
    if not len(pictures):
        advice = f" A class of one of the {noun} has none to hold out; add some, or a val/ beside train/."
        raise InputError(
            f"There are no {noun} to measure on: the held-out part is empty.{advice if batches.fewest > 1 else ''}"
        )
    if training and len(pictures.classes) < batches.fewest:
        raise InputError(
            f"All {noun} are of one class, {pictures.classes[0]!r}; wanted two or more to tell apart. "
            "Perhaps the class folders lie one level deeper or higher than DATA."
        )


def _fitting(batch: int, batches: Batches, world: int, parts: int) -> str:
    """The nearest choice that so many processes can share, with `parts` as they are where the samples suffice."""
    count, noun = len(batches.pictures), batches.noun
    whole, each = (max(batch - batch % share, share) for share in (world, world * parts))
    if each <= count:
        return f"batch={each} can"
    if whole <= count:
        return f"of {count} {noun} batch={whole} accumulate={whole // world} can"
    return f"{count} {noun} are for {count} processes at most"


def _leave_signals(worker: int) -> None:
    """A worker does not heed what is meant for the process it works for: that one ends it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


@atexit.register  # before multiprocessing's own, which ends workers by a signal that they do not heed, and waits
def _let_go() -> None:
    """Ends the workers of loaders that are alive when the process ends: a script's own, or those of an error's frames.

    The data loader has no public way to end them.
    """
    for loader in list(_WITH_WORKERS):
        if loader._iterator is not None:
            loader._iterator._shutdown_workers()  # type: ignore[attr-defined]


def _same(batch: Any) -> Any:
    return batch
