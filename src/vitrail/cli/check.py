"""`vitrail check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vitrail.data.check import Report


def check(
    data: Annotated[str, typer.Argument(help="The data set, as `vitrail train --data` takes it, or `digits`.")],
    size: Annotated[int, typer.Option(min=1, help="Pixels a picture's shorter side should have at least.")] = 32,
    out: Annotated[Path | None, typer.Option(help="Also draw classes and sizes into this PNG.")] = None,
    clean: Annotated[
        Path | None, typer.Option(help="For boxes: write annotations without what is wrong into this new folder.")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="Of boxes, label maps, videos or texts, where the data has several: `coco`, `coco_stuff`, `lists`, "
            "`texts`, ..."
        ),
    ] = None,
    tokens: Annotated[
        str | None, typer.Option(help="Of texts. bytes, characters, or the path of a tokenizer.json; bytes.")
    ] = None,
    length: Annotated[
        int | None, typer.Option(min=1, help="Of texts. Tokens of the windows that will be trained on; 256.")
    ] = None,
    reduce: Annotated[
        bool, typer.Option("--reduce", help="For label maps: 0 stands for no class, as in ADE20K's own.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every case.")] = False,
) -> None:
    """Look at a data set before training on it: pictures with classes, boxes and masks, or label maps; videos; texts.

    Finds pictures that cannot be read, that are there twice, that stand in both parts or in two classes, and classes
    and shapes that make trouble; boxes without size or outside, of unknown categories or missing pictures; label maps
    in colour, of another size or with values that are no class; held-out text that the training text has, and what of
    it the training text lacks. Exits with 1 where something would stop or spoil training.
    """
    from vitrail.errors import InputError

    if out and (out.suffix.lower() != ".png" or not out.parent.is_dir()):
        raise InputError(f"{out}: wanted a .png file in a folder that exists.")

    from vitrail.cli import check_boxes, check_clips, check_labels, check_texts, read
    from vitrail.data import clip_layouts, detection_layouts

    if layout is None and data != "digits":
        layout = check_boxes.layout(data) or check_labels.layout(data) or check_clips.layout(data)
        layout = layout or check_texts.layout(data)
    if layout in detection_layouts.LAYOUTS:
        check_boxes.check_boxes(data, layout, size, out, clean, as_json)
        return
    if clean:
        raise InputError(f"--clean writes annotations of boxes anew, and {data} has none.")
    if layout == check_texts.LAYOUT:
        if reduce:
            raise InputError(f"--reduce is for label maps, and {data} is text.")
        check_texts.check_texts(data, tokens or "bytes", length or 256, out, as_json)
        return
    if tokens or length:
        name = "tokens" if tokens else "length"
        raise InputError(f"--{name} is for texts, and {data} is none; --layout texts takes it as such.")
    if layout in clip_layouts.LAYOUTS:
        check_clips.check_clips(data, layout, size, out, as_json)
        return
    if layout:
        check_labels.check_labels(data, layout, reduce, size, out, as_json)
        return
    if reduce:
        raise InputError(f"--reduce is for label maps, and {data} has none.")

    from vitrail.data.check import looks, report
    from vitrail.recipes import sources
    from vitrail.train.record import track

    training, held_out = sources.open_split(sources.named(data))
    count = len(training) + len(held_out)
    found = report(track(looks(training, held_out), count, "looking"), training.classes, size)
    if out:
        from vitrail.draw.dataset import draw_dataset

        draw_dataset(out, found.classes, found.counts, found.sizes, f"{data}: {count} pictures")
        typer.echo(f"drawn in {out}", err=True)
    if as_json:
        read.show_json(_document(data, found))
    else:
        _show(found)
    if not found.sound:
        raise typer.Exit(1)


def _document(data: str, found: Report) -> dict[str, Any]:
    from dataclasses import asdict

    from vitrail.data.check import summary

    return {
        "data": data,
        "sound": found.sound,
        "classes": list(found.classes),
        "counts": {part: dict(zip(found.classes, each, strict=True)) for part, each in found.counts.items()},
        "sizes": {part: summary(each) for part, each in found.sizes.items()},
        "modes": found.modes,
        "findings": [asdict(finding) for finding in found.findings],
    }


def _show(found: Report) -> None:
    """Both parts in a table (ranges, and the median of sizes), then the findings, the worst first."""
    from rich.console import Console
    from rich.table import Table

    from vitrail.cli.findings import ranges, show_findings

    console = Console(highlight=False, markup=False)
    table = Table("part", box=None, header_style="bold")
    for column in ("pictures", "classes", "in a class", "width", "height"):
        table.add_column(column, justify="right")
    for part, each in found.counts.items():
        table.add_row(part, str(sum(each)), *ranges(each, found.sizes[part]))
    console.print(table)
    show_findings(console, found.findings)
