"""What `vitrail check` does with boxes and masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vitrail.data.detection_check import DetectionReport


def layout(data: str) -> str | None:
    """The layout of boxes that the data has; None where it has none."""
    from vitrail.data import detection_layouts

    return detection_layouts.find(data)


def check_boxes(data: str, layout: str, size: int, out: Path | None, clean: Path | None, as_json: bool) -> None:
    """As `check` says. Exits with 1 where something would stop or spoil training."""
    from vitrail.cli import read
    from vitrail.cli.findings import show_findings
    from vitrail.data import detection_layouts
    from vitrail.data.detection_check import looks, report, write_clean
    from vitrail.train.record import track

    parts = detection_layouts.read_parts(data, layout)
    count = sum(len(annotations.records) for annotations in parts.values())
    seen = list(track(looks(parts), count, "looking"))
    found = report(parts, seen, size)
    remaining = None
    if clean:
        remaining = write_clean(Path(data), layout, parts, seen, clean)
        typer.echo(f"{remaining} boxes written into {clean}", err=True)
    if out:
        from vitrail.draw.dataset import draw_dataset

        title = f"{data}: {sum(map(sum, found.counts.values()))} boxes in {count} pictures"
        draw_dataset(out, found.classes, found.counts, found.sizes, title, "boxes")
        typer.echo(f"drawn in {out}", err=True)
    if as_json:
        read.show_json(_document(data, layout, found) | ({} if remaining is None else {"cleaned": remaining}))
    else:
        from rich.console import Console

        console = Console(highlight=False, markup=False)
        console.print(_table(found))
        show_findings(console, found.findings)
    if not found.sound:
        raise typer.Exit(1)


def _document(data: str, layout: str, found: DetectionReport) -> dict[str, Any]:
    from dataclasses import asdict

    from vitrail.data.check import summary

    return {
        "data": data,
        "layout": layout,
        "sound": found.sound,
        "classes": list(found.classes),
        "pictures": found.pictures,
        "empty": found.empty,
        "counts": {part: dict(zip(found.classes, each, strict=True)) for part, each in found.counts.items()},
        "sizes": {part: summary(each) for part, each in found.sizes.items()},
        "modes": found.modes,
        "findings": [asdict(finding) for finding in found.findings],
    }


def _table(found: DetectionReport) -> Any:
    """A row for each part: ranges, and the median of sizes."""
    from rich.table import Table

    from vitrail.cli.findings import ranges

    table = Table("part", box=None, header_style="bold")
    for column in ("pictures", "empty", "boxes", "classes", "of a class", "width", "height"):
        table.add_column(column, justify="right")
    for part, each in found.counts.items():
        table.add_row(
            part,
            str(found.pictures[part]),
            str(found.empty[part]),
            str(sum(each)),
            *ranges(each, found.sizes[part]),
        )
    return table
