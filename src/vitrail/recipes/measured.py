"""What came of measuring a trained model, whatever kind it is: numbers, tables, a line, files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from vitrail.train.processes import Processes
from vitrail.train.record import write_text


class Table(NamedTuple):
    """Titles of the columns, and rows of as many words; all but the first column stand at the right."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Measured(Protocol):
    @property
    def unreadable(self) -> tuple[str, ...]:
        """Why pictures were left out, a line each."""
        ...

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        ...

    def tables(self, worst: int | None = None) -> list[Table]:
        """What is shown; of the classes only the `worst`."""
        ...

    def line(self) -> str:
        """The whole in one line."""
        ...

    def write(self, out: Path, title: str) -> None:
        """Writes evaluation.json and the pictures into the folder `out`."""
        ...


def percent(share: float | None, digits: int = 2) -> str:
    """A share as people read it; "" where there is none, which COCO calls -1."""
    return "" if share is None or share < 0 else f"{100 * share:.{digits}f} %"


def write_classes(out: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes per_class.csv: a row for each class, its keys in the first line."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(out / "per_class.csv", text.getvalue())


def everywhere(lines: Iterable[str], processes: Processes) -> tuple[str, ...]:
    """The lines of all processes: in order of this one where it is alone, else sorted."""
    own = list(lines)
    if processes.world == 1:
        return tuple(own)
    return tuple(sorted(line for each in (own, *processes.others(own)) for line in each))
