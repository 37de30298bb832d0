"""`vitrail compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, finished or not.")],
    out: Annotated[Path | None, typer.Option(help="A folder for the curves, the pictures and compare.json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show runs side by side: numbers, recipes, curves, the hardest pictures."""
    from vitrail.cli import read, refusals
    from vitrail.insight import compare
    from vitrail.recipes import find

    for run in runs:
        if (run / "recipe.json").is_file():
            refusals.makers(find.of_run(run).model.name, str(run), "compare")
    document = compare.compare(runs, out)
    if as_json:
        return read.show_json(document)
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for title in ("run", "model"):
        table.add_column(title, overflow="fold")
    for title in ("parameters", "top-1", "best", "epochs", "min", "lr", "batch"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in document["runs"]:
        parameters = "" if row["parameters"] is None else f"{row['parameters']:,}"
        epochs = f"{row['epochs']}" + ("" if row["epochs"] == row["epochs_planned"] else f" of {row['epochs_planned']}")
        table.add_row(
            escape(row["run"]),
            row["model"],
            parameters,
            _percent(row["top1"]),
            _percent(row["best_top1"]),
            epochs,
            f"{row['minutes']:.1f}",
            f"{row['lr']:g}",
            str(row["batch"]),
        )
    console.print(table)
    if document["differences"]:
        console.print()
        fields = Table(box=None, pad_edge=False)
        for title in ("what differs", *(escape(row["run"]) for row in document["runs"])):
            fields.add_column(title, overflow="fold")
        for field, values in document["differences"].items():
            fields.add_row(field, *(escape(_text(values.get(row["run"], ""))) for row in document["runs"]))
        console.print(fields)
    for note in document["notes"]:
        typer.echo(note, err=True)
    if out:
        typer.echo(f"drawn in {out}", err=True)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"


def _text(value: Any) -> str:
    return "x".join(map(_text, value)) if isinstance(value, list) else str(value)
