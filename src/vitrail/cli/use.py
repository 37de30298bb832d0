"""`vitrail eval` and `vitrail predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Trained = Annotated[Path, typer.Argument(metavar="RUN|FILE", help="A run's folder, or a weights file it wrote.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def evaluate(
    trained: Trained,
    data: Annotated[
        str | None,
        typer.Option(
            help="Class folders (val/ where there is one), or `digits`; by default what the run itself held out."
        ),
    ] = None,
    device: Device = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 64,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode pictures.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a trained model, class by class."""
    from vitrail.cli import read
    from vitrail.errors import InputError
    from vitrail.recipes import find, sources, use
    from vitrail.train.processes import find_device

    if data is None and not trained.is_dir():
        raise InputError(f"{trained} is a file, so it does not say what to measure it on: --data FOLDER.")
    where = find_device(device)
    model = use.load(trained, where)
    said = find.of_run(trained).data if trained.is_dir() else None
    if data is None:
        assert said
        chosen, pictures = said, sources.open_split(said)[1]
    else:
        chosen = sources.named(data, said)
        pictures = sources.open_held_out(chosen, model.classes)
    metric = use.evaluate(model, pictures, where, batch, sources.workers(chosen, workers))
    result, shares, counts = metric.compute(), metric.per_class().tolist(), metric.confusion.sum(1).tolist()
    if as_json:
        per_class = {
            name: share if count else None for name, share, count in zip(model.classes, shares, counts, strict=True)
        }
        return read.show_json(
            {**result, "pictures": len(pictures), "per_class": per_class, "confusion": metric.confusion.tolist()}
        )
    from rich.console import Console
    from rich.table import Table

    table = Table("class", box=None)
    table.add_column("pictures", justify="right")
    table.add_column("top-1", justify="right")
    for name, share, count in zip(model.classes, shares, counts, strict=True):
        table.add_row(name, str(count), f"{100 * share:.1f} %" if count else "")
    console = Console(highlight=False)
    console.print(table)
    console.print(
        ", ".join(f"{name} {100 * value:.2f} %" for name, value in result.items()) + f" of {len(pictures)} pictures"
    )


def predict(
    trained: Trained,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE|FOLDER...", help="Picture files, folders of them.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes for each picture.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Also draw them, with their likeliest class, into this PNG.")] = None,
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
    prediction = use.predict(model, files, where)
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
