"""`vitrail recipes`."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated

import typer


def recipes(
    pattern: Annotated[str | None, typer.Argument(help="Shell pattern, such as 'iwin_*'.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the recipes that `vitrail train` knows by name."""
    from fnmatch import fnmatchcase

    from vitrail.cli import read
    from vitrail.errors import InputError, nearest
    from vitrail.recipes.find import RECIPES

    names = [name for name in RECIPES if fnmatchcase(name, pattern or "*")]
    if not names:
        raise InputError(f"No recipe matches {pattern!r}.{nearest(pattern or '', RECIPES)}")
    rows = []
    for name in names:
        recipe = RECIPES[name]()
        row = {"name": name, "model": recipe.model.name, "size": list(recipe.model.size), "epochs": recipe.epochs}
        about = (RECIPES[name].__doc__ or "").partition("\n")[0]
        rows.append(row | {"batch": recipe.batch, "lr": recipe.optimizer.lr, "about": about})
    if as_json:
        return read.show_json(rows)
    titles = ("name", "model", "size", "epochs", "batch", "lr", "about")
    lines = [titles, *((*row.values(),) for row in rows)]
    texts = [[_text(value) for value in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in texts:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))[:room].rstrip())


def _text(value: object) -> str:
    """One line of a table's text: a square's size is its side."""
    if isinstance(value, list):
        return str(value[0]) if len(set(value)) == 1 else "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
