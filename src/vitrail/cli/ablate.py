"""`vitrail ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def ablate(
    plan: Annotated[str, typer.Argument(help="A plan: a JSON file, or the name of one of ours.")],
    out: Annotated[Path, typer.Option(help="The folder for runs and report; the same one goes on.")],
    data: Annotated[str | None, typer.Option(help="As `vitrail train` takes it; before the plan's own.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at once; with several, each computes in one thread.")] = 1,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes of each run that decode pictures.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    only: Annotated[list[str] | None, typer.Option(metavar="VARIANT", help="This variant alone; repeatable.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Train nothing; write the report of what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what report.json holds.")] = False,
) -> None:
    """Train variants at equal budget with several seeds, and say what holds.

    OUT/report.html shows means, intervals, curves and a verdict for each ordering of the plan; OUT/report.json holds
    the same. SIGTERM or Ctrl-C saves and stops; the same command goes on. It exits with 1 where a run failed.
    """
    from vitrail.cli import read
    from vitrail.insight import ablate, ablation_plan, ablation_report

    chosen = ablation_plan.read(plan)
    outcome = ablate.Outcome()
    if not report:
        outcome = ablate.ablate(chosen, out, ablate.Options(data, jobs, workers, device, tuple(only or ())))
    document = ablation_report.write(chosen, out)
    if as_json:
        read.show_json(document)
    else:
        _show(document)
    typer.echo(f"{out / 'report.html'}: the report, its pictures inside", err=True)
    if outcome.stopped:
        typer.echo("Stopped with everything saved; the same command goes on.", err=True)
    if outcome.failed:
        raise typer.Exit(1)


def _show(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    metric, share = f"{document['metric']}{', %' if document['unit'] else ''}", f"{100 * document['confidence']:g} %"
    variants = Table(box=None, pad_edge=False)
    variants.add_column("variant", overflow="fold")
    for title in ("seeds", "parameters", metric, f"{share} interval", "printed"):
        variants.add_column(title, justify="right", no_wrap=True)
    for row in document["variants"]:
        parameters = "" if row["parameters"] is None else f"{row['parameters']:,}"
        variants.add_row(
            row["variant"],
            str(len(row["seeds"])),
            parameters,
            _number(row["mean"]),
            _interval(row),
            _number(row["printed"]),
        )
    console.print(variants)
    if document["orderings"]:
        orderings = Table(box=None, pad_edge=False)
        orderings.add_column("ordering", overflow="fold")
        for title in ("difference", f"{share} interval", "printed"):
            orderings.add_column(title, justify="right", no_wrap=True)
        for title in ("verdict", "after Holm"):
            orderings.add_column(title, no_wrap=True)
        for row in document["orderings"]:
            numbers = (_number(row["difference"]), _interval(row), _number(row["printed"]))
            orderings.add_row(row["ordering"], *numbers, row["verdict"], row["verdict_holm"])
        console.print()
        console.print(orderings)
    if document["ended"] < document["planned"]:
        console.print(f"\n{document['ended']} of {document['planned']} runs have ended; all of this is provisional.")
    for line in (*(f"changed since the first run: {each}" for each in document["changes"]), *document["notes"]):
        typer.echo(line, err=True)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _interval(row: dict[str, Any]) -> str:
    return "" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"
