"""`vitrail demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Where it all goes; an earlier demo there is replaced.")] = Path("demo"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Decides the first weights, the order and the augmentation.")
    ] = 0,
) -> None:
    """Train three small models on handwritten digits.

    It takes minutes on two cores, and downloads nothing.
    """
    from vitrail.recipes import show

    rows = show.show(out, device, seed)

    from rich.console import Console
    from rich.table import Table

    table = Table("model", box=None)
    for title in ("parameters", "top-1", "time"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(row["model"], f"{row['parameters']:,}", f"{100 * row['top1']:.2f} %", f"{row['seconds']:.0f} s")
    console = Console(highlight=False)
    console.print()
    console.print(table)
    console.print(
        f"""
Look at   {out}/curves.png   {out}/confusion.png   {out}/predictions.png   {out}/windows.png
Then try
  vitrail predict {out}/iwin_nano {out}/digits --out {out}/answers.png
  vitrail eval {out}/swin_nano
  vitrail info iwin_tiny --size 384x384 window=12
  vitrail train finetune --data YOUR_FOLDER        (YOUR_FOLDER/CLASS/picture.jpg)""",
        soft_wrap=True,
    )
