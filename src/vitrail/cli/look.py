"""`vitrail look`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitrail.errors import InputError


def look(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A run's folder, a weights file, weights by name such as swin_tiny.in1k_224, or an architecture "
            "with random weights.",
        ),
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[IMAGE|FOLDER]...", help="Pictures, and folders of them; field does without."),
    ] = None,
    others: Annotated[
        list[str] | None, typer.Option("--model", metavar="MODEL", help="Another model beside it; may be repeated.")
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            help="What is drawn, one or several, as cam,field. cam: what speaks for a class. rollout: where the last "
            "map comes from by attention. features: maps of blocks. field: effective receptive fields. windows: who "
            "shares a window, on the first picture. all: each of the models that it can be drawn of."
        ),
    ] = "all",
    out: Annotated[Path, typer.Option(help="A folder for the pictures, PNG, each with its numbers in a JSON.")] = Path(
        "look"
    ),
    class_name: Annotated[
        str | None, typer.Option("--class", help="Of cam: the class; by default each picture's likeliest.")
    ] = None,
    block: Annotated[
        str | None,
        typer.Option(help="Of features: after which blocks, such as 2,4,last; by default the last of each stage."),
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Of field: of which stages, such as 1,3; by default all.")] = None,
    samples: Annotated[
        int, typer.Option(min=0, help="Of field: pictures of noise; 0 takes the pictures that are given.")
    ] = 16,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Of the pictures; by default what each model was built for.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Draw what models look at, side by side: heat maps, features, receptive fields, windows."""
    from vitrail.cli import read
    from vitrail.insight import look as looking
    from vitrail.insight.look_sheets import View
    from vitrail.insight.opening import open_models
    from vitrail.recipes.asking import gather
    from vitrail.train.processes import find_device

    sides = read.size(size) if size else None
    stages = _stages(stage) if stage else None
    models = open_models([model, *(others or [])], sides, find_device(device))
    view = View(
        models=tuple(models),
        files=tuple(gather(files or [])),
        out=out,
        class_name=class_name,
        blocks=tuple(block.split(",")) if block else None,
        stages=stages,
        samples=samples,
    )
    document = looking.look(view, kind.split(","))
    for note in document["notes"]:
        typer.echo(note, err=True)
    if as_json:
        return read.show_json(document)
    for each in document["looks"]:
        typer.echo(str(out / each["picture"]))


def _stages(text: str) -> tuple[int, ...]:
    """`1,3`: whole numbers from 1."""
    found = text.split(",")
    if not all(each.strip().isdecimal() and int(each) for each in found):
        raise InputError(f"stage {text!r}: wanted numbers from 1, such as 1,3.")
    return tuple(int(each) for each in found)
