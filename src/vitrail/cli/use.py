"""`vitrail eval` and `vitrail predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vitrail.recipes.evaluation import Evaluation

Trained = Annotated[Path, typer.Argument(metavar="RUN|FILE", help="A run's folder, or a weights file it wrote.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Views = Annotated[
    str, typer.Option(help="one; flip: also its mirror image; ten: ten crops. Their probabilities are averaged.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def evaluate(
    trained: Trained,
    data: Annotated[
        str | None,
        typer.Option(
            help="Class folders (val/ where there is one), or `digits`; by default what the run itself held out."
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option(help="How folders name classes: auto, plain, indices, subset, order, or real=FILE.")
    ] = "auto",
    views: Views = "one",
    out: Annotated[
        Path | None, typer.Option(help="A folder for evaluation.json, per_class.csv and the pictures.")
    ] = None,
    worst: Annotated[
        int | None, typer.Option(min=1, help="Show only so many classes, the one least often right first.")
    ] = None,
    device: Device = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Views at a time, over all processes.")] = 64,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode pictures.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a trained model, class by class.

    Started by torchrun, it counts each picture once, whatever the number of processes.
    """
    from vitrail.cli import read
    from vitrail.data.views import how_many
    from vitrail.errors import InputError
    from vitrail.recipes import evaluation, find, sources, use
    from vitrail.train.processes import find_device, joined

    if data is None and not trained.is_dir():
        raise InputError(f"{trained} is a file, so it does not say what to measure it on: --data FOLDER.")
    if data is None and labels != "auto":
        raise InputError("The classes of what a run held out are known; --labels goes with --data FOLDER.")
    if out and out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, wanted a folder.")
    how_many(views)  # a wrong name is said before anything is opened
    where = find_device(device)
    with joined(where) as processes:
        model = use.load(trained, where)
        said = find.of_run(trained).data if trained.is_dir() else None
        if data is None:
            assert said
            chosen, asked = said, evaluation.ask_of_run(model, said)  # type: ignore[arg-type]
        else:
            chosen = sources.named(data, said)
            asked = evaluation.ask(model, chosen, labels)  # type: ignore[arg-type]
        if processes.first and asked.note:
            typer.echo(asked.note, err=True)
        number = sources.workers(chosen, workers)
        found = evaluation.evaluate(asked.trained, asked.pictures, where, batch, number, views, asked.task, processes)
        if not processes.first:
            return
    document = {"views": views, "labels": asked.labels, **found.document()}
    if out:
        evaluation.write(found, document, out, trained.name)
    if as_json:
        return read.show_json(document)
    for reason in found.unreadable:
        typer.echo(f"left out: {reason}", err=True)
    _show(found, worst)
    if out:
        typer.echo(f"written in {out}", err=True)


def _show(found: Evaluation, worst: int | None) -> None:
    """The classes as a table, then the whole in one line."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console, rows = Console(highlight=False), found.rows()
    if worst:
        rows = sorted((row for row in rows if row["pictures"]), key=lambda row: row["top1"])[:worst]
    if rows:
        table = Table("class", box=None)
        table.add_column("pictures", justify="right")
        table.add_column("top-1", justify="right")
        for row in rows:
            table.add_row(
                escape(row["class"]), str(row["pictures"]), f"{100 * row['top1']:.1f} %" if row["pictures"] else ""
            )
        console.print(table)
    result = found.metric.compute()
    words = [f"{name} {100 * share:.2f} %" for name, share in result.items() if name != "nll"]
    missing = f", {len(found.unreadable)} unreadable" if found.unreadable else ""
    said = ", ".join([*words, f"nll {result['nll']:.4f}"])
    console.print(f"{said} of {found.pictures} pictures{missing}", soft_wrap=True)


def predict(
    trained: Trained,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE|FOLDER...", help="Picture files, folders of them.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes for each picture.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Also draw them, with their likeliest class, into this PNG.")] = None,
    views: Views = "one",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Say what is in pictures."""
    from vitrail.cli import read
    from vitrail.errors import InputError
    from vitrail.recipes import use
    from vitrail.train.processes import find_device

    where = find_device(device)
    if out and (out.suffix.lower() != ".png" or not out.parent.is_dir()):
        raise InputError(f"{out}: wanted a .png file in a folder that exists.")
    files = use.gather(images)
    model = use.load(trained, where)
    prediction = use.predict(model, files, where, views=views)
    shares, best = (part.tolist() for part in prediction.top(top))
    if as_json:
        read.show_json(
            [
                {
                    "file": str(file),
                    "classes": [
                        {"name": model.classes[index], "probability": share} for share, index in zip(*row, strict=True)
                    ],
                }
                for file, *row in zip(files, shares, best, strict=True)
            ]
        )
    else:
        for file, *row in zip(files, shares, best, strict=True):
            said = "   ".join(f"{model.classes[index]} {100 * share:.1f} %" for share, index in zip(*row, strict=True))
            typer.echo(f"{file}   {said}")
    if out:
        from vitrail.draw.grid import draw_grid

        draw_grid(out, use.cells(model, files, prediction), f"{len(files)} pictures and what {trained} sees in them")
        typer.echo(f"drawn in {out}", err=True)
