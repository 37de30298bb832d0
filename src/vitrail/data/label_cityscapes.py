"""Cityscapes: leftImg8bit/PART/CITY with gtFine/PART/CITY, 19 classes.

Source: Cordts et al. (arXiv 1604.01685); ids, training ids and colours are those of its scripts (labels.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vitrail.data.label_map import IGNORED
from vitrail.data.label_pairs import Pairs, label_paths, match, part_folders
from vitrail.data.label_set import WRONG, Scheme, table
from vitrail.errors import InputError

CLASSES = (  # id, name, colour; the training id is the place
    (7, "road", (128, 64, 128)),
    (8, "sidewalk", (244, 35, 232)),
    (11, "building", (70, 70, 70)),
    (12, "wall", (102, 102, 156)),
    (13, "fence", (190, 153, 153)),
    (17, "pole", (153, 153, 153)),
    (19, "traffic light", (250, 170, 30)),
    (20, "traffic sign", (220, 220, 0)),
    (21, "vegetation", (107, 142, 35)),
    (22, "terrain", (152, 251, 152)),
    (23, "sky", (70, 130, 180)),
    (24, "person", (220, 20, 60)),
    (25, "rider", (255, 0, 0)),
    (26, "car", (0, 0, 142)),
    (27, "truck", (0, 0, 70)),
    (28, "bus", (0, 60, 100)),
    (31, "train", (0, 80, 100)),
    (32, "motorcycle", (0, 0, 230)),
    (33, "bicycle", (119, 11, 32)),
)
IDS = 34  # 0 to 33; those of no class are not measured
TRAINING_IDS, LABEL_IDS = "_gtFine_labelTrainIds", "_gtFine_labelIds"


def looks(root: Path) -> bool:
    return bool(part_folders(root / "leftImg8bit")) and (root / "gtFine").is_dir()


def read_parts(root: Path) -> dict[str, Pairs]:
    """Every part that has label maps, with training ids where they were made. The test part's say nothing."""
    labels, pictures = part_folders(root / "gtFine"), part_folders(root / "leftImg8bit")
    found = {}
    for name in pictures:
        if name in labels and name != "test":
            pairs = match(root, pictures[name], labels[name], (_ending(root),), "_leftImg8bit")
            found[name] = pairs._replace(orphans=tuple(path for path in pairs.orphans if _ending(root) in path))
    return found


def scheme(root: Path, files: Mapping[str, Pairs], reduce: bool) -> Scheme:
    if reduce:
        raise InputError(f"{root}: Cityscapes marks no class by ids of their own, not by 0; leave reduce out.")
    names, palette = tuple(name for _, name, _ in CLASSES), tuple(colour for _, _, colour in CLASSES)
    if _ending(root) == TRAINING_IDS:
        return Scheme(names, table(len(names)), palette)
    known = np.full(256, WRONG, dtype=np.int16)
    known[[*range(IDS), IGNORED]] = IGNORED
    for place, (number, _, _) in enumerate(CLASSES):
        known[number] = place
    return Scheme(names, known, palette)


def _ending(root: Path) -> str:
    """What the label maps' names end in: training ids, where a part that is used has any."""
    parts = [folder for name, folder in part_folders(root / "gtFine").items() if name != "test"]
    made = any(path.stem.endswith(TRAINING_IDS) for folder in parts for path in label_paths(folder))
    return TRAINING_IDS if made else LABEL_IDS
