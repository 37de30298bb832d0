"""The papers' figures beside ours as text: markdown, CSV, JSON; what is said of them in words."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from vitrail.insight.printed import MACHINES
from vitrail.insight.tables import Note, Quantity, Row

PAPER_NAMES = {
    "iwin": "[Iwin](https://arxiv.org/abs/2507.18405)",
    "swin": "[Swin](https://arxiv.org/abs/2103.14030)",
    "scalablevit": "[ScalableViT](https://arxiv.org/abs/2203.10790)",
}
LEAD = """\
Parameters in millions and multiply-adds in 10⁹, as the tables of the three papers print them, and as the same network
has them here, built on the meta device. Of detectors at 800 × 1280 pixels with 1000 regions and 100 masks, of
segmenters at 512 × 2048 without the auxiliary head, of clips of 32 frames, of classifiers at 224 × 224 where no size is
named. Ours are all of the released network's multiply-adds: the products of attention, and the zeros that fill up
windows, which the releases project and this library does not where that is cheaper
([what it saves](figures.md#detectors-and-segmenters)).

*Difference* is ours over the printed figure; beyond 1 % one reason stands beside it, the first of these that holds:

* *rounding*: ours, rounded or cut to the printed digits, is the printed figure;
* *counting without attention*: without the products of attention ours is within 1 %;
* *copied figure*: it is what the paper says of another network, or what the network's own paper says of it;
* *released ≠ paper*: the released network, which is ours, is known to be another than the printed one;
* *unexplained*: none of these.

Rows of networks that are not from these papers (ResNet, PVT, ConvNeXt and others) are left out. *release* is the page
of the released code, where it prints what the paper does not. [The counts that the releases have](figures.md), to the
last parameter, are on a page of their own.

What stands behind some of them: ScalableViT-S as released has 0.37 M fewer parameters than its printed totals need,
and the head of ScalableViT-L 4.4 M more. Iwin prints its detectors' and clips' costs without the products of attention
beside Swin's with them. Of the unexplained, Iwin's "down: DWConv" fits a depthwise convolution counted as a dense one;
Swin-T's 29 M fits parameters and buffers together, and ScalableViT's 39 M a 38.5 M that was rounded twice."""


def groups(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """The rows of each table, (paper, table), in their order."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.paper, row.table), []).append(row)
    return found


def title(paper: str, table: str) -> str:
    name = {"iwin": "Iwin", "swin": "Swin", "scalablevit": "ScalableViT"}[paper]
    return f"{name}, the release's page" if table == "release" else f"{name}, table {table}"


def cells(row: Row) -> tuple[str, str, str, str, str]:
    """quantity, printed, ours with two more digits, difference in percent, note."""
    unit = "" if row.quantity is Quantity.RATE else f", {row.quantity.unit}"
    digits = len(row.printed.partition(".")[2]) + (row.quantity is not Quantity.RATE) * 2
    ours = "–" if row.ours is None else f"{row.ours:.{digits}f}" if row.ours >= 10 else f"{row.ours:.{max(digits, 2)}f}"
    difference = "" if row.difference is None else f"{row.difference:+.2%}"
    return f"{row.quantity}{unit}", row.printed, ours, difference, row.note or ""


def summary(rows: Sequence[Row]) -> str:
    """How many figures agree, and how many have each note."""
    counted = [row for row in rows if row.quantity is not Quantity.RATE]
    apart = [(note, sum(row.note is note for row in counted)) for note in Note]
    said = ", ".join(f"{count} {note}" for note, count in apart if count)
    within = sum(row.note is None for row in counted)
    return f"{within} of {len(counted)} figures are within 1 %" + (f"; beyond: {said}." if said else ".")


def machines_line(measured: dict[str, Any], papers: Iterable[str]) -> str:
    """On what rates were printed and measured."""
    there = " and ".join(f"{MACHINES[paper]} ({paper})" for paper in MACHINES if paper in set(papers))
    here = f"{measured['machine']}; {measured['dtype']}, batch {measured['batch']}, PyTorch {measured['torch']}"
    return f"Images a second: printed on {there}; ours on {here}, {measured['date']}: no difference is given."


def markdown(rows: Sequence[Row], measured: dict[str, Any] | None = None) -> str:
    """A page: what the figures are, then a table for each of the papers' tables."""
    parts = ["# The papers' tables beside ours", "Made by `vitrail tables --markdown`; a test holds every row.", LEAD]
    parts.append(summary(rows))
    if measured:
        parts.append(machines_line(measured, {row.paper for row in rows}))
    for (paper, table), figures in groups(rows).items():
        name = title(paper, table)
        parts.append(f"## {name}")
        lines = ["| row | ours is | | printed | ours | difference | |", "|---|---|---|--:|--:|--:|---|"]
        before = None
        for row in figures:
            same, before = row.row == before, row.row
            what = ["", ""] if same else [row.row, f"`{row.model}`"]
            lines.append(f"| {' | '.join([*what, *cells(row)])} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def comma_separated(rows: Sequence[Row]) -> str:
    """One line a figure under a line of the fields' names; the unit is that of the quantity."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*Row._fields, "unit"])
    for row in rows:
        values = row._replace(ours=_short(row.ours), difference=_short(row.difference))
        writer.writerow(["" if value is None else value for value in [*values, row.quantity.unit]])
    return text.getvalue()


def as_json(rows: Sequence[Row], measured: dict[str, Any] | None = None) -> str:
    """`{"rows": [...], "measured": ...}`; measured says on what rates are ours, and None without them."""
    return json.dumps({"rows": [row.plain() for row in rows], "measured": measured}, indent=1, ensure_ascii=False)


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
