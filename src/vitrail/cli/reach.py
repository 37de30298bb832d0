"""`vitrail reach`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from vitrail.errors import InputError


def reach(
    name: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="A model, as `vitrail models '*'` lists them.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FIELD=VALUE]...", help="Fields of its spec, such as window=4 kernels=5,5,5,5."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="HxW in pixels, of generators in latents; of clips also TxHxW; of language N tokens."),
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(metavar="FOLDER|FILE.png", help="A picture for each stage, or all in one.")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Where the papers' configurations stand, without MODEL.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which token can influence which, stage by stage and block by block, exactly.

    Iwin is followed in both structures of its blocks: convolution beside attention, and one after the other.
    """
    if published:
        if name or size or draw:
            raise InputError("--published takes no model, size or picture: vitrail reach --published [--json].")
        return _published(as_json)
    if not name:
        raise InputError("A model is wanted: vitrail reach MODEL --size HxW, or vitrail reach --published.")
    sides = _sides(size) if size else None
    from vitrail.cli import read
    from vitrail.insight import reach, reach_maps
    from vitrail.recipes.overrides import read_pairs

    fields = read_pairs(overrides or [])
    if fields.keys() & {"name", "size", "num_classes"}:
        raise InputError("The name and the size are not overrides: reach NAME --size HxW.")
    trails = reach.follow(name, sides, fields, bar=True)
    found = reach.report(name, trails, fields)
    files = reach_maps.draw(name, trails, draw) if draw else []
    if as_json:
        read.show_json(found.document())
    else:
        _show(found)
    for file in files:
        typer.echo(f"drawn in {file}", err=True)


def _sides(text: str) -> tuple[int, ...]:
    """`224`, `224x320`, `32x224x224`."""
    if not re.fullmatch(r"\d{1,6}(x\d{1,6}){0,2}", text.lower()):
        raise InputError(f"size {text!r}: wanted HxW in pixels, such as 224x224.")
    return tuple(map(int, text.lower().split("x")))


def _show(found: Any) -> None:
    """A table for each structure."""
    from rich.table import Table

    console = _console()
    what = " tokens" if found.causal else ""
    console.print(
        f"{found.model} at {_side(found.size)}{what}: share of pairs linked after 1, 2, ... blocks of a stage"
    )
    for structure in found.structures:
        if structure.structure:
            own = ", the model's own" if structure.own else ", for comparison"
            console.print(f"\n{structure.structure}{own}")
        table = Table(box=None, pad_edge=False)
        titles = ("stage", "grid", "windows", "K", "blocks", "global after", "share after 1, 2, ... blocks")
        conditions = [stage.condition for stage in structure.stages]
        for title in titles:
            table.add_column(title, overflow="fold")
        if any(conditions):
            table.add_column("K·M ≥ side")
            table.add_column("K for two blocks" if structure.structure != "serial" else "K for one block")
        for stage in structure.stages:
            row = [*_stage(stage), _shares(stage)]
            if stage.condition:
                row += ["yes" if stage.condition.paper else "no", _wanted(stage.condition)]
            table.add_row(*row)
        console.print(table)
        for stage in structure.stages:
            if stage.never:
                console.print(f"stage {stage.stage}: {stage.never}", soft_wrap=True)


def _published(as_json: bool) -> None:
    from vitrail.cli import read
    from vitrail.insight import reach_published

    rows = reach_published.standings()
    if as_json:
        return read.show_json(reach_published.document(rows))
    from rich.table import Table

    console = _console()
    table = Table(box=None, pad_edge=False)
    titles = ("configuration", "stage", "grid", "windows", "K", "blocks", "global after", "serial", "share")
    for title in (*titles, "K·M ≥ side", "K for two"):
        table.add_column(title, overflow="fold")
    for row in rows:
        first = row.title if row.own.stage == 1 else ""
        condition = row.own.condition
        said = ["yes" if condition.paper else "no", _wanted(condition)] if condition else ["", ""]
        serial = "" if row.serial is None else str(row.serial)
        table.add_row(first, *_stage(row.own), serial, _percent(row.own.share_within_stage), *said)
    console.print(table)
    console.print(
        "\nglobal after: blocks of the stage's kind until every position reads every other; serial: the same were "
        "attention to read what the convolution gave; share: of all pairs, linked by the stage's own blocks",
        soft_wrap=True,
    )


def _console() -> Any:
    """As wide as the terminal, or wide enough for a file."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)


def _stage(stage: Any) -> list[str]:
    """What a stage is, and after how many blocks it is global."""
    after = "never" if stage.blocks_until_global is None else str(stage.blocks_until_global)
    more = "" if stage.global_within_stage or stage.blocks_until_global is None else ", more than it has"
    windows, kernels = (" ".join(map(_side, each)) for each in (stage.windows, stage.kernels))
    windows += ", shifted" if stage.shifts else ""
    return [str(stage.stage), _side(stage.grid), windows, kernels, str(stage.depth), after + more]


def _shares(stage: Any, most: int = 10) -> str:
    """Each share; those of a long way with a gap in it."""
    shares = [_percent(share) for share in stage.share_after]
    if len(shares) > most:
        shares = [*shares[: most - 2], "...", shares[-1]]
    return " ".join(shares)


def _percent(share: float) -> str:
    """To two digits, and never 100 where a pair is missing."""
    if share == 1:
        return "100%"
    percent = 100 * share
    return f"{min(percent, 99.99):.2f}%" if percent > 99.5 else f"{percent:.1f}%"


def _wanted(condition: Any) -> str:
    return f"{condition.kernel_wanted}, has {condition.kernel}" + (": yes" if condition.corrected else "")


def _side(sides: Any) -> str:
    return "x".join(map(str, sides))
