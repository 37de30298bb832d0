"""WebDataset shards: tar files in which a picture and its class stand under one key, `000001.jpg` and `000001.cls`."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vitrail.data import classes as called
from vitrail.data import images, parts
from vitrail.data.collection import Collection, reindex, split
from vitrail.errors import InputError

MOST_TEXT = 2**20  # bytes of a .cls or .json
PACKED = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst")


class Found(NamedTuple):
    """A picture in a shard: its key, where its bytes begin and how many there are, and its class."""

    key: str
    start: int
    size: int
    target: int


class Shards(Collection):
    """Pictures in tar files; the headers are read once, and each picture from where it lies.

    The file is opened for each picture and closed again, so that nothing is shared between processes, and any number
    of shards will do.

    Args:
        found: Of each file, the pictures in it.
    places: (P, 3) int64: for each picture the number of its file, where it begins and its size in bytes.
    """

    def __init__(
        self, root: Path, files: Sequence[Path], found: Sequence[Sequence[Found]], classes: tuple[str, ...]
    ) -> None:
        folder = root.parent if root.is_file() else root
        names = [file.relative_to(folder).as_posix() for file in files]
        keys = [f"{name}/{each.key}" for name, of in zip(names, found, strict=True) for each in of]
        super().__init__(str(root), keys, [each.target for of in found for each in of], classes)
        self.folder = folder
        self.files = tuple(map(str, files))
        places = [(number, each.start, each.size) for number, of in enumerate(found) for each in of]
        self.places = np.array(places, np.int64).reshape(-1, 3)

    def name(self, index: int) -> str:
        return images.printable(self.folder / self.keys[index])  # the key begins with the file

    def content(self, index: int) -> bytes:
        number, start, size = self.places[index].tolist()
        try:
            with open(self.files[number], "rb") as file:
                file.seek(start)
                content = file.read(size)
        except OSError as error:
            raise InputError(f"{self.name(index)}: cannot be read ({error.strerror}).") from error
        if len(content) != size:
            raise InputError(f"{self.name(index)}: cut off; the shard has become shorter.")
        return content


def looks(root: Path) -> bool:
    """Whether `root` is a tar, or a folder of tars, also in train/ and val/."""
    return any(_tars(root))


def open_split(root: str | Path, held_out: float = 0.2, seed: int = 0) -> tuple[Collection, Collection]:
    """The training and the held-out pictures of train-*.tar and val-*.tar, or of one part parted as `split` says.

    The class of a picture is the number in its .cls, or "label" in its .json; its name stands in classes.txt.
    Raises: InputError for a shard that is packed or damaged, or a key without a picture or a class.
    """
    root = parts.existing(root)
    files = _parts(root)
    first, second = parts.choose(files, root)
    training = _read(root, files[first])
    return split(training, _read(root, files[second]) if second else None, held_out, seed)


def open_held_out(root: str | Path, classes: tuple[str, ...]) -> Collection:
    """The pictures a model with these classes is measured on: those of val-*.tar where there are, else all."""
    root = parts.existing(root)
    files = _parts(root)
    return reindex(_read(root, files[parts.measured(files, root)]), classes)


def index(file: Path) -> list[Found]:
    """What a shard holds, from its headers.

    Raises: InputError for one that is no plain tar or is damaged, or a key without a picture or a class.
    """
    shown: dict[str, tuple[int, int]] = {}
    said: dict[str, int] = {}
    for name, start, size, text in _members(file):
        key, suffix = _key(name)
        label = None if text is None else _class(f"{file}/{name}", suffix, text)
        if (text is None and key in shown) or (label is not None and key in said and said[key] != label):
            raise InputError(f"{file}: key {key!r} has two {'pictures' if text is None else 'classes'}.")
        if text is None:
            shown[key] = (start, size)
        elif label is not None:
            said[key] = label
    for key in sorted(shown.keys() ^ said.keys()):
        raise InputError(
            f"{file}: key {key!r} has no " + ("class (.cls, or .json with label)." if key in shown else "picture.")
        )
    return [Found(key, *place, said[key]) for key, place in shown.items()]


def _members(file: Path) -> Iterator[tuple[str, int, int, bytes | None]]:
    """(name, where its bytes begin, how many, the bytes of a .cls or .json) of what is read in a tar."""
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                hidden = any(step.startswith(".") and step != "." for step in member.name.split("/"))
                name = member.name.lower()
                if hidden or not member.isreg() or member.issparse():
                    continue
                if name.endswith(images.SUFFIXES):
                    yield member.name, member.offset_data, member.size, None
                elif name.endswith((".cls", ".json")):
                    inside = archive.extractfile(member)
                    assert inside
                    yield member.name, member.offset_data, member.size, inside.read(MOST_TEXT)
            end = archive.offset
        with open(file, "rb") as again:
            again.seek(end)
            rest = again.read(tarfile.BLOCKSIZE)
    except tarfile.ReadError as error:
        packed = _packed(file)
        said = "packed, so a picture in it cannot be found; unpack it first (gunzip)" if packed else "not a whole tar"
        raise InputError(f"{file}: {said} ({error}).") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}).") from error
    if rest.strip(b"\0"):  # tarfile ends quietly at a header that it cannot read
        raise InputError(f"{file}: damaged at byte {end}; what follows cannot be read.")


def _packed(file: Path) -> bool:
    with open(file, "rb") as opened:
        return opened.read(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"))


def _key(name: str) -> tuple[str, str]:
    """WebDataset's rule: `a/b.left.jpg` is "left.jpg" of the key "a/b"."""
    folder, slash, base = name.removeprefix("./").rpartition("/")
    stem, _, suffix = base.partition(".")
    return folder + slash + stem, suffix.lower()


def _class(name: str, suffix: str, text: bytes) -> int | None:
    """The index in a .cls or .json; None where a .json says nothing of it."""
    try:
        if suffix.endswith("cls"):
            return int(text)
        said = json.loads(text)
        label = said.get("label") if isinstance(said, dict) else None
        if label is None or type(label) is int:
            return label
        raise ValueError
    except (ValueError, RecursionError) as error:
        wanted = "a whole number" if suffix.endswith("cls") else 'JSON in which "label" is a whole number'
        raise InputError(f"{name}: {text[:40]!r}, wanted {wanted}: the index of a class.") from error


def _read(root: Path, files: Sequence[Path]) -> Shards:
    found = [index(file) for file in files]
    targets = {each.target for of in found for each in of}
    folder = root.parent if root.is_file() else root
    if not targets:
        raise InputError(f"{files[0]}: no picture in it ({', '.join(images.SUFFIXES)}).")
    return Shards(root, files, found, called.of(targets, called.read(folder), root))


def _parts(root: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in _tars(root):
        if file.name.lower().endswith(PACKED):
            raise InputError(f"{file}: packed, so a picture in it cannot be found; unpack it first (gunzip).")
        inner = file.parent != root and not root.is_file()
        found.setdefault(parts.part_of(file.parent.name if inner else file.stem), []).append(file)
    if not found:
        raise InputError(f"{root}: no tar in it; wanted train-000000.tar and more, in it or in train/ and val/.")
    return found


def _tars(root: Path) -> Iterator[Path]:
    """The tars of `root` itself, else those of the folders in it that name a part, in order."""
    if root.is_file():
        yield from [root] if root.name.lower().endswith((".tar", *PACKED)) else []
        return
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and parts.known(path.name)]
    for folder in [root, *folders]:
        yield from sorted(p for p in folder.iterdir() if p.is_file() and p.name.lower().endswith((".tar", *PACKED)))
