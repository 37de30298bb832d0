"""ADE20K as SceneParsing has it: images/training with annotations/training, 150 classes counted from 1.

Source: Zhou et al. (arXiv 1608.05442); names in the order of its objectInfo150.txt, as mmsegmentation shortens them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vitrail.data import classes as called
from vitrail.data import images
from vitrail.data.label_pairs import Pairs, match, part_folders
from vitrail.data.label_set import Scheme, table
from vitrail.errors import InputError

INFO = "objectInfo150.txt"
OTHER = "other"  # what value 0 is called where it counts as a class
LISTED = """
wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door, table,
mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, armchair, seat,
fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, chest of drawers, counter,
sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, case, pool table, pillow,
screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill, bench, countertop,
stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, hovel, bus, towel, light, truck, tower,
chandelier, awning, streetlight, booth, television receiver, airplane, dirt track, apparel, pole, land, bannister,
escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain, conveyer belt, canopy, washer, plaything,
swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball, food, step, tank, trade name,
microwave, pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood, sconce, vase, traffic light, tray,
ashcan, fan, pier, crt screen, plate, monitor, bulletin board, shower, radiator, glass, clock, flag
"""
NAMES = tuple(name.strip() for name in LISTED.split(","))


def looks(root: Path) -> bool:
    """Whether the folders are there, and beside them its own files, or pictures that are named as its are."""
    training = part_folders(root / "images").get("train")
    if training is None or not part_folders(root / "annotations"):
        return False
    if any((root / name).is_file() for name in (INFO, "sceneCategories.txt")):
        return True
    return any(path.name.startswith("ADE_train_") for path in training.iterdir())


def read_parts(root: Path) -> dict[str, Pairs]:
    """Every part that has label maps; the test part has none."""
    labels = part_folders(root / "annotations")
    pictures = part_folders(root / "images")
    return {name: match(root, pictures[name], labels[name]) for name in pictures if name in labels}


def scheme(root: Path, files: Mapping[str, Pairs], reduce: bool) -> Scheme:
    """Names from classes.txt, else objectInfo150.txt, else `NAMES`.

    Args:
        reduce: Whether 0 stands for no class, as all papers have it; else it is a class of its own, "other".
    """
    names = called.read(root) or _info(root / INFO) or NAMES
    if not reduce and len(names) == len(NAMES):
        names = (OTHER, *names)
    return Scheme(names, table(len(names), reduce))


def _info(path: Path) -> tuple[str, ...] | None:
    """The first word for each class in the last column; all of its words where another begins with the same."""
    if not path.is_file():
        return None
    rows = images.read_bytes(path).decode("utf-8", "replace").strip().splitlines()[1:]
    words = [row.split("\t")[-1].strip() for row in rows]
    first = [word.replace(";", ",").split(",")[0].strip() for word in words]
    names = tuple(one if first.count(one) == 1 else word for one, word in zip(first, words, strict=True))
    if len(names) != len(NAMES) or not all(names):
        raise InputError(f"{path}: {len(names)} classes; wanted {len(NAMES)}, one a line below a heading.")
    return names
