"""Pictures in one folder and label maps of the same names in another, with or without parts; CamVid among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from vitrail.data import classes as called
from vitrail.data import label_files
from vitrail.data.label_map import IGNORED
from vitrail.data.label_pairs import Pairs, has_labels, match, part_folders
from vitrail.data.label_set import Scheme, table

PICTURES = ("images", "img_dir", "imgs")
LABELS = ("labels", "annotations", "ann_dir", "masks")
BESIDE = ("annot", "_labels", "_masks")  # train beside trainannot
ENDINGS = ("", "_labelTrainIds", "_L", "_P", "_mask", "_label", "_labels", "_gt")

# Brostow et al. 2009 in SegNet's eleven classes, its order and colours; it wrote 11 where a pixel has none
CAMVID = (
    ("sky", (128, 128, 128)),
    ("building", (128, 0, 0)),
    ("pole", (192, 192, 128)),
    ("road", (128, 64, 128)),
    ("pavement", (60, 40, 222)),
    ("tree", (128, 128, 0)),
    ("sign", (192, 128, 128)),
    ("fence", (64, 64, 128)),
    ("car", (64, 0, 128)),
    ("pedestrian", (64, 64, 0)),
    ("bicyclist", (0, 128, 192)),
)
DRIVES = re.compile("(0001TP|0006R0|0016E5|Seq05VD)_")  # how its frames' names begin


def looks(root: Path) -> bool:
    return root.is_dir() and bool(_folders(root))


def read_parts(root: Path) -> dict[str, Pairs]:
    """Every part by its name; "all" where nothing is parted."""
    return {name: match(root, *pair, ENDINGS) for name, pair in _folders(root).items()}


def scheme(root: Path, files: Mapping[str, Pairs], reduce: bool) -> Scheme | None:
    """As classes.txt says, or CamVid's; None where only the files can tell how many classes there are."""
    names, known = called.read(root), None
    labelled = [path for pairs in files.values() for path in pairs.labels if path]
    palette = label_files.palette(root / labelled[0]) if labelled else None
    if names is None and not reduce and labelled and all(DRIVES.match(Path(path).name) for path in labelled):
        names = tuple(name for name, _ in CAMVID)
        palette = palette or tuple(colour for _, colour in CAMVID)
        known = table(len(names))
        known[len(names)] = IGNORED
    if names is None:
        return None
    return Scheme(names, table(len(names), reduce) if known is None else known, cut(palette, len(names), reduce))


def counted(files: Mapping[str, Pairs], count: int, reduce: bool) -> Scheme:
    """Classes named by their numbers."""
    first = next(pairs.root / path for pairs in files.values() for path in pairs.labels if path)
    palette = cut(label_files.palette(first), count, reduce)
    return Scheme(tuple(map(str, range(count))), table(count, reduce), palette)


def cut(palette: label_files.Palette | None, count: int, reduce: bool) -> label_files.Palette | None:
    """The colours of the classes; None where there are too few, or two are alike."""
    colours = (palette or ())[int(reduce) :][:count]
    return colours if len(set(colours)) == count else None


def _folders(root: Path) -> dict[str, tuple[Path, Path]]:
    """The folders of pictures and of label maps of each part."""
    pictures, labels = _first(root, PICTURES), _first(root, LABELS)
    if pictures and labels:
        inner, maps = part_folders(pictures), part_folders(labels)
        found = {name: (inner[name], maps[name]) for name in inner if name in maps}
        return _labelled(found or {"all": (pictures, labels)})
    found = {}
    for name, folder in part_folders(root).items():
        pictures, labels = _first(folder, PICTURES), _first(folder, LABELS)
        beside = next((path for path in (root / (folder.name + end) for end in BESIDE) if path.is_dir()), None)
        if pictures and labels:
            found[name] = (pictures, labels)
        elif beside:
            found[name] = (folder, beside)
    return _labelled(found)


def _labelled(found: dict[str, tuple[Path, Path]]) -> dict[str, tuple[Path, Path]]:
    return {name: (pictures, labels) for name, (pictures, labels) in found.items() if has_labels(labels)}


def _first(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)
