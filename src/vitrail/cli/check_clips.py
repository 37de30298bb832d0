"""What `vitrail check` does with videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vitrail.data.clip_check import ClipReport


def layout(data: str) -> str | None:
    """The layout of videos that the data has; None where it has none."""
    from vitrail.data import clip_layouts

    return clip_layouts.find(data)


def check_clips(data: str, layout: str, size: int, out: Path | None, as_json: bool) -> None:
    """As `check` says. Exits with 1 where something would stop or spoil training."""
    from vitrail.cli import read
    from vitrail.cli.findings import show_findings
    from vitrail.data import clip_layouts
    from vitrail.data.clip_check import looks, report
    from vitrail.train.record import track

    training, held_out = clip_layouts.open_split(data, layout)
    count = len(training) + len(held_out)
    found = report(track(looks(training, held_out), count, "looking"), training.classes, size)
    if out:
        from vitrail.draw.dataset import draw_dataset

        draw_dataset(out, found.classes, found.counts, found.sizes, f"{data}: {count} videos", "videos")
        typer.echo(f"drawn in {out}", err=True)
    if as_json:
        read.show_json(_document(data, layout, found))
    else:
        from rich.console import Console

        console = Console(highlight=False, markup=False)
        console.print(_table(found))
        console.print(
            f"\n{_many(found.codecs)}; {_many({f'{rate:g} a second': n for rate, n in found.rates.items()})}",
            soft_wrap=True,
        )
        show_findings(console, found.findings)
    if not found.sound:
        raise typer.Exit(1)


def _document(data: str, layout: str, found: ClipReport) -> dict[str, Any]:
    from dataclasses import asdict

    from vitrail.data.check import summary

    return {
        "data": data,
        "layout": layout,
        "sound": found.sound,
        "classes": list(found.classes),
        "counts": {part: dict(zip(found.classes, each, strict=True)) for part, each in found.counts.items()},
        "sizes": {part: summary(each) for part, each in found.sizes.items()},
        "frames": {part: _range(each) for part, each in found.frames.items()},
        "seconds": {part: _range(each) for part, each in found.seconds.items()},
        "rates": {f"{rate:g}": number for rate, number in found.rates.items()},
        "codecs": found.codecs,
        "findings": [asdict(finding) for finding in found.findings],
    }


def _table(found: ClipReport) -> Any:
    """A row for each part: ranges, and the median of sizes, frames and seconds."""
    from rich.table import Table

    from vitrail.cli.findings import ranges

    table = Table("part", box=None, header_style="bold")
    for column in ("videos", "classes", "in a class", "width", "height", "frames", "seconds"):
        table.add_column(column, justify="right")
    for part, each in found.counts.items():
        sides = ranges(each, found.sizes[part])
        sides += [""] * (4 - len(sides))  # without a video there are no sizes
        table.add_row(part, str(sum(each)), *sides, _said(found.frames[part]), _said(found.seconds[part]))
    return table


def _range(values: Sequence[float]) -> dict[str, float]:
    """Least, median and most; empty without any."""
    import statistics

    return {"min": min(values), "median": statistics.median(values), "max": max(values)} if values else {}


def _said(values: Sequence[float]) -> str:
    each = _range(values)
    return f"{each['min']:.3g} – {each['max']:.3g} ({each['median']:.3g})" if each else ""


def _many(each: dict[str, int]) -> str:
    """The most frequent few, with their numbers."""
    shown = [f"{name}: {number}" for name, number in list(each.items())[:6]]
    return ", ".join(shown + [f"{len(each) - 6} more"] * (len(each) > 6)) or "nothing said"
