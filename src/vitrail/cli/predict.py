"""`vitrail predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitrail.cli.looks import Overlap, Sides, Slide, Tile, Views


def predict(
    trained: Annotated[Path, typer.Argument(metavar="RUN|FILE", help="A run's folder, or a weights file it wrote.")],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FOLDER...",
            help="Pictures, or for a model of clips videos and folders of frames; folders of them.",
        ),
    ],
    top: Annotated[int | None, typer.Option(min=1, help="Of classes. How many are told of each; 3.")] = None,
    score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Of boxes. The least that counts; by default the class's own threshold."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Also draw them: all into this PNG, or, of boxes and pixels, one by one into this folder. Of clips: "
            "classes over time into this PNG, the video with bars into this MP4, both of each into this folder."
        ),
    ] = None,
    views: Views = None,
    sides: Sides = None,
    slide: Slide = None,
    tile: Tile = None,
    overlap: Overlap = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is in pictures, or in videos and when."""
    from vitrail.cli import read
    from vitrail.recipes import use
    from vitrail.recipes.asking import Asked
    from vitrail.train.processes import find_device

    lengths = read.sides(sides) if sides else None
    model = use.load(trained, find_device(device))
    found = use.gather(model, files)
    windows = read.slide(slide) if slide else None
    asked = Asked(top=top, score=score, out=out, views=views, sides=lengths, slide=windows, tile=tile, overlap=overlap)
    answers = use.answer(model, found, asked)
    if as_json:
        read.show_json(answers.document())
    else:
        for line in answers.lines():
            typer.echo(line)
    if out:
        answers.draw(out, str(trained))
        typer.echo(f"drawn in {out}", err=True)
