"""Pictures of how far a model reaches: what positions in the centre, at an edge and in a corner read, by blocks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np
import torch

from vitrail.draw.reach import BARRED, Map, Shown, draw_reach
from vitrail.errors import InputError
from vitrail.geometry.links import Links
from vitrail.insight.reach import Sides, Trail, Walk, report
from vitrail.train.files import replacing

LONGEST_LINE = 2048  # tokens of a line that is drawn


def draw(name: str, trails: Sequence[Trail], out: str | Path) -> list[Path]:
    """Writes one PNG with a row for each stage where `out` ends in .png, else one for each stage into the folder `out`.

    Returns: What was written.
    Raises: InputError where `out` cannot be either.
    """
    out = Path(out)
    shown = stages(name, trails)
    size = "x".join(map(str, trails[0].body.input_size))
    if out.suffix.lower() == ".png":
        if out.is_dir():
            raise InputError(f"{out} is a folder, wanted a file.")
        files = {out: shown}
    else:
        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file, wanted a folder or a name that ends in .png.")
        out.mkdir(parents=True, exist_ok=True)
        files = {out / f"stage_{number}.png": [stage] for number, stage in enumerate(shown, start=1)}
    for path, rows in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            draw_reach(file, rows, f"{name} at {size}")
    return list(files)


def stages(name: str, trails: Sequence[Trail]) -> list[Shown]:
    """Each stage as it is drawn, with the maps of every structure beside each other."""
    found = report(name, trails)
    shown = []
    for number, stage in enumerate(found.structures[0].stages):
        walks = {trail.structure: trail.walks[number] for trail in trails}
        maps = [each for structure, walk in walks.items() for each in _maps(structure, walk)]
        shares = {structure or "own": walk.shares for structure, walk in walks.items()}
        lines = [f"stage {stage.stage}", " x ".join(map(str, stage.grid)), f"{stage.depth} blocks"]
        lines += [f"windows {' '.join('x'.join(map(str, sides)) for sides in stage.windows)}"] if stage.windows else []
        lines += [f"K {' '.join('x'.join(map(str, sides)) for sides in stage.kernels)}"] if stage.kernels else []
        shown.append(Shown("\n".join(lines), stage.depth, maps, shares))
    return shown


def targets(grid: Sides) -> dict[str, Sides]:
    """Three positions of a grid, (*S), whose last two axes are H and W."""
    middle = tuple(side // 2 for side in grid)
    return {"centre": middle, "edge": (*middle[:-2], 0, middle[-1]), "corner": (*middle[:-2], 0, 0)}


def first_reached(walk: Walk, target: Sides) -> np.ndarray:
    """(*S): the number of blocks after which `target` first reads a position, 0 where it never does."""
    found = torch.zeros(walk.grid, dtype=torch.long)
    for number, links in enumerate(walk.after, start=1):
        found[_read(links, target) & (found == 0)] = number
    return found.numpy()


def _read(links: Links, target: Sides) -> torch.Tensor:
    """(*S) boolean: what one position reads."""
    read = torch.zeros((), dtype=torch.bool)
    for term in links.terms:
        rows = [matrix[place] for matrix, place in zip(term, target, strict=True)]
        read = read | reduce(lambda left, row: left[..., None] & row, rows)
    return read


def _maps(structure: str, walk: Walk) -> list[Map]:
    """What three positions read, of clips at their own moment; of a line of tokens all rows in one map."""
    before = f"{structure}: " if structure else ""
    if len(walk.grid) == 1:
        return [Map(f"{before}token (down) and what it reads", _line(walk), None)]
    maps = []
    for title, target in targets(walk.grid).items():
        first = first_reached(walk, target)[target[:-2]]
        maps.append(Map(before + title, first, (target[-2], target[-1])))
    return maps


def _line(walk: Walk) -> np.ndarray:
    """(N, N): after how many blocks each token reads each before it."""
    (length,) = walk.grid
    if length > LONGEST_LINE:
        raise InputError(f"a line of {length} tokens is too long to draw; {LONGEST_LINE} go.")
    rows = np.stack([first_reached(walk, (token,)) for token in range(length)])
    rows[np.triu_indices(length, 1)] = BARRED
    return rows
