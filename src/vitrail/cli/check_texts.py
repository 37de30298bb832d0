"""What `vitrail check` does with texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vitrail.data.text_check import TextReport

LAYOUT, FREQUENT = "texts", 100


def layout(data: str) -> str | None:
    """`texts` where the data is text, or shards of it, and nothing else; None where it is not."""
    from vitrail.data import layouts, parts, text_files

    root = parts.existing(data)
    if not text_files.looks(root) or any(looks(root) for looks in layouts.LOOKS.values()):
        return None
    return LAYOUT


def check_texts(data: str, tokens: str, length: int, out: Path | None, as_json: bool) -> None:
    """As `check` says. Exits with 1 where something would stop or spoil training."""
    from vitrail.cli import read
    from vitrail.cli.findings import show_findings
    from vitrail.data.text_check import report
    from vitrail.train.record import track

    found = report(data, tokens, length=length, track=track)
    what = {"bytes": "bytes", "characters": "characters"}.get(found.kind, "tokens")
    if out:
        from vitrail.draw.tokens import draw_tokens

        counts = {part: each.counts for part, each in found.parts.items()}
        total = sum(each.tokens for each in found.parts.values())
        draw_tokens(out, found.names, counts, f"{data}: {total:,} {what}", what)
        typer.echo(f"drawn in {out}", err=True)
    if as_json:
        read.show_json(_document(data, length, found))
    else:
        from rich.console import Console

        console = Console(highlight=False, markup=False)
        console.print(_table(found))
        console.print(f"\na vocabulary of {len(found.names):,} {what}", soft_wrap=True)
        show_findings(console, found.findings)
    if not found.sound:
        raise typer.Exit(1)


def _document(data: str, length: int, found: TextReport) -> dict[str, Any]:
    from dataclasses import asdict

    rows = {}
    for part, each in found.parts.items():
        order = sorted((token for token, count in enumerate(each.counts) if count), key=lambda t: -each.counts[t])
        rows[part] = {
            "files": each.files,
            "bytes": each.bytes,
            "characters": each.characters,
            "tokens": each.tokens,
            "windows": max(each.tokens - 1, 0) // length,
            "different": len(order),
            "frequent": [[found.names[token], each.counts[token]] for token in order[:FREQUENT]],
        }
    return {
        "data": data,
        "layout": LAYOUT,
        "sound": found.sound,
        "tokens": found.kind,
        "vocabulary": len(found.names),
        "length": length,
        "parts": rows,
        "copied": found.copied,
        "findings": [asdict(finding) for finding in found.findings],
    }


def _table(found: TextReport) -> Any:
    """A row for each part."""
    from rich.table import Table

    table = Table("part", box=None, header_style="bold")
    for column in ("files", "bytes", "characters", "tokens", "different"):
        table.add_column(column, justify="right")
    for part, each in found.parts.items():
        numbers = (each.files, each.bytes, each.characters, each.tokens, sum(count > 0 for count in each.counts))
        table.add_row(part, *("" if number is None else f"{number:,}" for number in numbers))
    return table
