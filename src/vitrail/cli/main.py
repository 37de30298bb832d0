"""`vitrail`: the groups of commands put together, and every user's error in one line."""

from __future__ import annotations

import os
import re
import sys

import typer

from vitrail import heap
from vitrail.cli import (
    ablate,
    bench,
    check,
    compare,
    convert,
    demo,
    eval,
    export,
    latents,
    look,
    models,
    pack,
    predict,
    reach,
    recipes,
    sample,
    tables,
    train,
)
from vitrail.errors import InputError

app = typer.Typer(
    name="vitrail",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Hierarchical vision transformers whose attention lives in windows: Iwin, Swin, ScalableViT.",
)
app.command("models")(models.models)
app.command("info")(models.info)
app.command("recipes")(recipes.recipes)
app.command("check")(check.check)
app.command("train")(train.train)
app.command("eval")(eval.evaluate)
app.command("predict")(predict.predict)
app.command("sample")(sample.sample)
app.command("latents")(latents.latents)
app.command("pack")(pack.pack)
app.command("compare")(compare.compare)
app.command("tables")(tables.tables)
app.command("look")(look.look)
app.command("ablate")(ablate.ablate)
app.command("reach")(reach.reach)
app.command("convert")(convert.convert)
app.command("bench")(bench.bench)
app.command("export")(export.export)
app.command("demo")(demo.demo)


def main() -> None:
    """The entry point. Exits with 2 after an error the user can put right; VITRAIL_DEBUG=1 shows its traceback."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads sleep: busy cores then hurt less
    if heap.wanted():
        heap.keep_memory()
    try:
        app()
    except (InputError, OSError) as error:
        if os.environ.get("VITRAIL_DEBUG"):
            raise
        reason = f"{error.filename}: {error.strerror}." if isinstance(error, OSError) and error.filename else str(error)
        print("error:", " ".join(reason.split()), file=sys.stderr)
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:  # PyTorch raises the latter, in words of its own for each device
        full = isinstance(error, MemoryError) or re.search("out of memory|allocate memory", str(error))
        if not full or os.environ.get("VITRAIL_DEBUG"):
            raise
        print("error: there is not enough memory for this: ask for less, or for less at a time.", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
