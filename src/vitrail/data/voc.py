"""Pascal VOC's layout: an xml for each picture, with corners that count from 1 and include the last pixel.

`DATA/Annotations/*.xml` with `DATA/JPEGImages/` and lists in `DATA/ImageSets/Main/`, or folders `train` and `val` of
xml files beside their pictures.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from vitrail.data import classes as called
from vitrail.data import images, parts
from vitrail.data.annotations import Annotations, Problem, Reading, Record
from vitrail.errors import InputError

LISTS = "ImageSets/Main"
Part = dict[str, Path]  # the xml of each picture, by its stem


def looks(root: Path) -> bool:
    return root.is_dir() and bool(_parts(root)[0])


def read_parts(root: str | Path) -> dict[str, Annotations]:
    """Every part by its name. Classes are those of `classes.txt`, or all that occur, by the alphabet.

    A `difficult` object becomes a crowd: neither to be found nor wrong to be found, as in VOC's own measurement.
    Differs: COCO's measurement lets a box lie in a crowd by the share of the box, VOC's by intersection over union.
    Raises: InputError where there is none.
    """
    root = parts.existing(root)
    found, missing = _parts(root)
    if not found:
        raise InputError(f"{root}: no xml files of Pascal VOC.")
    trees = {name: {path: _tree(path) for path in part.values()} for name, part in found.items()}
    named = called.read(root)
    names = named or tuple(sorted({name for part in trees.values() for tree in part.values() for name in _names(tree)}))
    return {
        name: _read(
            root, trees[name], names, [Problem("entry", stem, f"{stem}.xml is missing") for stem in missing[name]]
        )
        for name in found
    }


def clean(annotations: Annotations, records: Sequence[Record], out: Path) -> None:
    """Writes an xml for each of these records into the folder `out`, with the objects that remain."""
    for record in records:
        tree = _tree(annotations.root / record.source)
        if not isinstance(tree, ElementTree.Element):
            continue
        kept = {int(origin): place for place, origin in enumerate(record.origins)}
        for origin, thing in enumerate(tree.findall("object")):
            if origin not in kept:
                tree.remove(thing)
            elif record.clipped[kept[origin]]:
                left, top, right, bottom = record.boxes[kept[origin]].tolist()
                for side, value in (("xmin", left + 1), ("ymin", top + 1), ("xmax", right), ("ymax", bottom)):
                    found = thing.find(f"bndbox/{side}")
                    assert found is not None
                    found.text = f"{value:g}"
        path = out / record.source
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_bytes(ElementTree.tostring(tree))
        os.replace(temporary, path)


def _parts(root: Path) -> tuple[dict[str, Part], dict[str, list[str]]]:
    """Of each part its xml files, and the stems that a list names in vain."""
    whole = _xml(root)
    lists = {path.stem: path for path in sorted((root / LISTS).glob("*.txt")) if parts.known(path.stem)}
    lists = {name: path for name, path in lists.items() if name in ("train", "val", "test", "trainval")}
    if "train" not in lists and "trainval" in lists:
        lists["train"] = lists["trainval"]
    lists.pop("trainval", None)
    if whole and lists:
        stems = {name: _stems(path) for name, path in lists.items()}
        found = {name: {stem: whole[stem] for stem in each if stem in whole} for name, each in stems.items()}
        return found, {name: [stem for stem in each if stem not in whole] for name, each in stems.items()}
    if whole:
        return {"all": whole}, {"all": []}
    inner = [folder for folder in sorted(root.iterdir()) if folder.is_dir() and parts.known(folder.name)]
    found = {parts.part_of(folder.name): _xml(folder) for folder in inner}
    found = {name: part for name, part in found.items() if part}
    return found, {name: [] for name in found}


def _xml(folder: Path) -> Part:
    inside = sorted((folder / "Annotations").glob("*.xml")) or sorted(folder.glob("*.xml"))
    return {path.stem: path for path in inside if not path.name.startswith(".")}


def _stems(path: Path) -> list[str]:
    lines = images.read_bytes(path).decode("utf-8", "replace").splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def _tree(path: Path) -> ElementTree.Element | str:
    """The xml, or what is wrong with it. Entities, which can grow without end, are not read."""
    try:
        content = images.read_bytes(path)
        if b"<!ENTITY" in content:
            return "declares entities, which no annotation needs"
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        return f"is no XML ({error})"
    except InputError as error:
        return str(error)


def _names(tree: ElementTree.Element | str) -> list[str]:
    return [] if isinstance(tree, str) else [(thing.findtext("name") or "").strip() for thing in tree.iter("object")]


def _read(
    root: Path, trees: dict[Path, ElementTree.Element | str], names: tuple[str, ...], problems: list[Problem]
) -> Annotations:
    records: list[Record] = []
    targets = {name: place for place, name in enumerate(names) if name}
    for path, tree in trees.items():
        where = images.printable(path.relative_to(root))
        if isinstance(tree, str):
            problems.append(Problem("entry", where, f"{where} {tree}"))
            continue
        height, width = (_number(tree.findtext(f"size/{side}")) for side in ("height", "width"))
        size = (int(height), int(width)) if height and width else None
        file = _picture(path, tree).relative_to(root).as_posix()
        reading = Reading(len(records) + 1, file, size, where, source=path.relative_to(root).as_posix())
        for origin, thing in enumerate(tree.findall("object")):
            problem = _take(reading, thing, origin, targets)
            if problem:
                problems.append(problem)
        records.append(reading.record())
    return Annotations(root, root, records, tuple(targets), tuple(range(1, len(targets) + 1)), tuple(problems))


def _take(reading: Reading, thing: ElementTree.Element, origin: int, targets: dict[str, int]) -> Problem | None:
    name = (thing.findtext("name") or "").strip()
    if name not in targets:
        return Problem("category", reading.where, f"{reading.where}: object {origin + 1} is {name!r}")
    corners = [_number(thing.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")]
    if any(corner is None for corner in corners):
        return Problem("entry", reading.where, f"{reading.where}: object {origin + 1} has no bndbox of four numbers")
    left, top, right, bottom = (float(corner or 0) for corner in corners)
    difficult = (thing.findtext("difficult") or "0").strip() == "1"
    return reading.box((left - 1, top - 1, right, bottom), targets[name], origin, difficult)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _picture(path: Path, tree: ElementTree.Element) -> Path:
    """The picture of an xml: of its own stem where there is one, else as it says."""
    folder = path.parent.parent / "JPEGImages" if path.parent.name == "Annotations" else path.parent
    if not folder.is_dir():
        beside = path.parent.parent / "images"
        folder = beside if beside.is_dir() else path.parent
    for suffix in images.SUFFIXES:
        for cased in (suffix, suffix.upper()):
            if (folder / (path.stem + cased)).is_file():
                return folder / (path.stem + cased)
    return folder / Path((tree.findtext("filename") or "").strip() or f"{path.stem}.jpg").name
