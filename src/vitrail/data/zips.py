"""Pictures inside zip files: Swin's "zip mode", `train.zip` with `train_map.txt`, or class folders inside the zip."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from vitrail.data import classes as called
from vitrail.data import images, parts
from vitrail.data.collection import Collection, reindex, split
from vitrail.errors import InputError

MOST_BYTES = 256 * 2**20  # of one picture, unpacked
HEADER = struct.Struct("<4s22xHH")  # of a member: its magic, then the lengths of its name and its extra field
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Zip(Collection):
    """Members of a zip file with their classes.

    The file is opened for each picture and closed again, so that nothing is shared between processes.

    places: (P, 5) int64: for each picture where its header begins, its bytes in the file, its bytes unpacked, its
        method and its checksum.
    """

    def __init__(
        self, file: Path, members: Sequence[zipfile.ZipInfo], targets: Sequence[int], classes: tuple[str, ...]
    ) -> None:
        super().__init__(str(file), [member.filename for member in members], targets, classes)
        self.places = np.array(
            [(m.header_offset, m.compress_size, m.file_size, m.compress_type, m.CRC) for m in members], np.int64
        ).reshape(-1, 5)

    def content(self, index: int) -> bytes:
        start, stored, size, method, checksum = self.places[index].tolist()
        try:
            with open(self.root, "rb") as file:
                file.seek(start)
                magic, name, extra = HEADER.unpack(file.read(HEADER.size))
                file.seek(name + extra, 1)
                content = file.read(stored)
            if method == zipfile.ZIP_DEFLATED:
                content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size + 1)
        except OSError as error:
            raise InputError(f"{self.name(index)}: cannot be read ({error.strerror}).") from error
        except (struct.error, zlib.error) as error:
            raise InputError(f"{self.name(index)}: damaged inside the zip ({error}).") from error
        if magic != b"PK\3\4" or len(content) != size or zlib.crc32(content) != checksum:
            raise InputError(f"{self.name(index)}: damaged inside the zip (its checksum is another).")
        return content


def looks(root: Path) -> bool:
    """Whether `root` is a zip, or a folder of zips that name a part, have a map, or are one beside no folder."""
    if root.is_file():
        return root.suffix.lower() == ".zip"
    files = _files(root)
    return any(parts.known(file.stem) or _map(file).is_file() for file in files) or (
        len(files) == 1 and not any(path.is_dir() for path in root.iterdir())
    )


def open_split(root: str | Path, held_out: float = 0.2, seed: int = 0) -> tuple[Collection, Collection]:
    """The training and the held-out pictures of `train.zip` and `val.zip`, or of one zip parted as `split` says.

    Raises: InputError for what is missing, damaged, or does not fit together.
    """
    files = _parts(parts.existing(root))
    first, second = parts.choose(files, root)
    training = read(files[first])
    return split(training, read(files[second], training.classes) if second else None, held_out, seed)


def open_held_out(root: str | Path, classes: tuple[str, ...]) -> Collection:
    """The pictures a model with these classes is measured on: `val.zip` where it exists, else all there are."""
    files = _parts(parts.existing(root))
    train = files.get(parts.TRAINING)
    names = _names(train, _read_map(train)) if train and _map(train).is_file() else None
    return reindex(read(files[parts.measured(files, root)], names), classes)


def read(file: Path, names: tuple[str, ...] | None = None) -> Zip:
    """The pictures of NAME.zip that NAME_map.txt lists; without a map, those of the class folders inside.

    Args:
        names: What the indices of a map mean; else classes.txt beside says it, else the folders of its paths where
            each class has one of its own, else they are called by their numbers.
    """
    members = _members(file)
    if not _map(file).is_file():
        return _class_folders(file, members)
    listed = _read_map(file)
    absent = [path for path in listed if path not in members]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise InputError(f"{_map(file)}: {absent[0]!r}{more} not in {file.name}; capitals count.")
    targets = list(listed.values())
    names = called.of(targets, names, _map(file)) if names else _names(file, listed)
    return Zip(file, [_usable(file, members[path]) for path in listed], targets, names)


def _class_folders(file: Path, members: dict[str, zipfile.ZipInfo]) -> Zip:
    """CLASS/.../picture, also where one folder, as train/, holds all the class folders."""
    found = {}
    for name in sorted(members):
        steps = PurePosixPath(name).parts
        hidden = any(step.startswith(".") or step == "__MACOSX" for step in steps)
        if not hidden and name.lower().endswith(images.SUFFIXES):
            found[name] = steps
    if not found:
        raise InputError(f"{file}: neither {_map(file).name} beside it nor class folders with pictures inside.")
    while len({steps[0] for steps in found.values()}) == 1 and min(map(len, found.values())) > 2:
        found = {name: steps[1:] for name, steps in found.items()}
    for name, steps in found.items():
        if len(steps) == 1:
            raise InputError(f"{file}/{name}: in no class folder, and there is no {_map(file).name} beside the zip.")
    classes = tuple(sorted({steps[0] for steps in found.values()}))
    places = {name: index for index, name in enumerate(classes)}
    targets = [places[steps[0]] for steps in found.values()]
    return Zip(file, [_usable(file, members[name]) for name in found], targets, classes)


def _members(file: Path) -> dict[str, zipfile.ZipInfo]:
    """Every file inside a zip by its path."""
    try:
        with zipfile.ZipFile(file) as archive:
            return {member.filename: member for member in archive.infolist() if not member.is_dir()}
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise InputError(f"{file}: not a readable zip ({str(error).rstrip('.')}); was it copied whole?") from error


def _usable(file: Path, member: zipfile.ZipInfo) -> zipfile.ZipInfo:
    name = f"{file}/{member.filename}"
    if member.file_size > MOST_BYTES:
        raise InputError(f"{name}: {member.file_size} bytes unpacked are more than the limit of {MOST_BYTES}.")
    if member.flag_bits & 1:
        raise InputError(f"{name}: encrypted; wanted a zip without a password.")
    if member.compress_type not in METHODS:
        raise InputError(f"{name}: packed by method {member.compress_type}; wanted a zip that is stored or deflated.")
    return member


def _read_map(file: Path) -> dict[str, int]:
    """The path of each picture in the zip and the index of its class, in the order of the map."""
    path, found = _map(file), {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text; wanted lines PATH<tab>INDEX.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, _, index = line.rpartition("\t")
        if not name or not index.strip().isdecimal():
            raise InputError(f"{path}: line {number} is {line!r}; wanted PATH<tab>INDEX.")
        if name in found:
            raise InputError(f"{path}: line {number} lists {name!r} a second time.")
        found[name] = int(index)
    if not found:
        raise InputError(f"{path}: lists no picture; wanted lines PATH<tab>INDEX.")
    return found


def _names(file: Path, listed: dict[str, int]) -> tuple[str, ...]:
    """What the indices of a map mean."""
    said = called.read(file.parent)
    if said:
        return called.of(listed.values(), said, _map(file))
    numbers = called.of(listed.values(), None, _map(file))
    pairs = {(PurePosixPath(path).parent.name, index) for path, index in listed.items()}
    folders = {index: folder for folder, index in pairs}
    if len(pairs) == len(folders) == len(numbers) == len(set(folders.values()) - {""}):
        return tuple(folders[index] for index in range(len(folders)))
    return numbers


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.suffix.lower() == ".zip" and path.is_file())


def _parts(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in [root] if root.is_file() else _files(root):
        other = found.setdefault(parts.part_of(file.stem), file)
        if other is not file:
            raise InputError(f"{root}: two zips of one part, {other.name} and {file.name}; leave one.")
    if not found:
        raise InputError(f"{root}: no zip in it; wanted train.zip with train_map.txt, or with class folders inside.")
    return found


def _map(file: Path) -> Path:
    return file.with_name(f"{file.stem}_map.txt")
