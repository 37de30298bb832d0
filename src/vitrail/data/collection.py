"""Encoded pictures with their classes, wherever they are stored; and the part of them that is held out."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence

from PIL import Image

from vitrail.data import classes as called
from vitrail.data import images
from vitrail.data.sample import Sample
from vitrail.errors import InputError, nearest


class Collection:
    """Pictures that are decoded when asked for. A layout says where the bytes of each are: it defines `content`.

    Args:
        root: What an error calls the whole.
        keys: One name for each picture, without repeats, the same wherever the collection lies.
        targets: Index of the class of each.
    """

    def __init__(self, root: str, keys: Sequence[str], targets: Sequence[int], classes: tuple[str, ...]) -> None:
        self.root, self.keys, self.targets, self.classes = root, keys, targets, classes

    def __len__(self) -> int:
        return len(self.keys)

    def content(self, index: int) -> bytes:
        """The bytes of a picture as they are stored. Raises: InputError where they cannot be read."""
        raise NotImplementedError

    def name(self, index: int) -> str:
        """What an error or a caption calls a picture."""
        return images.printable(f"{self.root}/{self.keys[index]}")

    def picture(self, index: int) -> Image.Image:
        """A picture decoded. Raises: InputError naming one that cannot be used."""
        return images.decode(self.content(index), self.name(index))

    def __getitem__(self, index: int) -> Sample:
        """The decoded picture with its class. Raises: InputError naming one that cannot be used."""
        return Sample(self.picture(index), self.targets[index], self.name(index))


class Part(Collection):
    """Some pictures of a collection, in the order given."""

    def __init__(self, whole: Collection, indices: Sequence[int]) -> None:
        keys, targets = ([values[i] for i in indices] for values in (whole.keys, whole.targets))
        super().__init__(whole.root, keys, targets, whole.classes)  # type: ignore[arg-type]
        self.whole, self.indices = whole, indices

    def content(self, index: int) -> bytes:
        return self.whole.content(self.indices[index])

    def picture(self, index: int) -> Image.Image:
        return self.whole.picture(self.indices[index])

    def name(self, index: int) -> str:
        return self.whole.name(self.indices[index])


def split(
    training: Collection, beside: Collection | None, held_out: float = 0.2, seed: int = 0
) -> tuple[Collection, Collection]:
    """The training and the held-out pictures: those of `beside` where there is one, else a part of `training`.

    Args:
        held_out, seed: As for `part`; they have no say where there is `beside`.
    Raises: InputError for two classes of one name, a class without a training picture, or one that only `beside` has.
    """
    called.distinct(training.classes, training.root)
    empty = sorted(set(range(len(training.classes))) - set(training.targets))
    if empty:
        name, more = training.classes[empty[0]], f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        raise InputError(
            f"{training.root}: no training picture of class {name!r}{more}; add some, or take its name out."
        )
    if beside is None:
        return part(training, held_out, seed)
    return training, reindex(beside, training.classes)


def reindex(whole: Collection, names: tuple[str, ...]) -> Collection:
    """The same pictures with targets that index `names`, matched by name.

    Raises: InputError for a picture of a class of another name.
    """
    if whole.classes == names:
        return whole
    places = {name: index for index, name in enumerate(names)}
    for target in sorted(set(whole.targets)):
        name = whole.classes[target]
        if name not in places:
            raise InputError(f"{whole.root}: {name!r} is none of the {len(names)} classes." + nearest(name, names))
    again = copy.copy(whole)
    again.targets, again.classes = [places[whole.classes[target]] for target in whole.targets], names
    return again


def part(whole: Collection, held_out: float, seed: int) -> tuple[Part, Part]:
    """The training and the held-out pictures, parted by the hash of (seed, key): the same on every machine.

    Args:
        held_out: Share of each class that is held out, 0 to 1; at least one picture of a class that has two.
    """
    inside: list[int] = []
    outside: list[int] = []
    members: list[list[int]] = [[] for _ in whole.classes]
    for index, target in enumerate(whole.targets):
        members[target].append(index)
    for indices in members:
        ranked = sorted(indices, key=lambda index: _hash(seed, whole.keys[index]))
        count = max(min(max(round(held_out * len(indices)), 1), len(indices) - 1), 0)
        outside += sorted(ranked[:count])
        inside += sorted(ranked[count:])
    return Part(whole, inside), Part(whole, outside)


def _hash(seed: int, key: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{key}".encode(errors="surrogateescape")).digest()
