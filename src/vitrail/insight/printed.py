"""What a row of a paper's table prints, and the network of ours that it is about."""

from __future__ import annotations

from typing import Any, NamedTuple

from vitrail.insight.costs import Network, network


class Printed(NamedTuple):
    """One row of a paper's table, its figures as they stand there: with their digits.

    paper: "iwin", "swin" or "scalablevit".
    table: Its number in the paper; "release" for what only the page of the released code prints.
    parameters, giga: 10^6 parameters and 10^9 multiply-adds; None where the row has none.
    rate: Pictures a second, on what `MACHINES` names.
    differs: What was released is known to be another network than the one the row is about.
    copied: (paper, table, row) whose figures this row repeats, though the network is another.
    """

    paper: str
    table: str
    row: str
    network: Network
    parameters: str | None = None
    giga: str | None = None
    rate: str | None = None
    differs: bool = False
    copied: tuple[str, str, str] | None = None


MACHINES = {"iwin": "NVIDIA V100", "scalablevit": "NVIDIA RTX 3090, 64 pictures at a time"}


def at(name: str, side: int | None = None, **more: Any) -> Network:
    """A network of pictures of side x side; of 224 x 224 where no side is named."""
    return network(name, **({"size": (side, side)} if side else {}), **more)
