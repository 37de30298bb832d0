"""COCO's layout: one json for each part, with polygons, run lengths and crowds; and the server's result files.

`DATA/annotations/instances_train2017.json` with `DATA/train2017/`, Roboflow's `DATA/train/_annotations.coco.json`, or
one json beside its pictures.   n boxes in a picture.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vitrail.data import images, parts
from vitrail.data.annotations import Annotations, Problem, Reading, Record
from vitrail.errors import InputError

WORDS = ("instances", "annotations", "coco")  # one of them names a json that does not lie in `annotations/`


def looks(root: Path) -> bool:
    """Whether an annotation file lies where one would."""
    return bool(_files(root))


def read_parts(root: str | Path) -> dict[str, Annotations]:
    """Every part by its name, as `train` and `val`.

    Raises: InputError for a file that is no COCO json, or two for one part.
    """
    root = parts.existing(root)
    found: dict[str, Annotations] = {}
    for file in _files(root):
        name = _part(file)
        if name in found:
            raise InputError(f"{file}: a second file of the part {name!r}, after {found[name].source}.")
        found[name] = read(file, None if root.is_file() else root)
    return found


def read(file: str | Path, data: Path | None = None, pictures: str | Path | None = None) -> Annotations:
    """What one json says.

    Args:
        data: The folder of the data set, where pictures are looked for; default: around the file.
        pictures: The folder that `file_name` is a path under; default: the first likely one that holds some.
    Raises: InputError for a file that is no COCO json.
    """
    file = Path(file)
    document = _document(file)
    numbers = sorted(_number(category["id"], file, "category") for category in document["categories"])
    names = {int(category["id"]): str(category["name"]) for category in document["categories"]}
    if len(names) != len(numbers):
        raise InputError(f"{file}: two categories have one id; give each its own.")
    targets = {number: place for place, number in enumerate(numbers)}
    problems: list[Problem] = []
    readings = dict(_pictures(document["images"], file, problems))
    seen: set[Any] = set()
    for origin, row in enumerate(document["annotations"]):
        problem = _take(row, origin, readings, targets, seen)
        if problem:
            problems.append(problem)
    records = [reading.record() for reading in readings.values()]
    if pictures is None:
        pictures = _folder(file, data or _around(file), [record.file for record in records])
    return Annotations(
        file, Path(pictures), records, tuple(names[number] for number in numbers), tuple(numbers), tuple(problems)
    )


def clean(annotations: Annotations, records: Sequence[Record], out: Path) -> None:
    """Writes the annotations of these records alone into the file `out`, all other fields as they were."""
    document = _document(annotations.source)
    kept = {int(origin): (record, place) for record in records for place, origin in enumerate(record.origins)}
    numbers = {record.id for record in records}
    listed: set[int] = set()
    pictures = []
    for row in document["images"]:
        number = _whole(row.get("id"))
        if number in numbers and number not in listed:
            listed.add(number)
            pictures.append(row)
    rows = []
    for origin, row in enumerate(document["annotations"]):
        if origin in kept:
            record, place = kept[origin]
            if record.clipped[place]:
                left, top, right, bottom = record.boxes[place].tolist()
                row = {**row, "bbox": [left, top, right - left, bottom - top]}
            rows.append(row)
    write_json({**document, "images": pictures, "annotations": rows}, out)


def write_json(value: Any, out: Path) -> None:
    """One json file, there whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(value), encoding="utf-8")
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(file: Path) -> Any:
    """Raises: InputError where the file holds no JSON."""
    try:
        return json.loads(images.read_bytes(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: no JSON ({str(error).splitlines()[0]}).") from error


def _files(root: Path) -> list[Path]:
    if root.is_file():
        return [root] if root.suffix.lower() == ".json" else []
    inside = sorted(path for path in root.glob("annotations/*.json") if not path.name.startswith("."))
    named = [path for path in inside if path.name.startswith("instances")]
    if inside:
        return named or inside
    beside = sorted([*root.glob("*.json"), *root.glob("*/*.json")])
    return [path for path in beside if any(word in path.name.lower() for word in WORDS)]


def _part(file: Path) -> str:
    inside = file.stem if parts.known(file.stem) else file.parent.name
    return parts.part_of(inside) if parts.known(inside) else parts.part_of(file.stem)


def _document(file: Path) -> dict[str, Any]:
    document = read_json(file)
    wanted = ("images", "annotations", "categories")
    if not isinstance(document, dict) or not all(isinstance(document.get(key), list) for key in wanted):
        raise InputError(f"{file}: no COCO annotations; wanted lists of {', '.join(wanted)}.")
    if not all(isinstance(row, dict) for key in wanted for row in document[key]):
        raise InputError(f"{file}: no COCO annotations; {', '.join(wanted)} hold something else than objects.")
    if not all("id" in row and "name" in row for row in document["categories"]):
        raise InputError(f"{file}: a category without id or name.")
    return document


def _pictures(rows: list[dict], file: Path, problems: list[Problem]) -> Iterator[tuple[int, Reading]]:
    seen: set[int] = set()
    for place, row in enumerate(rows):
        number, name = _whole(row.get("id")), row.get("file_name")
        where = f"picture {place + 1}" if number is None else f"picture {number}"
        if number is None or not isinstance(name, str) or not name:
            line = f"{where} has no whole number as id" if number is None else f"{where} has no file_name"
            problems.append(Problem("entry", where, line))
        elif number in seen:
            problems.append(Problem("double", images.printable(name), f"{where} is listed twice, again as {name}"))
        else:
            seen.add(number)
            width, height = _whole(row.get("width")), _whole(row.get("height"))
            size = (height, width) if width and height else None
            yield number, Reading(number, name, size, images.printable(name))


def _take(
    row: dict, origin: int, readings: dict[int, Reading], targets: dict[int, int], seen: set[Any]
) -> Problem | None:
    said = f"annotation {row.get('id', f'number {origin + 1}')}"
    number = _whole(row.get("image_id"))
    reading = readings.get(number) if number is not None else None
    if reading is None:
        return Problem("picture", said, f"{said} names picture {row.get('image_id')}")
    own = row.get("id")
    if isinstance(own, int | str):
        if own in seen:
            return Problem("double", reading.where, f"{reading.where}: the id of {said} was there before")
        seen.add(own)
    category = _whole(row.get("category_id"))
    if category is None or category not in targets:
        return Problem("category", reading.where, f"{reading.where}: {said} names category {row.get('category_id')}")
    box = row.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(side, int | float) for side in box):
        return Problem("entry", reading.where, f"{reading.where}: {said} has no bbox of four numbers")
    left, top, width, height = map(float, box)
    area = row.get("area")
    return reading.box(
        (left, top, left + width, top + height),
        targets[category],
        origin,
        bool(row.get("iscrowd", 0)),
        float(area) if isinstance(area, int | float) and area > 0 else math.nan,
        row.get("segmentation") or None,
    )


def _whole(value: Any) -> int | None:
    """A whole number, also as text, as some tools write it; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _number(value: Any, file: Path, what: str) -> int:
    number = _whole(value)
    if number is None:
        raise InputError(f"{file}: {what} id {value!r}; wanted a whole number.")
    return number


def _around(file: Path) -> Path:
    return file.parent.parent if file.parent.name == "annotations" else file.parent


def _folder(file: Path, data: Path, names: Sequence[str]) -> Path:
    """The first likely folder that holds one of the first pictures; the json's own where none does."""
    stem = file.stem.removeprefix("instances_")
    likely = [data / stem, data / "images" / stem]
    if parts.known(stem):
        likely += [data / parts.part_of(stem), data / "images" / parts.part_of(stem)]
    likely += [file.parent, file.parent / "images", data / "images", data]
    fitting = (folder for folder in likely if any((folder / name).is_file() for name in names[:20]))
    return next(fitting, next((folder for folder in likely if folder.is_dir()), file.parent))
