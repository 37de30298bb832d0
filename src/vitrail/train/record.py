"""What a run leaves in its folder while it trains, and what it shows.

metrics.jsonl   one line per epoch         summary.json   the last word
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vitrail.train.files import replacing

Item = TypeVar("Item")


class Record:
    """Writes and shows, on the first process; on the others it does neither.

    Args:
        folder: The run's folder; it exists.
        first: Whether this is the process that writes.
        finished: Epochs of an earlier start to keep; later lines are dropped, as those epochs run again.
    """

    def __init__(self, folder: Path, first: bool = True, finished: int = 0) -> None:
        self.metrics, self.summary = folder / "metrics.jsonl", folder / "summary.json"
        self.first, self.console = first, Console(quiet=not first)
        if first:
            kept = [row for row in read(folder) if row["epoch"] <= finished] if finished else []
            write_text(self.metrics, "".join(json.dumps(row) + "\n" for row in kept))

    def add(self, row: dict[str, Any]) -> None:
        """Appends one epoch's numbers."""
        if self.first:
            with open(self.metrics, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def close(self, summary: dict[str, Any]) -> None:
        """Writes the summary."""
        if self.first:
            write_text(self.summary, json.dumps(summary, indent=1) + "\n")

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def track(self, batches: Iterable[Item], count: int, title: str) -> Iterator[Item]:
        """The batches, with a bar and the time left on a terminal."""
        yield from track(batches, count, title, self.console)


def track(items: Iterable[Item], count: int, title: str, console: Console | None = None) -> Iterator[Item]:
    """The items, with a bar that shows the part done and the time left, and goes when they end."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = console or Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(items, total=count, description=title)


def read(folder: str | Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics, oldest first; a last line that was cut off is left out."""
    path, rows = Path(folder) / "metrics.jsonl", []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return rows


def write_text(path: Path, text: str) -> None:
    """Replaces a text file as a whole."""
    with replacing(path) as file:
        file.write(text.encode())
