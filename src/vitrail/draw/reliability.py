"""Whether probabilities are to be believed: how often answers of each confidence were right."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vitrail.draw.style import COLOURS, INK, WRONG, figure, quiet, save


def draw_reliability(
    path: str | Path, count: np.ndarray, confidence: np.ndarray, right: np.ndarray, title: str
) -> None:
    """Writes the share that was right over confidence, the gap to the diagonal, and below how many there were.

    Args:
        count: (N,) answers whose confidence lies in each of N bins of equal width over [0, 1].
        confidence: (N,) sum of their confidences.      right: (N,) how many of them were right.
    """
    total = max(count.sum(), 1)
    error, mean, share = abs(right - confidence).sum() / total, confidence.sum() / total, right.sum() / total
    drawing = figure(5.4, 6.6, f"{title}\n")
    drawing.text(
        0.012,
        0.948,
        f"calibration error {100 * error:.2f} %, mean confidence {100 * mean:.2f} %, right {100 * share:.2f} %",
        fontsize=9.5,
        color=INK,
    )
    upper, lower = drawing.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    edges = np.linspace(0, 1, len(count) + 1)
    some, width = count > 0, 1 / len(count)
    shares, sure = (np.divide(part, count, out=np.zeros(len(count)), where=some) for part in (right, confidence))
    middle = edges[:-1] + width / 2
    quiet(upper)
    upper.bar(middle[some], shares[some], 0.9 * width, color=COLOURS[0], label="right")
    low, high = np.minimum(shares, sure), np.maximum(shares, sure)
    upper.bar(
        middle[some],
        (high - low)[some],
        0.9 * width,
        bottom=low[some],
        facecolor=(*_rgb(WRONG), 0.18),
        edgecolor=WRONG,
        linewidth=1.0,
        label="gap to the confidence",
    )
    upper.plot([0, 1], [0, 1], color=INK, linewidth=1.0, linestyle="--", label="as it should be")
    upper.set(xlim=(0, 1), ylim=(0, 1))
    upper.set_ylabel("share that was right", fontsize=9)
    quiet(lower)
    lower.bar(middle, 100 * count / total, 0.9 * width, color=COLOURS[5])
    lower.set_ylabel("% of all", fontsize=9)
    lower.set_xlabel("confidence: the highest probability", fontsize=9)
    drawing.align_ylabels()
    drawing.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    save(drawing, path)


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
