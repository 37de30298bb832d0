"""`vitrail export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitrail.cli import refusals
from vitrail.errors import InputError

if TYPE_CHECKING:
    from vitrail.data.settings import Preprocessing
    from vitrail.models.assemble import Network


def export(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN|NAME",
            help="A run's folder, a weights file, weights by name such as swin_tiny.in1k_224, or an architecture "
            "(with random weights).",
        ),
    ],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="torch, onnx, aoti or openvino.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="By default the source's name here, with the format's suffix.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="For openvino: f32, bf16 or int8; by default f32, with --calibrate int8.")
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Pictures such as the model will see, for int8.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="How many of them to calibrate on.")] = 128,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Largest difference from the model: absolute for f32 (1e-4), else a part of the largest value "
            "(bf16 0.05, int8 0.25).",
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="For an architecture: the size its windows are resolved for.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON that stands beside the file.")] = False,
) -> None:
    """Write a model in another format, for every batch, height and width, compared with the model at ten of them.

    FILE.json beside the file says what the model wants done to a picture, its classes, and the differences.
    """
    from rich.console import Console

    from vitrail.cli import read
    from vitrail.export import calibrate as calibration
    from vitrail.export import formats, write
    from vitrail.export.adapter import adapt

    precision = formats.require(to, precision or ("int8" if calibrate else None))
    model, document, preprocessing = _opened(source, read.size(size) if size else None)
    chosen = None
    if calibrate:
        chosen = calibration.pictures(calibrate, model.size, preprocessing, pictures)
    elif precision == "int8":
        raise InputError("int8 is calibrated on pictures such as the model will see: --calibrate FOLDER.")
    path = output or Path(f"{_stem(source)}{'.aoti' if to == 'aoti' else ''}{formats.FORMATS[to].suffix}")
    with Console(stderr=True).status(to) as status:
        found = write.export(
            adapt(model, source=source, **document),
            to,
            path,
            precision=precision,
            calibration=chosen,
            tolerance=tolerance,
            say=lambda stage: status.update(f"{to}: {stage}"),
        )
    if as_json:
        return read.show_json(found.document)
    sizes = dict.fromkeys(f"{row['height']}x{row['width']}" for row in found.document["parity"])
    batches = dict.fromkeys(str(row["batch"]) for row in found.document["parity"])
    relative = max(row["relative"] for row in found.document["parity"])
    megabytes = sum(file["bytes"] for file in found.document["files"].values()) / 1e6
    typer.echo(
        f"{found.path}: {megabytes:.1f} MB, {to} {found.document['precision']}; off the model by at most "
        f"{found.document['largest_difference']:.1e} ({relative:.1e} of the largest value) at {', '.join(sizes)}, "
        f"batches {' and '.join(batches)}; {found.json.name} says the rest"
    )


def _opened(source: str, size: tuple[int, int] | None) -> tuple[Network, dict[str, Any], Preprocessing]:
    """The model, what is said of it in the JSON, and what it wants done to a picture."""
    from vitrail import weights
    from vitrail.data.settings import Preprocessing
    from vitrail.export.adapter import check_looks
    from vitrail.models import catalogue
    from vitrail.models.spec import to_dict
    from vitrail.recipes import start, use

    refusals.language(source, source, "export")
    classes: list[str] = []
    preprocessing, random = Preprocessing(), False
    if Path(source).exists() or source in catalogue.WEIGHTS:
        if size:
            raise InputError(f"{source} is trained for a size; --size goes with an architecture's name.")
        path = Path(source)
        if path.is_dir():
            use.load(path)  # says what is missing of a run
        model, said = weights.open_model(weights.locate(source))
        check_looks(model, source)
        classes, preprocessing = list(said.get("classes", ())), start.preprocessing(said, source)
    else:
        model, random = catalogue.create_model(source, size=size or (224, 224)), True
        typer.echo(f"{source} is an architecture: its weights are random.", err=True)
    spec = model.spec if isinstance(model.spec, dict) else to_dict(model.spec)
    document = {
        "model": model.name,
        "size": list(model.size),
        "num_classes": model.num_classes,
        "classes": classes,
        "random_weights": random,
        "preprocessing": to_dict(preprocessing),
        "spec": spec,
    }
    return model, document, preprocessing


def _stem(source: str) -> str:
    path = Path(source)
    if path.is_dir():
        return path.resolve().name
    return path.stem if path.is_file() else source.replace("/", "_")
