"""`vitrail train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, a .py file with one recipe function, or a run.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FIELD.SUB=VALUE]...", help="Such as epochs=30 or model.name=swin_nano."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Your pictures: class folders, zip, tar, parquet or idx files; or `digits`; or your texts."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default a new one under runs/.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="auto|FILE", help="auto: go on from the newest whole checkpoint, or begin; or from the one named."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode pictures.")] = None,
    parallel: Annotated[str, typer.Option(help="With several processes: ddp, or fsdp for the big ones.")] = "ddp",
    save_every: Annotated[float, typer.Option(min=0, help="Minutes between checkpoints within an epoch.")] = 10.0,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write what TensorBoard reads.")] = False,
) -> None:
    """Train a model as a recipe says.

    Started by torchrun, it trains with all the processes that torchrun starts:
    torchrun --nproc-per-node 2 -m vitrail train RECIPE ...

    SIGTERM or Ctrl-C saves and stops; --resume auto goes on.
    """
    from dataclasses import replace

    from vitrail.recipes import find, sources
    from vitrail.recipes.overrides import apply

    chosen = apply(find.find(recipe), overrides or [])
    if data:
        chosen = replace(chosen, data=sources.named(data, chosen.data))

    from vitrail.recipes import run, start

    chosen = start.resolve(chosen)
    continued = out is None and resume and Path(recipe).is_dir()
    chosen_out = out or (Path(recipe) if continued else Path("runs", f"{Path(recipe).stem}-{chosen.model.name}"))
    options = run.Options(device, parallel, workers, save_every, tensorboard)
    summary = run.train(chosen, chosen_out, options, resume, fresh=out is None and not continued)
    if summary is None or os.environ.get("RANK", "0") != "0":  # one of several processes speaks
        return
    ways = {
        "generation": ("sample {} --grid out.png", "eval {} --features CLASSIFIER"),
        "texts": ("sample {} --prompt TEXT", "eval {}"),
    }
    asked, measured = ways.get(chosen.preprocessing.kind, ("predict {} FILE...", "eval {}"))
    typer.echo(
        f"{summary['run']}: the trained model, its numbers and its pictures\n"
        f"  vitrail {asked.format(summary['run'])}\n  vitrail {measured.format(summary['run'])}"
    )
