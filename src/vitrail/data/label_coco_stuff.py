"""COCO-Stuff 164k: COCO's pictures of 2017 with stuffthingmaps, or with mmsegmentation's maps of training ids.

Source: Caesar et al. (arXiv 1612.03716). Its pixel maps hold ids less one, 0 to 181, of which 11 were never used;
training ids leave those out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vitrail.data.label_map import IGNORED
from vitrail.data.label_pairs import Pairs, has_labels, match
from vitrail.data.label_set import WRONG, Scheme, table
from vitrail.errors import InputError

PARTS = {"train": "train2017", "val": "val2017"}
MAPS = ("stuffthingmaps", "annotations")
TRAINING_IDS = "_labelTrainIds"
VALUES = 182
UNUSED = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
LISTED = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag,
tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard,
tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot,
hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote,
keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear,
hair drier, toothbrush, banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet,
ceiling-other, ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt, door-stuff, fence,
floor-marble, floor-other, floor-stone, floor-tile, floor-wood, flower, fog, food-other, fruit, furniture-other, grass,
gravel, ground-other, hill, house, leaves, light, mat, metal, mirror-stuff, moss, mountain, mud, napkin, net, paper,
pavement, pillow, plant-other, plastic, platform, playingfield, railing, railroad, river, road, rock, roof, rug, salad,
sand, sea, shelf, sky-other, skyscraper, snow, solid-other, stairs, stone, straw, structural-other, table, tent,
textile-other, towel, tree, vegetable, wall-brick, wall-concrete, wall-other, wall-panel, wall-stone, wall-tile,
wall-wood, water-other, waterdrops, window-blind, window-other, wood
"""
NAMES = tuple(name.strip() for name in LISTED.split(","))


def looks(root: Path) -> bool:
    return any(_folders(root, folder) for folder in PARTS.values())


def read_parts(root: Path) -> dict[str, Pairs]:
    """The parts that have label maps; of several kinds beside each other, training ids."""
    there = {name: pair for name, folder in PARTS.items() if (pair := _folders(root, folder))}
    found = {}
    for name, (pictures, labels) in there.items():
        plain, made = (match(root, pictures, labels, (ending,)) for ending in ("", TRAINING_IDS))
        pairs = made if any(made.labels) else plain
        found[name] = pairs._replace(orphans=tuple(path for path in pairs.orphans if _made(path) == (pairs is made)))
    return found


def scheme(root: Path, files: Mapping[str, Pairs], reduce: bool) -> Scheme:
    if reduce:
        raise InputError(f"{root}: COCO-Stuff counts its classes from 0; leave reduce out.")
    kinds = {_made(path) for pairs in files.values() for path in pairs.labels if path}
    if kinds == {True}:
        return Scheme(NAMES, table(len(NAMES)))
    if len(kinds) > 1:
        raise InputError(f"{root}: label maps of training ids in one part and none in another; wanted them in both.")
    used = [value for value in range(VALUES) if value not in UNUSED]
    known = np.full(256, WRONG, dtype=np.int16)
    known[used] = np.arange(len(used))
    known[IGNORED] = IGNORED
    return Scheme(NAMES, known)


def _made(path: str) -> bool:
    return Path(path).stem.endswith(TRAINING_IDS)


def _folders(root: Path, part: str) -> tuple[Path, Path] | None:
    """Where the pictures and the label maps of a part lie."""
    pictures = next((path for path in (root / "images" / part, root / part) if path.is_dir()), None)
    labels = next((path for path in (root / maps / part for maps in MAPS) if path.is_dir() and has_labels(path)), None)
    return (pictures, labels) if pictures and labels else None
