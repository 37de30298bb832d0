"""Lists of videos: a line for each, its path and its class, as Kinetics-400 is laid out; or folders of frames.

    DATA/train.csv     videos/abc.mp4 3          also `videos/abc.mp4,3`, tabs, and class names in place of numbers
    DATA/val.csv       videos/def.mp4 0
    DATA/classes.txt   one name a line, in the order of the indices; may be missing

A folder of frames stands with their number: `frames/abc 250 3`. Paths may hold spaces.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitrail.data import classes as called
from vitrail.data import parts
from vitrail.data.clip_set import Clips, split
from vitrail.data.images import printable
from vitrail.data.video import SUFFIXES
from vitrail.data.video_folder import template_of
from vitrail.errors import InputError, nearest

LISTS = (".csv", ".txt")


@dataclass(frozen=True)
class Line:
    """One video. total: Of its frames, where they lie in a folder."""

    path: str
    label: str
    total: int | None = None


def looks(root: Path) -> bool:
    """Whether a list of videos or of folders of frames lies in the folder."""
    return root.is_dir() and any(_first(path) for path in _lists(root))


def open_split(root: str | Path, held_out: float = 0.2, seed: int = 0) -> tuple[Clips, Clips]:
    """The training and the held-out videos. Raises: InputError for lists that cannot be used."""
    root, found = _parts(root)
    training, beside = parts.choose(found, root)
    classes = called.read(root)
    whole = _read(root, found[training], classes)
    return split(whole, _read(root, found[beside], classes or whole.classes) if beside else None, held_out, seed)


def open_held_out(root: str | Path, classes: tuple[str, ...]) -> Clips:
    """The videos a model with these classes is measured on: the held-out part where there is one, else all."""
    root, found = _parts(root)
    return _read(root, found[parts.measured(found, root)], called.read(root) or classes).reindexed(classes)


def read(path: Path) -> list[Line]:
    """The lines of a list. Raises: InputError naming the file and the line that cannot be understood."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{printable(path)}: cannot be read as text; wanted a line for each video.") from error
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise InputError(f"{printable(path)}: an empty list; wanted a line for each video, its path and its class.")
    found = []
    for number, line in lines:
        one = parse(line)
        if one is None:
            raise InputError(
                f"{printable(path)}: line {number}, {line[:80]!r}, is neither `video.mp4 CLASS` "
                f"({', '.join(SUFFIXES)}) nor `folder FRAMES CLASS`."
            )
        found.append(one)
    return found


def parse(line: str) -> Line | None:
    """A line understood; None for one that names no video. Comma, tab or spaces part its fields."""
    for mark in ("\t", ",", " "):
        if mark not in line:
            continue
        path = _video(line, mark)
        if path:
            return path
        fields = [field.strip() for field in line.rsplit(mark, 2)]
        if len(fields) == 3 and all(fields) and re.fullmatch(r"[1-9]\d{0,8}", fields[1]):
            return Line(_unquoted(fields[0]), _unquoted(fields[2]), int(fields[1]))
    return None


def _video(line: str, mark: str) -> Line | None:
    """The path ends at the first suffix of a video that a mark follows."""
    suffixes = "|".join(re.escape(suffix) for suffix in SUFFIXES)
    match = re.fullmatch(rf'(.+?(?:{suffixes})"?)\s*{re.escape(mark)}\s*(\S.*)', line, re.IGNORECASE)
    if not match or re.fullmatch(rf"\d+\s*{re.escape(mark)}\s*\d+", match[2]):  # two numbers: a folder of frames
        return None
    return Line(_unquoted(match[1]), _unquoted(match[2]))


def _unquoted(field: str) -> str:
    field = field.strip()
    return field[1:-1] if len(field) > 1 and field[0] == field[-1] == '"' else field


def _lists(root: Path) -> list[Path]:
    return sorted(
        path
        for path in root.iterdir()
        if path.suffix.lower() in LISTS and path.is_file() and path.name != called.FILE and parts.known(path.stem)
    )


def _first(path: Path) -> Line | None:
    """The first line of a list of videos; None where the file is none."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return parse(next((line.strip() for line in file if line.strip()), ""))
    except (OSError, UnicodeDecodeError):
        return None


def _parts(root: str | Path) -> tuple[Path, dict[str, Path]]:
    root = parts.existing(root)
    found: dict[str, Path] = {}
    for path in _lists(root) if root.is_dir() else ():
        if _first(path):
            name = parts.part_of(path.stem)
            if name in found:
                raise InputError(f"{root}: two lists for {name}, {found[name].name} and {path.name}; keep one.")
            found[name] = path
    if not found:
        raise InputError(f"{root}: no list of videos; wanted train.csv with lines such as `videos/abc.mp4 0`.")
    return root, found


def _read(root: Path, path: Path, names: tuple[str, ...] | None) -> Clips:
    """The videos of one list.

    Args:
        names: Of the classes, where they are known; labels are their numbers, or these names.
    """
    lines = read(path)
    numbered = all(re.fullmatch(r"-?\d{1,9}", line.label) for line in lines)
    if numbered and not (names and {line.label for line in lines} <= set(names)):
        targets = [int(line.label) for line in lines]
        classes = called.of(targets, names, path)
    else:
        classes = names or tuple(sorted({line.label for line in lines}))
        targets = [_place(line.label, classes, path) for line in lines]
    base = _base(root, path, lines[0])
    keys = [(base / line.path).as_posix() for line in lines]
    _once(keys, path)
    folders = [line.total is not None for line in lines]
    if any(folders) and not all(folders):
        odd = lines[folders.index(not folders[0])].path
        raise InputError(f"{path}: videos and folders of frames in one list ({lines[0].path}, {odd}); wanted one kind.")
    if not folders[0]:
        return Clips(root, keys, targets, classes)
    return Clips(root, keys, targets, classes, [line.total or 0 for line in lines], template_of(root / keys[0]))


def _place(label: str, classes: Sequence[str], path: Path) -> int:
    if label not in classes:
        raise InputError(f"{path}: {label!r} is none of the {len(classes)} classes." + nearest(label, classes))
    return classes.index(label)


def _base(root: Path, path: Path, line: Line) -> Path:
    """The folder below `root` that the paths of a list begin in: `root` itself, or one called like the part."""
    name = parts.part_of(path.stem)
    for base in ("", name, f"videos_{name}", f"rawframes_{name}", "videos", "rawframes"):
        if (root / base / line.path).exists():
            return Path(base)
    return Path()


def _once(keys: Sequence[str], path: Path) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise InputError(f"{path}: {key} is there twice; keep one line.")
        seen.add(key)
