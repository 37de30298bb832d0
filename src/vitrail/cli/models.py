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
    """List the models and what each costs: classifiers at 224 x 224 pixels."""
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
    for title in ("parameters", "multiply-adds"):
        table.add_column(title, justify="right")
    table.add_column("of")
    for row in rows:
        cost = f"{row['multiply_adds'] / 1e9:.3f} G"
        of = ["of", _text(row["size"])] if row["size"] else []
        table.add_row(row["name"], f"{row['parameters']:,}", cost, " ".join(["a", _thing(row["spec"]), *of]))
    console = Console(highlight=False)
    console.print(table)
    if not pattern:
        console.print(
            "\nEach has its backbone for dense tasks: vitrail models 'dense_*'; detectors and segmenters stand on it: "
            "vitrail models 'mask_rcnn_*' 'upernet_*'; of clips: vitrail models 'video_*'; "
            "generators of pictures: vitrail models '*dit_*'; of language: vitrail models '*_lm_*'"
        )


def info(
    name: Annotated[str, typer.Argument(help="A model, as `vitrail models '*'` lists them.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[FIELD=VALUE]...", help="Fields of its spec, such as window=8.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="HxW in pixels, 224x224; of generators of their latents, 16x16.")
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(help="Number of classes; by default 1000, of detectors 80, of segmenters 150, of language 256."),
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
    document = describe(name, classes, read.size(size) if size else None, **fields)
    if as_json:
        return read.show_json(document)
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    at = f" at {' x '.join(map(str, document['size']))}" if document["size"] else ""
    console.print(
        f"{name}{at}: {document['parameters']:,} parameters, {document['multiply_adds']:,} multiply-adds for a "
        f"{_thing(document['spec'])}",
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


def _thing(spec: dict[str, Any]) -> str:
    """What the multiply-adds of a model are of."""
    if "vocabulary" in spec:
        return f"line of {spec['length']} tokens"
    if "label_drop" in spec:
        return "grid"
    return f"clip of {spec['frames']} frames" if "frames" in spec else "picture"


def _text(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def _many(values: list[Any]) -> str:
    return ", ".join(map(_text, values))
