"""YOLO's layout: a text for each picture, a line for each box: class, centre, width and height as shares.

`DATA/images/train/` with `DATA/labels/train/`, or `DATA/train/images/` with `DATA/train/labels/`; class names in
`data.yaml`, which may also say where the pictures are, or in `classes.txt`. A line with
three points or more is a polygon.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vitrail.data import classes as called
from vitrail.data import images, parts
from vitrail.data.annotations import Annotations, Problem, Reading, Record
from vitrail.data.folders import picture_files
from vitrail.errors import InputError

YAML = ("data.yaml", "dataset.yaml", "data.yml")
SUFFIXES = (".yaml", ".yml")


def looks(root: Path) -> bool:
    if root.is_file():
        return root.suffix.lower() in SUFFIXES
    return any((root / name).is_file() for name in YAML) or any(_label_folders(root))


def read_parts(root: str | Path) -> dict[str, Annotations]:
    """Every part by its name.

    Raises: InputError where names or pictures are missing.
    """
    root = parts.existing(root)
    file = root if root.is_file() else next((root / name for name in YAML if (root / name).is_file()), None)
    folder = root.parent if root.is_file() else root
    said = _yaml(file) if file else {}
    found = _said_parts(said, file) if file else {}
    found = found or _found_parts(folder)
    if not found:
        raise InputError(f"{root}: no pictures of YOLO's layout; wanted images/train and labels/train.")
    names = _names(said, file) or called.read(folder) or called.read(folder / "labels")
    lines = {name: {path: _lines(label_of(path)) for path in pictures} for name, pictures in found.items()}
    if names is None:
        seen = {target for part in lines.values() for rows in part.values() for target in _targets(rows)}
        names = called.of(seen, None, folder)
    return {name: _read(folder, part, names) for name, part in lines.items()}


def label_of(picture: Path) -> Path:
    """The text of a picture: its last folder `images` becomes `labels`; beside the picture where it has none."""
    steps = list(picture.parts)
    for place in range(len(steps) - 2, -1, -1):
        if steps[place] == "images":
            return Path(*steps[:place], "labels", *steps[place + 1 :]).with_suffix(".txt")
    return picture.with_suffix(".txt")


def clean(annotations: Annotations, records: Sequence[Record], out: Path) -> None:
    """Writes a text for each of these records into the folder `out`, with the lines that remain; a cut box anew."""
    for record in records:
        if not record.source:
            continue
        rows = _lines(annotations.root / record.source)
        kept = []
        for place, origin in enumerate(record.origins.tolist()):
            row = rows[origin]
            if record.clipped[place] and record.segments[place] is None:
                left, top, right, bottom = record.boxes[place].tolist()
                sides = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
                row = " ".join([row.split()[0], *(f"{side:.6f}" for side in sides)])
            kept.append(row + "\n")
        source = Path(record.source)
        path = out / (source.name if source.is_absolute() else source)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text("".join(kept), encoding="utf-8")
        os.replace(temporary, path)


def _label_folders(root: Path) -> list[Path]:
    likely = [root / "labels", *(folder / "labels" for folder in sorted(root.iterdir()) if parts.known(folder.name))]
    return [folder for folder in likely if folder.is_dir() and next(folder.rglob("*.txt"), None)]


def _yaml(file: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise InputError(f"{file} needs PyYAML, which is missing: pip install 'vitrail[detection]'.") from error
    try:
        said = yaml.safe_load(images.read_bytes(file).decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{file}: no YAML ({str(error).splitlines()[0]}).") from error
    if not isinstance(said, dict):
        raise InputError(f"{file}: wanted names, train and val in it.")
    return said


def _names(said: dict[str, Any], file: Path | None) -> tuple[str, ...] | None:
    names = said.get("names")
    if names is None:
        return None
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise InputError(f"{file}: names want the numbers 0 to {len(names) - 1}.")
        names = [names[place] for place in range(len(names))]
    if not isinstance(names, list) or not names:
        raise InputError(f"{file}: names want a list.")
    return tuple(str(name) for name in names)


def _said_parts(said: dict[str, Any], file: Path) -> dict[str, list[Path]]:
    """The pictures that the yaml names; its own folder stands in for a `path` that this machine lacks."""
    base = file.parent / str(said.get("path") or ".")
    base = base if base.is_dir() else file.parent
    found: dict[str, list[Path]] = {}
    for name in ("train", "val", "valid", "test"):
        places = said.get(name)
        if not places:
            continue
        pictures: list[Path] = []
        for place in places if isinstance(places, list) else [places]:
            pictures += _pictures(base, str(place), file)
        found[parts.part_of(name)] = pictures
    return found


def _pictures(base: Path, place: str, file: Path) -> list[Path]:
    """Under the base, or as Roboflow writes it, with a `..` too many."""
    for path in (base / place, base / place.removeprefix("../")):
        if path.is_dir():
            return picture_files(path)
        if path.is_file():
            lines = images.read_bytes(path).decode("utf-8", "replace").splitlines()
            return [path.parent / line.strip() for line in lines if line.strip()]
    raise InputError(f"{file}: {base / place} is neither a folder of pictures nor a list of them.")


def _found_parts(root: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in sorted(path for path in root.glob("images/*") if path.is_dir() and parts.known(path.name)):
        found[parts.part_of(folder.name)] = picture_files(folder)
    for folder in sorted(path for path in root.glob("*/images") if parts.known(path.parent.name)):
        found.setdefault(parts.part_of(folder.parent.name), picture_files(folder))
    if not found and (root / "images").is_dir():
        found["all"] = picture_files(root / "images")
    return {name: pictures for name, pictures in found.items() if pictures}


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [line.strip() for line in images.read_bytes(path).decode("utf-8", "replace").splitlines()]


def _targets(rows: list[str]) -> set[int]:
    first = {row.split()[0] for row in rows if row}
    return {int(word) for word in first if word.isascii() and word.isdigit()}


def _read(root: Path, lines: dict[Path, list[str]], names: tuple[str, ...]) -> Annotations:
    records: list[Record] = []
    problems: list[Problem] = []
    for picture, rows in lines.items():
        label, where = label_of(picture), _under(picture, root)
        source = _under(label, root) if label.is_file() else ""
        reading = Reading(len(records) + 1, where, None, images.printable(where), relative=True, source=source)
        for origin, row in enumerate(rows):
            problem = _take(reading, row, origin, len(names)) if row else None
            if problem:
                problems.append(problem)
        records.append(reading.record())
    known = {label_of(picture) for picture in lines}
    for folder in sorted({label.parent for label in known}):
        for label in sorted(folder.glob("*.txt")) if folder.name != root.name else []:
            if label not in known and label.name != called.FILE:
                where = images.printable(_under(label, root))
                problems.append(Problem("picture", where, f"{where} has no picture"))
    return Annotations(root, root, records, names, tuple(range(len(names))), tuple(problems))


def _under(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path.absolute())


def _take(reading: Reading, row: str, origin: int, count: int) -> Problem | None:
    words = row.split()
    line = f"{reading.where}: line {origin + 1}"
    try:
        values = [float(word) for word in words[1:]]
    except ValueError:
        return Problem("entry", reading.where, f"{line} holds something else than numbers")
    if not (words[0].isascii() and words[0].isdigit()) or int(words[0]) >= count:
        return Problem("category", reading.where, f"{line} names class {words[0]}, wanted 0 to {count - 1}")
    if len(values) == 4:
        x, y, width, height = values
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return reading.box(corners, int(words[0]), origin)
    if len(values) < 6 or len(values) % 2:
        return Problem("entry", reading.where, f"{line} has {len(words)} numbers; wanted 5, or a polygon of 7 or more")
    across, down = values[::2], values[1::2]
    corners = (min(across), min(down), max(across), max(down))
    return reading.box(corners, int(words[0]), origin, segment=[values])
