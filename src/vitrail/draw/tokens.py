"""What a text is like at a glance: which tokens are frequent, and how quickly they become rare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import NullFormatter

from vitrail.draw.style import COLOURS, figure, legible, quiet, save

SHOWN = 40  # tokens whose names stand beside their bars


def draw_tokens(
    path: str | Path, names: Sequence[str], counts: Mapping[str, Sequence[int]], title: str, what: str
) -> None:
    """Writes the share of the most frequent tokens in each part, and of all of them by rank.

    Args:
        names: Of each token, (V,).     counts: For each part how often each occurs, (V,).
        what: What tokens are called.
    """
    drawing = figure(11.0, 6.4, title)
    bars, ranks = drawing.subplots(1, 2)
    shares = {part: np.asarray(each) / max(sum(each), 1) for part, each in counts.items()}
    total = np.sum(list(shares.values()), axis=0)
    order = [int(token) for token in np.argsort(total, kind="stable")[::-1][:SHOWN] if total[token] > 0][::-1]
    quiet(bars, f"the most frequent {what}, percent of each part")
    height = 0.8 / max(len(shares), 1)
    for number, (part, each) in enumerate(shares.items()):
        places = np.arange(len(order)) + height * (len(shares) / 2 - number - 0.5)
        bars.barh(places, [100 * each[token] for token in order], height=height, color=COLOURS[number], label=part)
    bars.set_yticks(range(len(order)), [legible(repr(names[token])) for token in order])
    bars.margins(y=0.01)
    bars.grid(axis="y", visible=False)
    quiet(ranks, f"share of each of the {what}, by rank")
    for number, each in enumerate(shares.values()):
        there = np.sort(each[each > 0])[::-1]
        if len(there):
            ranks.loglog(range(1, len(there) + 1), 100 * there, color=COLOURS[number], linewidth=1.8)
    ranks.set_xlabel("rank", fontsize=8.5)
    ranks.set_ylabel("percent", fontsize=8.5)
    for axis in (ranks.xaxis, ranks.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(NullFormatter())
    handles, labels = bars.get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    save(drawing, path)
