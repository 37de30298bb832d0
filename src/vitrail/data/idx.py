"""Files like MNIST's: all pictures of a part in one idx file, their classes in another, packed with gzip or not."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from vitrail.data import classes as called
from vitrail.data import parts
from vitrail.data.collection import Collection, reindex, split
from vitrail.errors import InputError

NAME = re.compile(r"(.*-)?(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(\.gz)?", re.IGNORECASE)
MOST_BYTES = 2**32  # of all pictures of a part, unpacked
PIXELS, LABELS = 3, 1  # the number of axes of a file of pictures (P, H, W) and of classes (P,)


class Files(NamedTuple):
    """The two files of a part."""

    images: Path
    labels: Path


class Idx(Collection):
    """Grey pictures in memory.

    pixels: (P, H, W) uint8. A picture's `content` is its pixels, row by row.
    """

    def __init__(self, file: Path, pixels: np.ndarray, targets: list[int], classes: tuple[str, ...]) -> None:
        super().__init__(str(file), [str(number) for number in range(len(pixels))], targets, classes)
        self.pixels = pixels

    def content(self, index: int) -> bytes:
        return self.pixels[index].tobytes()

    def picture(self, index: int) -> Image.Image:
        return Image.fromarray(self.pixels[index]).convert("RGB")


def looks(root: Path) -> bool:
    """Whether `root`, root/raw or root/NAME/raw holds idx files with the names that MNIST gave them."""
    return root.is_dir() and any(_named(folder) for folder in _folders(root))


def open_split(root: str | Path, held_out: float = 0.2, seed: int = 0) -> tuple[Collection, Collection]:
    """The training pictures and those of t10k-* or test-*; where these are missing, the first parted as `split` says.

    Raises: InputError for a file that is missing, cut off, no idx file, or of another count than its partner.
    """
    found = _parts(parts.existing(root))
    first, second = parts.choose(found, root)
    training = _read(found[first], Path(root))
    return split(training, _read(found[second], Path(root)) if second else None, held_out, seed)


def open_held_out(root: str | Path, classes: tuple[str, ...]) -> Collection:
    """The pictures a model with these classes is measured on: those of t10k-* where they are there, else all."""
    found = _parts(parts.existing(root))
    return reindex(_read(found[parts.measured(found, root)], Path(root)), classes)


def read_array(file: Path, axes: int) -> np.ndarray:
    """The uint8 array with this many axes in an idx file.

    The format: two zero bytes, 8 for uint8, the number of axes, each axis as a big-endian 32-bit number, the values.
    Raises: InputError naming the file.
    """
    try:
        with gzip.open(file) if file.suffix.lower() == ".gz" else open(file, "rb") as opened:
            head = opened.read(4 + 4 * axes)
            if head[:4] != bytes([0, 0, 8, axes]):
                wanted = f"0 0 8 {axes}, which begin an idx file of {'pictures' if axes == PIXELS else 'classes'}"
                raise InputError(f"{file}: begins with {' '.join(map(str, head[:4])) or 'nothing'}; wanted {wanted}.")
            if len(head) < 4 + 4 * axes:
                raise InputError(f"{file}: cut off after {len(head)} bytes.")
            shape = struct.unpack(f">{axes}I", head[4:])
            count = int(np.prod(shape, dtype=object))
            said = " x ".join(map(str, shape))
            if not 0 < count <= MOST_BYTES:
                raise InputError(f"{file}: says it holds {said} bytes; wanted 1 to {MOST_BYTES}.")
            content = opened.read(count + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{file}: not a whole gzip file ({str(error).rstrip('.')}).") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}).") from error
    if len(content) != count:
        wrong = "longer than" if len(content) > count else f"cut off: {len(content)} bytes of"
        raise InputError(f"{file}: {wrong} the {said} it says it holds.")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read(files: Files, root: Path) -> Idx:
    pixels, targets = read_array(files.images, PIXELS), read_array(files.labels, LABELS).tolist()
    if len(pixels) != len(targets):
        raise InputError(f"{files.images} holds {len(pixels)} pictures, {files.labels.name} {len(targets)} classes.")
    places = dict.fromkeys([files.images.parent, files.images.parent.parent, root])
    inside = [place for place in places if place == root or root in place.parents]
    names = next(filter(None, map(called.read, inside)), None)
    return Idx(files.images, pixels, targets, called.of(targets, names, files.labels))


def _parts(root: Path) -> dict[str, Files]:
    """The files of each part, in the one place where there are some; of a file packed and not, the latter."""
    places = [(folder, found) for folder in _folders(root) if (found := _named(folder))]
    if not places:
        raise InputError(f"{root}: no idx files; wanted train-images-idx3-ubyte and train-labels-idx1-ubyte, or .gz.")
    sets = [(folder, stem) for folder, found in places for stem in sorted({stem for stem, _, _ in found})]
    if len(sets) > 1:
        (first, one), (second, two) = sets[:2]
        raise InputError(f"{root}: two sets, {first / one}* and {second / two}*; wanted one in a folder of its own.")
    folder, found = places[0]
    parted: dict[str, Files] = {}
    for stem, part, _ in found:
        for kind in ("images", "labels"):
            if (stem, part, kind) not in found:
                raise InputError(f"{folder}: holds one file of {stem}{part}-images and {stem}{part}-labels, not both.")
        pair = Files(found[stem, part, "images"], found[stem, part, "labels"])
        parted["train" if part == "train" else "test"] = pair
    return parted


def _named(folder: Path) -> dict[tuple[str, str, str], Path]:
    """(what stands before the part, part, images or labels) -> file."""
    found: dict[tuple[str, str, str], Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # NAME.gz before NAME, which takes its place
        match = NAME.fullmatch(path.name)
        if match and path.is_file():
            found[match[1] or "", match[2].lower(), match[3].lower()] = path
    return found


def _folders(root: Path) -> Iterator[Path]:
    yield root
    inner = sorted(path for path in root.iterdir() if path.is_dir())
    yield from (path for path in inner if path.name == "raw")
    yield from (path / "raw" for path in inner if (path / "raw").is_dir())
