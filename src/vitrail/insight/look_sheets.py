"""What every kind of look is given, and how its picture and its numbers are written side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitrail.draw.sheet import Panel, Scale, draw_sheet
from vitrail.insight.opening import Seen
from vitrail.recipes.asking import stems
from vitrail.train.files import replacing
from vitrail.train.record import write_text


@dataclass(frozen=True, eq=False)
class View:
    """Models that look at the same files, and what is asked.

    out: The folder that pictures go to.     class_name: Of cam; None is the likeliest of each picture.
    blocks: Of features, numbers from 1 or "last"; None is the last block of each stage.
    stages: Of field, from 1; None is all.     samples: Of field, pictures of noise; 0 takes the files.
    """

    models: tuple[Seen, ...]
    files: tuple[Path, ...]
    out: Path
    class_name: str | None = None
    blocks: tuple[str, ...] | None = None
    stages: tuple[int, ...] | None = None
    samples: int = 16

    @property
    def names(self) -> list[str]:
        """A name for each file."""
        return stems(self.files)

    def shown(self) -> list[np.ndarray]:
        """The files as the first model has them, (H', W', 3) of 0 to 255."""
        return self.models[0].shown(self.files)

    def titles(self, models: Sequence[Seen]) -> list[str]:
        """What stands above the column of each model, or before its row."""
        return [seen.label + (" (random weights)" if seen.random else "") for seen in models]


def write(
    view: View,
    name: str,
    document: dict[str, Any],
    rows: Sequence[Sequence[Panel | None]],
    columns: Sequence[str],
    names: Sequence[str] = (),
    title: str = "",
    scale: Scale | None = None,
) -> dict[str, Any]:
    """Writes NAME.png and NAME.json; returns the document with the picture's name."""
    said = {"picture": f"{name}.png", "models": [_said(seen) for seen in view.models], **document}
    with replacing(view.out / f"{name}.png") as file:
        draw_sheet(file, rows, columns, names, title, scale)
    write_text(view.out / f"{name}.json", json.dumps(said, indent=1) + "\n")
    return said


def _said(seen: Seen) -> dict[str, Any]:
    return {"label": seen.label, "model": seen.model.name, "random_weights": seen.random, "size": list(seen.size)}


def file_name(label: str) -> str:
    """A label as a part of a file's name."""
    return label.replace("/", "-")


def rounded(values: Any, digits: int = 4) -> Any:
    """A tensor as nested lists."""
    return np.round(np.asarray(values, dtype=np.float64), digits).tolist()
