"""`vitrail convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .pth or .safetensors file, in any known layout.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A .safetensors file, or .pth with --to.")],
    fields: Annotated[
        list[str] | None, typer.Argument(metavar="[FIELD=VALUE]...", help="Of the spec, such as heads=3,6,12,24.")
    ] = None,
    to: Annotated[
        str, typer.Option(help="vitrail, release, timm, torchvision, huggingface, transformers or mm.")
    ] = "vitrail",
    prefix: Annotated[str | None, typer.Option(help="Before every name of that layout, such as backbone.")] = None,
    named: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="NAME", help="What it was trained as: iwin_small.in1k_224; dense_NAME: a backbone alone."
        ),
    ] = None,
    size: Annotated[str | None, typer.Option(help="HxW in pixels that the network is built for.")] = None,
    window: Annotated[int | None, typer.Option(min=1, help="Another window; bias tables are resized.")] = None,
    classes: Annotated[Path | None, typer.Option(help="Names of the classes, one a line.")] = None,
    rows: Annotated[Path | None, typer.Option(help="Rows of the head that stay, one number a line.")] = None,
    from_synsets: Annotated[Path | None, typer.Option(help="The classes of the head, one synset a line.")] = None,
    to_synsets: Annotated[Path | None, typer.Option(help="The synsets that stay, one a line.")] = None,
    licence: Annotated[str | None, typer.Option(help="Of the weights, as the file is to say it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Convert weights: anybody's into our file, ours into anybody's names.

    The only command that reads .pth files: tensors alone, no code. An OUT called statistics.safetensors is made of the
    latents_stats.pt of latents, one called inception.safetensors of torch-fidelity's weights for FID. An OUT without a
    suffix becomes the folder of an autoencoder, for --vae, of a checkpoint in LDM's names such as VA-VAE's.
    """
    from vitrail.cli import read
    from vitrail.errors import InputError
    from vitrail.recipes.overrides import read_pairs
    from vitrail.weights import autoencoder, inception, labels, statistics
    from vitrail.weights.convert import Wanted
    from vitrail.weights.convert import convert as run

    if target.name == statistics.NAME:
        done = statistics.convert_statistics(source, target)
        if as_json:
            return read.show_json(done)
        return typer.echo(f"written: {target}, mean and deviation of {done['channels']} channels")
    if target.name == inception.NAME:
        done = inception.convert_inception(source, target)
        return read.show_json(done) if as_json else typer.echo(f"written: {target}, {done['tensors']} tensors")
    if not target.suffix and to == "vitrail":
        done = autoencoder.convert_autoencoder(source, target)
        return read.show_json(done) if as_json else typer.echo(_autoencoder(done))
    if bool(from_synsets) != bool(to_synsets) or (rows and from_synsets):
        raise InputError("Rows are picked by --rows FILE, or by --from-synsets FILE --to-synsets FILE.")
    picked = labels.rows(rows) if rows else None
    if from_synsets and to_synsets:
        picked = labels.between(from_synsets, to_synsets)
    found = run(
        source,
        target,
        Wanted(
            to=to,
            prefix=prefix,
            named=named,
            fields={key: tuple(v) if isinstance(v, list) else v for key, v in read_pairs(fields or []).items()},
            size=read.size(size) if size else None,
            window=window,
            rows=picked,
            rows_from=(rows or to_synsets or Path()).name,
            classes=labels.names(classes) if classes else None,
            licence=licence,
        ),
    )
    if as_json:
        return read.show_json(found)
    for line in _said(found):
        typer.echo(line)


def _autoencoder(done: dict[str, Any]) -> str:
    left = f"; {len(done['left_out'])} tensors left out, {done['left_out'][0]} first" if done["left_out"] else ""
    return (
        f"written: {done['out']}, an autoencoder of {done['channels']} channels and stride {done['stride']}, "
        f"{done['tensors']} tensors{left}"
    )


def _said(found: dict[str, Any]) -> list[str]:
    where = f", under {found['taken']}" if found["taken"] else ""
    height, width = found["size"]
    lines = [
        f"{found['in']}: {found['recognised']} in the layout {found['layout']}{where}, {found['tensors']} tensors",
        f"built for {height}x{width}, {found['classes']} classes; windows follow "
        + (", ".join(f"{key} {value}" for key, value in found["rule"].items()) or "its paper"),
    ]
    lines += [f"note: {note}" for note in found["notes"]]
    lines += [f"changed: {change}" for change in found["changes"]]
    if found["left_out"]:
        lines.append(
            f"left out: {len(found['left_out'])} tensors that are no part of this network (first: "
            f"{found['left_out'][0]}); the original still has them"
        )
    written = f", {found['written']} tensors in the layout {found['to']}" if "written" in found else ""
    return [*lines, f"written: {found['out']}{written}"]
