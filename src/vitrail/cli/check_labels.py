"""What `vitrail check` does with label maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vitrail.data.label_check import LabelReport


def layout(data: str) -> str | None:
    """The layout of label maps that the data has; None where it has none."""
    from vitrail.data import label_layouts

    return label_layouts.find(data)


def check_labels(data: str, layout: str, reduce: bool, size: int, out: Path | None, as_json: bool) -> None:
    """As `check` says. Exits with 1 where something would stop or spoil training."""
    from vitrail.cli import read
    from vitrail.cli.findings import show_findings
    from vitrail.data import label_layouts
    from vitrail.data.label_check import looks, report
    from vitrail.train.record import track

    parts = label_layouts.read_parts(data, layout, reduce, track=track)
    count = sum(map(len, parts.values()))
    found = report(parts, track(looks(parts), count, "looking"), size)
    if out:
        from vitrail.draw.dataset import draw_dataset

        pixels = sum(map(sum, found.areas.values())) + sum(found.ignored.values())
        shares = {part: [round(100 * area / pixels, 4) for area in each] for part, each in found.areas.items()}
        title = f"{data}: {len(found.classes)} classes in {count} pictures"
        draw_dataset(out, found.classes, shares, found.sizes, title, "pixels (% of all)")  # type: ignore[arg-type]
        typer.echo(f"drawn in {out}", err=True)
    if as_json:
        read.show_json(_document(data, layout, found))
    else:
        from rich.console import Console

        console = Console(highlight=False, markup=False)
        console.print(_parts(found))
        console.print()
        console.print(_classes(found))
        show_findings(console, found.findings)
    if not found.sound:
        raise typer.Exit(1)


def _document(data: str, layout: str, found: LabelReport) -> dict[str, Any]:
    from dataclasses import asdict

    from vitrail.data.check import summary

    return {
        "data": data,
        "layout": layout,
        "sound": found.sound,
        "classes": list(found.classes),
        "pictures": found.pictures,
        "counts": {part: dict(zip(found.classes, each, strict=True)) for part, each in found.counts.items()},
        "pixels": {part: dict(zip(found.classes, each, strict=True)) for part, each in found.areas.items()},
        "ignored": found.ignored,
        "sizes": {part: summary(each) for part, each in found.sizes.items()},
        "modes": found.modes,
        "findings": [asdict(finding) for finding in found.findings],
    }


def _parts(found: LabelReport) -> Any:
    """A row for each part: ranges, and the median of sizes."""
    from rich.table import Table

    from vitrail.cli.findings import ranges

    table = Table("part", box=None, header_style="bold")
    for column in ("pictures", "no class", "classes", "with one", "width", "height"):
        table.add_column(column, justify="right")
    for part, each in found.counts.items():
        total = sum(found.areas[part]) + found.ignored[part]
        share = f"{100 * found.ignored[part] / total:.1f} %" if total else ""
        table.add_row(part, str(found.pictures[part]), share, *ranges(each, found.sizes[part]))
    return table


def _classes(found: LabelReport) -> Any:
    """A row for each class: its share of the pixels that have one, and the pictures it is in."""
    from rich.table import Table

    table = Table("class", box=None, header_style="bold")
    for part in found.areas:
        table.add_column(part, justify="right")
        table.add_column("pictures", justify="right")
    for k, name in enumerate(found.classes):
        cells = []
        for part, each in found.areas.items():
            cells += [f"{100 * each[k] / max(sum(each), 1):.2f} %", str(found.counts[part][k])]
        table.add_row(name, *cells)
    return table
