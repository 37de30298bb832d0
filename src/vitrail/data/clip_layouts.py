"""The layouts that videos with classes come in, told apart by looking."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vitrail.data import clip_folders, clip_lists, clip_something, parts
from vitrail.data.clip_set import Clips
from vitrail.errors import InputError, nearest


class ClipLayout(Protocol):
    """What the file of a layout has."""

    def looks(self, root: Path) -> bool: ...

    def open_split(self, root: str | Path, held_out: float, seed: int) -> tuple[Clips, Clips]: ...

    def open_held_out(self, root: str | Path, classes: tuple[str, ...]) -> Clips: ...


LAYOUTS: dict[str, ClipLayout] = {"lists": clip_lists, "videos": clip_folders, "something": clip_something}
SHAPES = {
    "lists": "train.csv with lines `videos/abc.mp4 0`, or `frames/abc 250 0`",
    "videos": "train/CLASS/x.mp4 or CLASS/x.mp4",
    "something": "labels.json with train.json and ID.webm",
}


def find(root: str | Path) -> str | None:
    """The name of the layout of videos under `root`; None where there is none.

    Lists and json files that say what the videos show go before the folders the videos lie in.
    Raises: InputError where two of them fit, or nothing is there.
    """
    root = parts.existing(root)
    fitting = [name for name in ("lists", "something") if LAYOUTS[name].looks(root)]
    if len(fitting) > 1:
        raise InputError(f"{root} fits several layouts, {' and '.join(fitting)}; say which: data.layout={fitting[0]}.")
    if fitting:
        return fitting[0]
    return "videos" if clip_folders.looks(root) else None


def open_split(root: str | Path, layout: str = "auto", held_out: float = 0.2, seed: int = 0) -> tuple[Clips, Clips]:
    """The training and the held-out videos.

    Args:
        layout: A name in `LAYOUTS`, or "auto": the one that `find` finds.
        held_out: Share of each class that is held out, 0 to 1, where the data has no held-out part of its own.
    Raises: InputError for data that cannot be used.
    """
    return _layout(root, layout).open_split(root, held_out, seed)


def open_held_out(root: str | Path, layout: str, classes: tuple[str, ...]) -> Clips:
    """The videos a model with these classes is measured on: the held-out part where there is one, else all.

    Raises: InputError for data that cannot be used, or a video of a class that the model lacks.
    """
    return _layout(root, layout).open_held_out(root, classes)


def _layout(root: str | Path, name: str) -> ClipLayout:
    if name == "auto":
        found = find(root)
        if not found:
            shapes = "; ".join(f"{each}: {shape}" for each, shape in SHAPES.items())
            raise InputError(f"{root}: no videos that vitrail knows; wanted one of {shapes}.")
        name = found
    if name not in LAYOUTS:
        raise InputError(f"layout={name!r} is none of auto, {', '.join(LAYOUTS)}." + nearest(name, LAYOUTS))
    return LAYOUTS[name]
