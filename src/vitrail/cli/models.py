"""`vitrail models` and `vitrail info`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def models(
    pattern: Annotated[
        str | None,
        typer.Argument(help="Shell pattern, such as 'dense_*' or 'video_*'; by default the classifiers of pictures."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the models and what each costs at 224 x 224."""
    from vitrail.cli import read
    from vitrail.errors import InputError, nearest
    from vitrail.models.catalogue import ROWS, describe, list_models
    from vitrail.train.record import track

    names = list_models(pattern) if pattern else [n for n in ROWS if not n.startswith(("dense_", "video_"))]
    if not names:
        raise InputError(f"No model matches {pattern!r}.{nearest(pattern or '', list_models())}")
    rows = [describe(name) for name in track(names, len(names), "building")]
    if as_json:
        return read.show_json([{key: row[key] for key in ("name", "parameters", "multiply_adds")} for row in rows])
    from rich.console import Console
    from rich.table import Table

    table = Table("model", box=None)
    for title in ("parameters", "multiply-adds at 224"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(row["name"], f"{row['parameters']:,}", f"{row['multiply_adds'] / 1e9:.3f} G")
    console = Console(highlight=False)
    console.print(table)
    if any(name.startswith("video_") for name in names):
        console.print("\nVideo models: for a clip of 32 frames.")
    if not pattern:
        console.print(
            "\nEach has its backbone for dense tasks: vitrail models 'dense_*'; detectors and segmenters stand on it: "
            "vitrail models 'mask_rcnn_*' 'upernet_*'; of clips: vitrail models 'video_*'"
        )


def info(
    name: Annotated[str, typer.Argument(help="A model, as `vitrail models '*'` lists them.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[FIELD=VALUE]...", help="Fields of its spec, such as window=8.")
    ] = None,
    size: Annotated[str, typer.Option(help="HxW in pixels.")] = "224x224",
    classes: Annotated[
        int | None, typer.Option(help="Number of classes; by default 1000, of detectors 80, of segmenters 150.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a model costs, stage by stage."""
    from vitrail.cli import read
    from vitrail.errors import InputError
    from vitrail.models.catalogue import describe
    from vitrail.recipes.overrides import read_pairs

    fields = read_pairs(overrides or [])
    if fields.keys() & {"name", "size", "num_classes"}:
        raise InputError("The name, the size and the classes are not overrides: info NAME --size HxW --classes N.")
    document = describe(name, classes, read.size(size), **fields)
    if as_json:
        return read.show_json(document)
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    height, width = document["size"]
    frames = document["spec"].get("frames")
    console.print(
        f"{name} at {height} x {width}: {document['parameters']:,} parameters, "
        f"{document['multiply_adds']:,} multiply-adds for {f'a clip of {frames} frames' if frames else 'a picture'}",
        soft_wrap=True,
    )
    columns = ("stage", "stride", "channels", "map", "blocks", "heads", "windows", "shifts", "mixers")
    table = Table(*columns, box=None, pad_edge=False)
    blank = {"map": "", "blocks": "", "heads": "", "windows": [], "shifts": [], "mixers": []}  # another library's
    stages = document["stages"] or [blank] * len(document["strides"])
    rows = zip(stages, document["strides"], document["channels"], strict=True)
    for number, (stage, stride, channels) in enumerate(rows, start=1):
        numbers = (number, stride, channels, _text(stage["map"]), stage["blocks"], stage["heads"])
        mixers = "\n".join(stage["mixers"])
        table.add_row(*map(str, numbers), _many(stage["windows"]), _many(stage["shifts"]), mixers)
    console.print(table)
    if "reach" in document:
        console.print(document["reach"], soft_wrap=True)


def _text(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def _many(values: list[Any]) -> str:
    return ", ".join(map(_text, values))
