"""`vitrail tables`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitrail.errors import InputError

if TYPE_CHECKING:
    from vitrail.insight.tables import Row

WIDE = 130  # columns of a terminal from which on each row names our model


def tables(
    paper: Annotated[
        str | None, typer.Argument(metavar="[PAPER]", help="iwin, swin or scalablevit; by default all three.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV, one line a figure.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Markdown, as docs/tables.md has it.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write there; .json, .csv and .md need no format.")
    ] = None,
    throughput: Annotated[
        bool, typer.Option("--throughput", help="Also images a second, measured here; takes minutes.")
    ] = False,
) -> None:
    """Show every parameter and multiply-add figure that the three papers print, beside ours."""
    kind = _format({"json": as_json, "csv": as_csv, "markdown": as_markdown}, out)
    if out and out.is_dir():
        raise InputError(f"{out} is a folder, wanted a file.")
    if out and not out.absolute().parent.is_dir():
        raise InputError(f"{out.parent}: no such folder.")
    from vitrail.insight import tables, tables_show

    wanted = tables.printed_rows(paper)
    rates, measured = None, None
    if throughput:
        from vitrail.insight import rates as measuring
        from vitrail.train.processes import find_device

        timed = [row.network for row in wanted if row.rate]
        if not timed:
            raise InputError(f"{paper}'s rows have no speeds to measure beside; iwin and scalablevit print some.")
        rates, measured = measuring.measure(timed, find_device("auto"))
        for note in measured["notes"]:
            typer.echo(note, err=True)
    rows = tables.make_rows(paper, rates)
    if kind == "table":
        return _show(rows, measured)
    text = {
        "json": lambda: tables_show.as_json(rows, measured) + "\n",
        "csv": lambda: tables_show.comma_separated(rows),
        "markdown": lambda: tables_show.markdown(rows, measured),
    }[kind]()
    if kind == "csv" and measured:
        typer.echo(tables_show.machines_line(measured, {row.paper for row in rows}), err=True)
    if out is None:
        print(text, end="")
        return
    from vitrail.train.record import write_text

    write_text(out, text)
    typer.echo(f"written in {out}", err=True)


def _format(asked: dict[str, bool], out: Path | None) -> str:
    """The one format that was asked for, in words or by the file's ending."""
    chosen = [kind for kind, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(f'--{kind}' for kind in chosen)}: one format at a time.")
    if chosen:
        return chosen[0]
    if out is None:
        return "table"
    endings = {".json": "json", ".csv": "csv", ".md": "markdown"}
    if out.suffix not in endings:
        raise InputError(f"--out {out}: .json, .csv or .md is wanted, or one of --json, --csv and --markdown.")
    return endings[out.suffix]


def _show(rows: list[Row], measured: dict[str, Any] | None) -> None:
    """A table for each of the papers' tables."""
    from rich.console import Console
    from rich.table import Table

    from vitrail.insight import tables_show

    console = Console(highlight=False, markup=False)
    wide = not console.is_terminal or console.width >= WIDE
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=170)
    for (paper, name), figures in tables_show.groups(rows).items():
        console.print(f"\n{tables_show.title(paper, name)}")
        table = Table(box=None, pad_edge=False, header_style="", padding=(0, 1, 0, 0))
        table.add_column("", overflow="fold")
        if wide:
            table.add_column("ours is", overflow="fold")
        table.add_column("", no_wrap=True)
        for heading in ("printed", "ours", "difference"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        before = None
        for row in figures:
            label, before = ("" if row.row == before else row.row), row.row
            table.add_row(label, *([row.model if label else ""] if wide else []), *tables_show.cells(row))
        console.print(table)
    console.print(f"\n{tables_show.summary(rows)}", soft_wrap=True)
    if measured:
        console.print(tables_show.machines_line(measured, {row.paper for row in rows}), soft_wrap=True)
