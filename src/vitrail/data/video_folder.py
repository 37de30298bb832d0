"""A video kept as a folder of pictures, one for each frame."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from vitrail.data import images
from vitrail.data.video import About
from vitrail.data.video_frames import shrunk, within
from vitrail.errors import InputError


@dataclass(frozen=True)
class Template:
    """How pictures are called: text, a number of at least so many digits, text. `first`: The number of the first."""

    before: str = "img_"
    digits: int = 5
    after: str = ".jpg"
    first: int = 1

    def name(self, number: int) -> str:
        """Of a frame, counted from 0."""
        return f"{self.before}{number + self.first:0{self.digits}}{self.after}"


@dataclass(frozen=True)
class FrameFolder:
    """A folder of pictures, numbered in the order they are shown.

    Args:
        total: n, frames that belong to the video; those after them are left alone.
    """

    path: Path
    total: int
    template: Template = Template()
    name: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", images.printable(self.path))

    def count(self) -> int:
        return self.total

    def file(self, number: int) -> Path:
        """The picture of a frame, counted from 0."""
        return self.path / self.template.name(number)

    def about(self) -> About:
        for number in range(self.total):
            images.read(self.file(number))
        return About(self.total, None, self.template.after.lstrip(".").lower(), 1.0, self.frames([self.total // 2])[0])

    def frames(self, wanted: Sequence[int], cover: tuple[int, int] | None = None) -> np.ndarray:
        """As `Video.frames`. Pictures of another size than the first one asked for are resized to it."""
        order, places = np.unique(np.asarray(wanted, dtype=np.int64), return_inverse=True)
        if not len(order) or order[0] < 0 or order[-1] >= self.total:
            raise InputError(f"{self.name}: wanted some of its frames 0 to {self.total - 1}; got {list(wanted)[:8]}.")
        size: tuple[int, int] | None = None
        taken = []
        for number in order.tolist():
            image = images.read(self.file(number))
            size = size or shrunk((image.height, image.width), cover)
            within(self.name, len(places), *size)
            if (image.height, image.width) != size:
                image = image.resize(size[::-1], Image.Resampling.BILINEAR)
            taken.append(np.asarray(image))
        return np.stack(taken)[places]

    def digest(self) -> bytes:
        """A sum of all its pictures' bytes. Raises: InputError for a picture that cannot be read."""
        whole = hashlib.blake2b(digest_size=16)
        for number in range(self.total):
            whole.update(hashlib.blake2b(images.read_bytes(self.file(number))).digest())
        return whole.digest()


def template_of(folder: Path) -> Template:
    """How the frames in a folder are called, told by picture 0 or 1; optical flow beside them is passed over.

    Raises: InputError where there are none, or of several kinds.
    """
    try:
        names = [path.name for path in folder.iterdir() if path.suffix.lower() in images.SUFFIXES]
    except OSError as error:
        raise InputError(f"{images.printable(folder)}: cannot be read ({error.strerror}); wanted frames.") from error
    found: dict[tuple[str, int, str], int] = {}
    for name in sorted(names):
        match = re.fullmatch(r"(.*?)(\d+)(\.\w+)", name)
        if match and int(match[2]) in (0, 1) and not match[1].startswith("flow"):
            kind = (match[1], len(match[2]), match[3])
            found[kind] = min(int(match[2]), found.get(kind, 1))
    if len(found) != 1:
        kinds = ", ".join(sorted(Template(*kind, first).name(0) for kind, first in found.items()))
        said = f"frames of several kinds ({kinds})" if found else "no frames"
        raise InputError(f"{images.printable(folder)}: {said}; wanted pictures such as {Template().name(0)}.")
    ((kind, first),) = found.items()
    return Template(*kind, first)


def open_folder(folder: Path) -> FrameFolder:
    """The video whose frames lie in a folder: all from the first number to the last.

    Raises: InputError where there are none, or of several kinds.
    """
    template = template_of(folder)
    pattern = re.compile(re.escape(template.before) + r"(\d+)" + re.escape(template.after))
    numbers = [int(match[1]) for path in folder.iterdir() if (match := pattern.fullmatch(path.name))]
    return FrameFolder(folder, max(numbers) - template.first + 1, template)
