"""How cost grows with the picture: time = a * pixels^b, fitted through the sizes of one run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

FEWEST = 3  # sizes that a line with an error is drawn through


class Fit(NamedTuple):
    """y = factor * x^exponent; `error` is the exponent's standard error."""

    factor: float
    exponent: float
    error: float


def fit(x: Sequence[float], y: Sequence[float]) -> Fit:
    """Least squares of log y over log x. Raises: ValueError for fewer than three different x."""
    if len(set(x)) < FEWEST:
        raise ValueError(f"a fit wants {FEWEST} sizes or more, {len(set(x))} came.")
    offset, slope, error = _line([math.log(each) for each in x], [math.log(each) for each in y])
    return Fit(math.exp(offset), slope, error)


def growth(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One fit for each contender, mode, type of numbers and batch that was measured at three sizes or more.

    Args:
        rows: As `bench` makes them.
    Returns:
        Dictionaries with "model", "way", "mode", "dtype", "batch", "pixels" of the sizes, "seconds" (the median of a
        step, one a size), "factor", "exponent", "error"; and with "megabytes_per_megapixel", the slope of the peak
        memory over all pixels of a batch (None where memory was not measured at three sizes).
    """
    groups: dict[tuple, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in ("model", "way", "mode", "dtype", "batch")), []).append(row)
    found = []
    for (model, way, mode, dtype, batch), group in groups.items():
        pixels = [row["size"][0] * row["size"][1] for row in group]
        if len(set(pixels)) < FEWEST:
            continue
        seconds = [batch / row["images_per_second"] for row in group]
        found.append(
            {
                "model": model,
                "way": way,
                "mode": mode,
                "dtype": dtype,
                "batch": batch,
                "pixels": pixels,
                "seconds": seconds,
                **fit(pixels, seconds)._asdict(),
                "megabytes_per_megapixel": _memory_slope(group),
            }
        )
    return found


def _memory_slope(rows: Sequence[Mapping[str, Any]]) -> float | None:
    points = [(row["batch"] * row["size"][0] * row["size"][1], row["memory"]) for row in rows if row["memory"]]
    if len({x for x, _ in points}) < FEWEST:
        return None
    return _line([x for x, _ in points], [y for _, y in points])[1]


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Offset and slope of the line of least squares, and the standard error of the slope."""
    count, middle_x, middle_y = len(x), math.fsum(x) / len(x), math.fsum(y) / len(y)
    wide = math.fsum((a - middle_x) ** 2 for a in x)
    slope = math.fsum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True)) / wide
    offset = middle_y - slope * middle_x
    left = math.fsum((b - offset - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    return offset, slope, math.sqrt(left / (count - 2) / wide)
