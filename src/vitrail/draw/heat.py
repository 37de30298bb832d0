"""Numbers over a picture as colours: heat laid over it, a map by itself, three components, windows.

Pictures are (H, W, 3) of 0 to 255, as they come out; H x W pixels, h x w positions of a map.
"""

from __future__ import annotations

import colorsys

import numpy as np
from matplotlib import colormaps

HEAT, PLAIN, FIELD = "turbo", "viridis", "magma"


def heated(picture: np.ndarray, heat: np.ndarray, strength: float = 0.55) -> np.ndarray:
    """A picture under heat, (H, W) in [0, 1]: in grey and faint where it is cold, in the heat's colour where hot."""
    colours = 255 * colormaps[HEAT](heat)[..., :3]
    grey = picture.mean(-1, keepdims=True) * 0.5 + picture * 0.5
    return _bytes((1 - strength) * grey + strength * colours)


def coloured(
    values: np.ndarray, colours: str = PLAIN, low: float | None = None, high: float | None = None
) -> np.ndarray:
    """(h, w) numbers -> (h, w, 3), from `low` to `high`, by default the 1st and the 99th percentile."""
    return _bytes(255 * colormaps[colours](scaled(values, low, high))[..., :3])


def scaled(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Numbers brought into [0, 1], from `low` to `high`, by default the 1st and the 99th percentile; 0 if all equal."""
    least = np.percentile(values, 1) if low is None else low
    most = np.percentile(values, 99) if high is None else high
    return np.clip((values - least) / max(most - least, np.finfo(np.float32).tiny), 0, 1)


def as_rgb(components: np.ndarray) -> np.ndarray:
    """(3, h, w) numbers of mean 0 -> (h, w, 3): each a colour, 0 as middle grey, its 98th percentile at the end."""
    reach = np.percentile(np.abs(components), 98, axis=(1, 2), keepdims=True)
    return _bytes(127.5 + 127.5 * components / np.maximum(reach, np.finfo(np.float32).tiny)).transpose(1, 2, 0)


def enlarged(small: np.ndarray, size: tuple[int, int], stride: int | None = None) -> np.ndarray:
    """(h, w, ...) -> (H, W, ...), each position a block of pixels, cut where the last ones reach beyond the picture.

    Args:
        stride: Pixels of a position; by default as many as fill the picture.
    """
    rows, columns = (
        np.minimum(np.arange(side) // stride if stride else np.arange(side) * n // side, n - 1)
        for side, n in zip(size, small.shape[:2], strict=True)
    )
    return small[rows][:, columns]


def tinted(picture: np.ndarray, members: np.ndarray, chosen: int, edge: int = 1, strength: float = 0.62) -> np.ndarray:
    """A picture under the colours of its windows; the chosen window keeps the picture, inside a white edge.

    Args:
        members: (H, W) the window of each pixel.     edge: Pixels of the edge.
    """
    count = int(members.max()) + 1
    # neighbours in number differ in hue by the golden angle, and every third is darker
    hues = [colorsys.hsv_to_rgb((0.58 + 0.618034 * n) % 1, 0.62, (0.92, 0.74, 0.56)[n % 3]) for n in range(count)]
    own = members == chosen
    found = np.where(own[..., None], picture, (1 - strength) * picture + strength * 255 * np.asarray(hues)[members])
    return _bytes(np.where(_edges(own, edge)[..., None], 255, found))


def _edges(own: np.ndarray, width: int) -> np.ndarray:
    """Pixels of a region within `width` of one that is not; the border of the picture is none."""
    inner = own
    for _ in range(width):
        around = np.pad(inner, 1, mode="edge")
        inner = inner & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return own & ~inner


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
