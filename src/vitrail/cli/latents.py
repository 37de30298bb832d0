"""`vitrail latents`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def latents(
    pictures: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Pictures: class folders, zip, tar, parquet or idx files.")
    ],
    vae: Annotated[
        Path,
        typer.Option(
            help="The autoencoder: a folder of diffusers' AutoencoderKL, or made by `vitrail convert vavae.pt FOLDER`."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder of shards; what is there of the same ones is kept.")],
    size: Annotated[str, typer.Option(metavar="HxW", help="Pixels that the middle of a picture is cut to.")] = "256",
    shard: Annotated[int, typer.Option(min=1, help="Latents of a file.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws of the posterior.")] = 0,
    layout: Annotated[str, typer.Option(help="How the pictures lie there: auto, classes, zip, shards, table, idx.")] = (
        "auto"
    ),
    batch: Annotated[int, typer.Option(min=1, help="Pictures encoded at a time.")] = 16,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode pictures.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Encode pictures into latents that a generator trains on.

    Stopped, it goes on with the first shard that is not there.
    """
    from vitrail.cli import read

    sides = read.size(size)
    from vitrail.recipes.encoding import Encoding, encode
    from vitrail.train.processes import find_device

    encoding = Encoding(str(vae), sides, shard, seed, layout)
    found = encode(pictures, out, encoding, find_device(device), batch, workers)
    if as_json:
        return read.show_json(found)
    for line in found["unreadable"]:
        typer.echo(f"left out: {line}", err=True)
    shape = " x ".join(map(str, found["shape"]))
    typer.echo(f"{out}: {found['latents']} latents of {shape}, {len(found['classes'])} classes")
