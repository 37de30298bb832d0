"""ImageNet's other test sets, whose folders or files name the classes in their own way.

Where a map speaks of class i, it means the i-th of the 1000 classes in the order of their sorted WordNet ids, which is
the order of a model trained on folders named by those ids.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from vitrail.data import folders, images
from vitrail.data.collection import Collection
from vitrail.data.folders import ClassFolders
from vitrail.errors import InputError

NAME = re.compile(r"ILSVRC2012_val_(\d{8})(?:_n\d{8})?\.\w+")  # the validation pictures, counted from 1


class Real(ClassFolders):
    """Validation pictures with all classes that are right for each.

    sets: The sets of class indices that occur, in order; a picture's target is an index into them, and `classes` has
        a name for each.
    """

    def __init__(self, root: Path, labelled: dict[str, tuple[int, ...]], names: tuple[str, ...]) -> None:
        self.sets = tuple(sorted(set(labelled.values())))
        place = {chosen: index for index, chosen in enumerate(self.sets)}
        classes = tuple(" or ".join(names[index] for index in chosen) for chosen in self.sets)
        super().__init__(root, [(key, place[chosen]) for key, chosen in labelled.items()], classes)


def place(root: str | Path) -> Path:
    """Where the pictures are: `root/val` where it exists, else `root`. Raises: InputError where there is no folder."""
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: " + ("is a file, wanted a folder." if root.exists() else "no such folder."))
    return root / "val" if (root / "val").is_dir() else root


def read_real(path: str | Path) -> list[tuple[int, ...]]:
    """The classes of each validation picture, picture n at n - 1, from ReaL's real.json: a list of lists of indices.

    Source: Beyer et al. (arXiv 2006.07159).
    Raises: InputError where the file is missing or anything else.
    """
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not JSON"
        raise InputError(f"{path}: {reason}; wanted ReaL's real.json.") from error
    if not isinstance(said, list) or not all(
        isinstance(entry, list) and all(type(index) is int and index >= 0 for index in entry) for entry in said
    ):
        raise InputError(f"{path}: wanted a list with a list of class indices for each validation picture.")
    return [tuple(sorted(set(entry))) for entry in said]


def open_real(root: str | Path, labels: str | Path, classes: tuple[str, ...]) -> Real:
    """The ImageNet validation pictures under `root`, at any depth, with the classes of ReaL.

    Pictures to which ReaL gives no class are left out. Folders have no say; files keep their ILSVRC2012_val_ names.
    Raises: InputError for a picture of another name or number, or a class that the model lacks.
    """
    right, root = read_real(labels), place(root)
    labelled = {}
    for path in folders.picture_files(root):
        match = NAME.fullmatch(path.name)
        if not match or not 0 < int(match[1]) <= len(right):
            raise InputError(
                f"{path}: ReaL names ILSVRC2012_val_00000001.JPEG to ILSVRC2012_val_{len(right):08d}.JPEG."
            )
        chosen = right[int(match[1]) - 1]
        if chosen and chosen[-1] >= len(classes):
            raise InputError(f"{labels} gives {path.name} class {chosen[-1]}; this model has {len(classes)} classes.")
        if chosen:
            labelled[path.relative_to(root).as_posix()] = chosen
    if not labelled:
        raise InputError(f"{root} holds no picture that {labels} gives a class ({', '.join(images.SUFFIXES)}).")
    return Real(root, labelled, classes)


def numbered(names: tuple[str, ...], classes: tuple[str, ...]) -> bool:
    """Whether folders are named by the indices of the classes: whole numbers below K, which no class is called."""
    return bool(names) and all(
        re.fullmatch(r"[0-9]{1,9}", name) and int(name) < len(classes) and name not in classes for name in names
    )


def folder_names(root: str | Path) -> tuple[str, ...]:
    """What `read_classes` would take for classes, sorted."""
    return tuple(sorted(path.name for path in place(root).iterdir() if path.is_dir() and path.name[0] != "."))


def open_indices(root: str | Path, classes: tuple[str, ...]) -> ClassFolders:
    """Folders named by the class's index, 0 to K - 1, as those of ImageNet-V2.

    Raises: InputError for a folder of another name.
    """
    found = folders.read_classes(place(root))
    for name in found.classes:
        if not re.fullmatch(r"[0-9]{1,9}", name) or int(name) >= len(classes):
            raise InputError(f"{found.root}/{name}: wanted folders named 0 to {len(classes) - 1}.")
    return _relabelled(found, [int(name) for name in found.classes], classes)


def open_subset(root: str | Path, classes: tuple[str, ...]) -> tuple[ClassFolders, tuple[int, ...]]:
    """Folders named like some of the classes; and which ones, as indices into `classes` in order.

    The pictures' classes are those that are there, in the model's order: the protocol of ImageNet-A and ImageNet-R
    takes the highest score among the classes of the set (arXiv 1907.07174, 2006.16241).
    Raises: InputError for a folder of another name.
    """
    found = folders.read_classes(place(root), classes)
    kept = tuple(sorted(set(found.targets)))
    positions = [kept.index(index) if index in kept else -1 for index in range(len(classes))]
    return _relabelled(found, positions, tuple(classes[index] for index in kept)), kept


def open_ordered(root: str | Path, classes: tuple[str, ...]) -> ClassFolders:
    """As many folders as classes: the i-th of the sorted names is class i, whatever either is called.

    Raises: InputError for another number of folders.
    """
    found = folders.read_classes(place(root))
    if len(found.classes) != len(classes):
        raise InputError(
            f"{found.root} holds {len(found.classes)} class folders and the model has {len(classes)} classes; "
            f"by order there must be as many."
        )
    return _relabelled(found, list(range(len(classes))), classes)


def _relabelled(found: Collection, targets: list[int], classes: tuple[str, ...]) -> ClassFolders:
    pairs = [(key, targets[target]) for key, target in zip(found.keys, found.targets, strict=True)]
    return ClassFolders(Path(found.root), pairs, classes)
