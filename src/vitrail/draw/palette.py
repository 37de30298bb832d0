"""Colours for classes: those that a data set brings, or as many as wanted that are as unlike as they can be."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from vitrail.draw.boxes import CLEAR

Colour = tuple[int, int, int]
NONE: Colour = (0, 0, 0)  # of a pixel that has no class
STEPS = 17  # greys of each channel that colours are chosen from
DARK, LIGHT = 0.35, 0.95  # lightness of Oklab within which colours are chosen


def palette(count: int, given: Sequence[Colour] | None = None) -> tuple[Colour, ...]:
    """RGB of each of `count` classes: `given` where it has that many, else `generated`."""
    return tuple(given[:count]) if given and len(given) >= count else generated(count)


@cache
def generated(count: int) -> tuple[Colour, ...]:
    """The same colours every time, a longer palette beginning with a shorter one.

    Ten that are clear beside each other, then each the one farthest from all before it, from black and from white, as
    eyes see distance: in Oklab (B. Ottosson, 2020). Very dark and very light ones are left out.
    """
    first = [tuple(int(text[place : place + 2], 16) for place in (1, 3, 5)) for text in CLEAR]
    if count <= len(first):
        return tuple(first[:count])  # type: ignore[arg-type]
    steps = np.linspace(0, 255, STEPS).round()
    choice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    seen = oklab(choice)
    apt = (seen[:, 0] > DARK) & (seen[:, 0] < LIGHT)
    choice, seen = choice[apt], seen[apt]
    distance = np.full(len(choice), np.inf)
    for place in oklab(np.asarray([*first, NONE, (255, 255, 255)], dtype=np.float64)):
        distance = np.minimum(distance, ((seen - place) ** 2).sum(1))
    found = list(first)
    while len(found) < count:
        best = int(distance.argmax())
        found.append(tuple(choice[best].astype(int).tolist()))
        distance = np.minimum(distance, ((seen - seen[best]) ** 2).sum(1))
    return tuple(found)  # type: ignore[arg-type]


def oklab(colours: np.ndarray) -> np.ndarray:
    """(n, 3) RGB of 255 -> (n, 3) lightness, green to red, blue to yellow."""
    shares = colours / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.asarray(
        [[0.4122214708, 0.2119034982, 0.0883024619], [0.5363325363, 0.6806995451, 0.2817188376],
         [0.0514459929, 0.1073969566, 0.6299787005]]
    )  # fmt: skip
    return np.cbrt(cones) @ np.asarray(
        [[0.2104542553, 1.9779984951, 0.0259040371], [0.7936177850, -2.4285922050, 0.7827717662],
         [-0.0040720468, 0.4505937099, -0.8086757660]]
    )  # fmt: skip
