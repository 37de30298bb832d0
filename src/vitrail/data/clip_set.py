"""Videos with their classes, wherever they are stored; and the part of them that is held out."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitrail.data import classes as called
from vitrail.data.collection import part
from vitrail.data.images import printable
from vitrail.data.video import Video, VideoFile, regular
from vitrail.data.video_folder import FrameFolder, Template
from vitrail.errors import InputError, nearest


@dataclass(frozen=True)
class ClipSample:
    """One video before any frame of it is decoded, with the index of its class and the name an error would call it."""

    video: Video
    target: int
    name: str


class Clips:
    """Videos under a folder, each a file or a folder of its frames, that are decoded when asked for.

    Args:
        files: Paths under `root`, written with /, without repeats.     targets: Index of the class of each.
        counts: Frames of each, where they are folders of frames.     template: How those frames are called.
    """

    def __init__(
        self,
        root: str | Path,
        files: Sequence[str],
        targets: Sequence[int],
        classes: tuple[str, ...],
        counts: Sequence[int] | None = None,
        template: Template = Template(),  # noqa: B008  # frozen
    ) -> None:
        self.root, self.keys, self.targets, self.classes = str(root), files, targets, classes
        self.counts, self.template = counts, template

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> ClipSample:
        return ClipSample(self.video(index), self.targets[index], self.name(index))

    def video(self, index: int) -> Video:
        path = Path(self.root, self.keys[index])
        return VideoFile(path) if self.counts is None else FrameFolder(path, self.counts[index], self.template)

    def name(self, index: int) -> str:
        """What an error or a caption calls a video."""
        return printable(Path(self.root, self.keys[index]))

    def digest(self, index: int) -> bytes:
        """A sum of all its bytes as they are stored; equal ones are the same video. Raises: InputError as `video`."""
        video = self.video(index)
        if isinstance(video, FrameFolder):
            return video.digest()
        return digest(Path(self.root, self.keys[index]), self.name(index))

    def chosen(self, indices: Sequence[int]) -> Clips:
        """Some of the videos, in the order given."""
        again = copy.copy(self)
        again.keys, again.targets = [self.keys[i] for i in indices], [self.targets[i] for i in indices]
        again.counts = self.counts and [self.counts[i] for i in indices]
        return again

    def reindexed(self, names: tuple[str, ...]) -> Clips:
        """The same videos with targets that index `names`, matched by name.

        Raises: InputError for a video of a class of another name.
        """
        if self.classes == names:
            return self
        places = {name: index for index, name in enumerate(names)}
        for target in sorted(set(self.targets)):
            name = self.classes[target]
            if name not in places:
                raise InputError(f"{self.root}: {name!r} is none of the {len(names)} classes." + nearest(name, names))
        again = copy.copy(self)
        again.targets, again.classes = [places[self.classes[target]] for target in self.targets], names
        return again


def split(training: Clips, beside: Clips | None, held_out: float = 0.2, seed: int = 0) -> tuple[Clips, Clips]:
    """The training and the held-out videos: those of `beside` where there is one, else a part of `training`.

    Args:
        held_out: Share of each class that is held out, at least one of two; chosen by the hash of (seed, path).
    Raises: InputError for two classes of one name, a class without a training video, or one that only `beside` has.
    """
    called.distinct(training.classes, training.root)
    empty = sorted(set(range(len(training.classes))) - set(training.targets))
    if empty:
        name, more = training.classes[empty[0]], f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        raise InputError(f"{training.root}: no training video of class {name!r}{more}; add some, or take its name out.")
    if beside is not None:
        return training, beside.reindexed(training.classes)
    inside, outside = part(training, held_out, seed)  # type: ignore[arg-type]  # it asks for keys and targets alone
    return training.chosen(inside.indices), training.chosen(outside.indices)


def digest(path: Path, name: str) -> bytes:
    """A sum of a file's bytes, which need not fit into memory. Raises: InputError where it cannot be read."""
    regular(path, name)
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror}).") from error
