"""`vitrail bench`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from vitrail.cli import refusals
from vitrail.errors import InputError

Value = TypeVar("Value")


def bench(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL[@WAY]]...",
            help="A model's name, timm/NAME or torchvision/NAME; by default three of ours and torchvision's Swin-T. "
            "WAY: eager, compiled, openvino, optimized, checkpointed (training), or all of the first three.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="PEER[@WAY]", help="Whose speed is 1; by default timm's Swin-T, eager, where timm is."),
    ] = None,
    batch: Annotated[
        str | None, typer.Option(metavar="N,...", help="Pictures at a time; by default 1,16, for growth 1.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="HxW,...", help="In pixels; by default 224, for growth 224 to 2048.")
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE,...", help="float32, bfloat16, float16; by default the first two, for growth the first."
        ),
    ] = None,
    mode: Annotated[
        str, typer.Option(metavar="MODE,...", help="infer, train: forward, backward and an AdamW step.")
    ] = "infer",
    rounds: Annotated[int, typer.Option(help="How often each is timed, 5 or more.")] = 7,
    least: Annotated[float, typer.Option(min=0, help="Seconds that one timing lasts at least.")] = 0.8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    memory: Annotated[
        bool, typer.Option("--memory", help="Also the peak of a step, each in a process of its own.")
    ] = False,
    growth: Annotated[
        bool, typer.Option("--growth", help="Fit time = a * pixels^b through the sizes, three or more.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="A folder for bench.json, rates.png and growth.png.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure models beside each other, in one run.

    Each round times every model once, in an order drawn anew; shown are medians and the middle half of the rounds,
    also of the ratio to the peer, round by round. Compiled and OpenVINO's answers are held against eager's.
    """
    from vitrail.cli import read
    from vitrail.insight import bench, contenders
    from vitrail.train.processes import find_device

    if out and out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, wanted a folder.")
    _check([against or "", *(models or ())])
    sizes = _list(size, read.size) if size else tuple((side, side) for side in (bench.SIZES if growth else (224,)))
    peer = contenders.read(against or bench.usual_peer())
    if len(peer) > 1:
        raise InputError(f"--against {against}: one way is wanted, such as {peer[0].name}@compiled.")
    plan = bench.Plan(
        contenders=tuple(each for text in models or bench.USUAL for each in contenders.read(text)),
        peer=peer[0],
        device=find_device(device),
        batches=_list(batch or ("1" if growth else "1,16"), _batch),
        sizes=sizes,
        dtypes=_list(dtype or ("float32" if growth else "float32,bfloat16"), str),
        modes=_list(mode, str),
        rounds=rounds,
        least=least,
        memory=memory,
        growth=growth,
        command=typed(sys.argv[1:]),
    )
    document = bench.bench(plan, out, say=lambda line: typer.echo(line, err=True))
    if as_json:
        read.show_json(document)
    else:
        _show(document)
    if out:
        typer.echo(f"written in {out}", err=True)


def _check(texts: Sequence[str]) -> None:
    """Raises: InputError for generators of pictures and models of language, no contenders, by name or as a run."""
    from vitrail.recipes import find

    for text in texts:
        name = text.partition("@")[0]
        run = Path(name)
        model = find.of_run(run).model.name if name and (run / "recipe.json").is_file() else name
        refusals.makers(model, name, "bench")


def typed(arguments: Sequence[str]) -> str:
    """The command as typed, for publishing: without the folder it writes to."""
    kept, skip = [], False
    for argument in arguments:
        if not skip and argument != "--out" and not argument.startswith("--out="):
            kept.append(argument)
        skip = argument == "--out"
    return shlex.join(["vitrail", *kept])


def _list(text: str, read: Callable[[str], Value]) -> tuple[Value, ...]:
    """What stands between commas, each once."""
    return tuple(dict.fromkeys(read(part.strip()) for part in text.split(",")))


def _batch(text: str) -> int:
    if not text.isdecimal():
        raise InputError(f"batch {text!r}: a whole number of pictures is wanted, or several with commas.")
    return int(text)


def _show(document: dict[str, Any]) -> None:
    """A table for each setting, then the growth."""
    from rich.console import Console
    from rich.table import Table

    from vitrail.draw.bench import label

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    console.print(f"{document['machine']}; {versions}; {document['date']}", soft_wrap=True)
    console.print(f"img/s: median of {document['rounds']} rounds; ratio: to {document['peer']}", soft_wrap=True)
    rows = document["rows"]
    extra: list[tuple[str, str, Callable[[float], str]]] = [
        ("compile", "compile_seconds", lambda value: f"{value:.1f} s"),
        ("off eager", "parity", lambda value: f"{value:.0e}"),
        ("memory", "memory", lambda value: f"{value / 1e6:.0f} MB"),
    ]
    columns = [each for each in extra if any(row[each[1]] is not None for row in rows)]
    for setting in dict.fromkeys(map(_setting, rows)):
        console.print(f"\n{setting}")
        table = Table(box=None, pad_edge=False)
        table.add_column("model", overflow="fold")
        for title in ("img/s", "middle half", "ratio", "middle half", *(title for title, _, _ in columns)):
            table.add_column(title, justify="right", no_wrap=True)
        for row in (row for row in rows if _setting(row) == setting):
            numbers = [_rate(row["images_per_second"]), " – ".join(map(_rate, row["spread"]))]
            ratio = (row["ratio"], row["ratio_spread"])
            numbers += (
                ["", ""] if ratio[0] is None else [f"{ratio[0]:.2f}", " – ".join(f"{each:.2f}" for each in ratio[1])]
            )
            more = ["" if row[key] is None else text(row[key]) for _, key, text in columns]
            table.add_row(label(row), *numbers, *more)
        console.print(table)
    if document["growth"]:
        console.print("\ntime = a * pixels^b")
        table = Table(box=None, pad_edge=False)
        table.add_column("model", overflow="fold")
        for title in ("", "b", "standard error", "MB a megapixel"):
            table.add_column(title, justify="right" if title else "left", no_wrap=True)
        for line in document["growth"]:
            slope = line["megabytes_per_megapixel"]
            where = f"{line['mode']}, {line['dtype']}, batch {line['batch']}"
            memory = "" if slope is None else f"{slope:.0f}"
            table.add_row(label(line), where, f"{line['exponent']:.3f}", f"{line['error']:.3f}", memory)
        console.print(table)


def _setting(row: dict[str, Any]) -> str:
    height, width = row["size"]
    return f"{row['mode']}, {row['dtype']}, batch {row['batch']}, {height} x {width}"


def _rate(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 1000 else f"{rate:.1f}" if rate >= 10 else f"{rate:.2f}"
