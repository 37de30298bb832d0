"""`vitrail eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitrail.cli.looks import Overlap, Sides, Slide, Tile, Views

if TYPE_CHECKING:
    from vitrail.recipes.measured import Measured, Table


def evaluate(
    trained: Annotated[
        Path | None, typer.Argument(metavar="RUN|FILE", help="A run's folder, or a weights file it wrote.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Class folders, boxes, label maps, videos (the held-out part where there is one), `digits` or "
            "`moving`; by default what the run itself held out."
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Of classes. How folders name them: auto, plain, indices, subset, order, or real=FILE."),
    ] = None,
    views: Views = None,
    sides: Sides = None,
    slide: Slide = None,
    tile: Tile = None,
    overlap: Overlap = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="RUN|FILE", help="Of boxes and pixels. Another model of the same classes beside it."),
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="In place of a model: a result file of COCO's layout, measured on --data.")
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(metavar="RUN|FILE", help="Of generators. A classifier of such pictures to see samples with."),
    ] = None,
    inception: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of generators. Weights of Inception, for FID and its kin.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Of generators. ADM's statistics of real pictures, .npz, in place of pictures."
        ),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Of generators. Samples; 50000.")] = None,
    sampling: Annotated[
        str | None,
        typer.Option(help="Of generators. Choices of the sampler, such as scale=2,steps=100,solver=heun,start=0.1."),
    ] = None,
    vae: Annotated[
        Path | None, typer.Option(help="Of generators of latents. The autoencoder that decodes them.")
    ] = None,
    length: Annotated[
        str | None,
        typer.Option(help="Of language. Tokens of the windows a text is read in, such as 1024,4096."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for evaluation.json, per_class.csv, result files, label maps, pictures."),
    ] = None,
    worst: Annotated[int | None, typer.Option(min=1, help="Show only so many classes, the worst first.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    batch: Annotated[
        int | None, typer.Option(min=1, help="Of classes. Views at a time, over all processes; 64, of clips 8.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode pictures or videos.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a trained model, class by class.

    Started by torchrun, it counts each picture once, whatever the number of processes.
    """
    from vitrail.cli import read
    from vitrail.errors import InputError

    pixels = read.sides(sides) if sides else None
    if out and out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, wanted a folder.")
    if (trained is None) == (results is None):
        raise InputError("wanted a RUN or a weights FILE to measure, or --results FILE in its place.")
    if results:
        from vitrail.recipes import evaluation_boxes

        return _tell(evaluation_boxes.of_results(results, data), results.name, out, worst, as_json)
    from vitrail.recipes import evaluations, find, use
    from vitrail.recipes.asking import Asked, Setting
    from vitrail.train.processes import find_device, joined

    assert trained
    asked = Asked(
        labels=labels,
        views=views,
        sides=pixels,
        slide=read.slide(slide) if slide else None,
        tile=tile,
        overlap=overlap,
        batch=batch,
        against=against,
        out=out,
        length=read.lengths(length) if length else None,
        features=features,
        inception=inception,
        reference=reference,
        count=count,
        sampling=sampling,
        vae=vae,
    )
    where = find_device(device)
    with joined(where) as processes:
        model = use.load(trained, where)
        said = find.of_run(trained).data if trained.is_dir() else None
        setting = Setting(where, lambda line: typer.echo(line, err=True), processes, workers)
        found = evaluations.measured(model, trained, data, said, asked, setting)
        if not processes.first:
            return
    _tell(found, trained.name, out, worst, as_json)


def _tell(found: Measured, name: str, out: Path | None, worst: int | None, as_json: bool) -> None:
    """Writes and shows it."""
    from vitrail.cli import read

    if out:
        found.write(out, name)
    if as_json:
        return read.show_json(found.document())
    for reason in found.unreadable:
        typer.echo(f"left out: {reason}", err=True)
    for table in found.tables(worst):
        _show(table)
    _console().print(found.line(), soft_wrap=True)
    if out:
        typer.echo(f"written in {out}", err=True)


def _show(table: Table) -> None:
    from rich.markup import escape
    from rich.table import Table as Drawn

    drawn = Drawn(escape(table.titles[0]), box=None)
    for title in table.titles[1:]:
        drawn.add_column(escape(title), justify="right")
    for row in table.rows:
        drawn.add_row(*map(escape, row))
    _console().print(drawn)


def _console():
    from rich.console import Console

    return Console(highlight=False, markup=False)
