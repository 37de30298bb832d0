"""`vitrail sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sample(
    trained: Annotated[Path, typer.Argument(metavar="RUN|FILE", help="A run's folder, or a weights file it wrote.")],
    prompt: Annotated[str | None, typer.Option(help="Of models of language. A text to go on with.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Names or indices, such as 3,7 or cat,dog; all by default.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Samples of each class, or pictures of a way, 8; of language, tokens: 500."),
    ] = None,
    grid: Annotated[Path | None, typer.Option(help="Draw all of them into this PNG, a row for each class.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write each as a PNG into this folder.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of euler and heun.")] = None,
    solver: Annotated[str | None, typer.Option(help="euler, heun, or dopri5, which chooses its steps.")] = None,
    scale: Annotated[float | None, typer.Option(min=0, help="Of guidance; 1 is none.")] = None,
    interval: Annotated[
        str | None, typer.Option(metavar="FROM,TO", help="Moments between which guidance acts, such as 0.1,1.")
    ] = None,
    channels: Annotated[int | None, typer.Option(min=1, help="Guide only the first so many channels.")] = None,
    shift: Annotated[float | None, typer.Option(help="Of the steps: below 1, more of them near the noise.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the noise, or of the draws.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Pixels, of a model of latents their grid; as it was trained.")
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(metavar="HxW,HxW,...", help="A row of the grid for each of several sizes.")
    ] = None,
    interpolate: Annotated[
        str | None, typer.Option(metavar="A,B", help="From one noise to another in two classes, and between them.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="Of language. 1; less is likelier, 0 always the likeliest token.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Of language. Draw only from so many of the likeliest tokens.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="Of language. Draw only from the likeliest tokens that have such a share together."),
    ] = None,
    vae: Annotated[Path | None, typer.Option(help="The autoencoder that decodes a model's latents.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Samples at a time; changes nothing in them.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Let a trained model make pictures of its classes, or go on with a text, shown as it comes.

    Every choice is written beside pictures as JSON, and into each PNG; of a text --json prints them.
    """
    from vitrail.cli import read
    from vitrail.recipes.wanted import Wanted

    unit = "pixels, or of a model of latents in places of their grid"
    wanted = Wanted(
        classes=classes,
        count=count,
        grid=grid,
        out=out,
        steps=steps,
        solver=solver,
        scale=scale,
        interval=read.interval(interval) if interval else None,
        channels=channels,
        shift=shift,
        seed=seed,
        size=read.size(size, unit) if size else None,
        sizes=tuple(read.size(each, unit) for each in sizes.split(",")) if sizes else None,
        interpolate=interpolate,
        vae=vae,
        batch=batch,
        prompt=prompt,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
    )
    from vitrail.recipes import samplers, use
    from vitrail.train.processes import find_device

    made = samplers.made(use.load(trained, find_device(device)), trained, wanted)
    made.write()
    if as_json:
        return read.show_json(made.document())
    for line in made.lines():
        typer.echo(line + made.end, nl=False)
