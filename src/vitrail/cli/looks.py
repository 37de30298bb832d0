"""Options of `vitrail eval` and `vitrail predict`: in how many ways a picture or a video is looked at."""

from __future__ import annotations

from typing import Annotated

import typer

Views = Annotated[
    str | None,
    typer.Option(
        help="Several views of a picture or video. Of classes: one, flip, ten, averaged. Of clips: clips x crops, such "
        "as 4x3, averaged. Of boxes, merged, and pixels, averaged: one, flip, scales, all."
    ),
]
Sides = Annotated[
    str | None, typer.Option(help="Of boxes and pixels. Shorter sides of the views, pixels: 640,800,1024.")
]
Slide = Annotated[
    str | None, typer.Option(help="Of pixels. Side and step of windows in the resized picture, such as 512,341.")
]
Tile = Annotated[
    int | None, typer.Option(min=1, help="Of boxes and pixels. Look at large pictures in parts of so many a side.")
]
Overlap = Annotated[
    float | None, typer.Option(min=0, help="Of boxes and pixels. Share of a part that neighbours have in common.")
]
