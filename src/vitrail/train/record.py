"""What a run leaves in its folder while it trains, and what it shows.

metrics.jsonl   one line per epoch        steps.jsonl      about fifty lines an epoch
summary.json    the last word             unreadable.txt   pictures that were passed over, and why
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vitrail.train.files import replacing

Item = TypeVar("Item")


LINES = 50  # of steps.jsonl in an epoch


class Board(Protocol):
    """Something else that numbers are shown on, such as TensorBoard."""

    def add(self, step: int, values: dict[str, float]) -> None: ...
    def close(self) -> None: ...


class Record:
    """Writes and shows, on the first process; the others only note what they could not read.

    Args:
        folder: The run's folder; it exists.
        first: Whether this is the process that writes.
        finished, step: Epochs and steps of an earlier start to keep; later lines are dropped, as those run again.
        board: Gets the numbers too.
    """

    def __init__(
        self, folder: Path, first: bool = True, finished: int = 0, step: int = 0, board: Board | None = None
    ) -> None:
        self.metrics, self.steps, self.summary = (
            folder / name for name in ("metrics.jsonl", "steps.jsonl", "summary.json")
        )
        self.unreadable, self.skipped = folder / "unreadable.txt", list[str]()
        self.first, self.board, self.console = first, board, Console(quiet=not first)
        if first:
            for path, key, most in ((self.metrics, "epoch", finished), (self.steps, "step", step)):
                kept = [row for row in read_lines(path, key) if row[key] <= most] if most else []
                write_text(path, "".join(json.dumps(row) + "\n" for row in kept))
            if not (finished or step):
                self.unreadable.unlink(missing_ok=True)

    def add(self, row: dict[str, Any]) -> None:
        """Appends one epoch's numbers."""
        self._append(self.metrics, row)
        if self.first and self.board:
            self.board.add(row["epoch"], {name: float(value) for name, value in row.items() if name != "epoch"})

    def step(self, step: int, steps: int, row: dict[str, float]) -> None:
        """Appends one step's numbers, for some fifty of the `steps` of an epoch; the first step is 1."""
        if step % max(steps // LINES, 1) == 0:
            self._append(self.steps, {"step": step, **row})
            if self.first and self.board:
                self.board.add(step, {f"step/{name}": value for name, value in row.items()})

    def skip(self, epoch: int, line: str) -> None:
        """Notes a picture that was passed over, once however often it is met; every process notes its own."""
        if line not in self.skipped:
            self.skipped.append(line)
            with open(self.unreadable, "a", encoding="utf-8") as file:
                file.write(f"epoch {epoch}: {line}\n" if epoch else f"held out: {line}\n")
            self.say(f"passed over: {line}")

    def _append(self, path: Path, row: dict[str, Any]) -> None:
        if self.first:
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def close(self, summary: dict[str, Any]) -> None:
        """Writes the summary."""
        if self.first:
            write_text(self.summary, json.dumps(summary, indent=1) + "\n")
            if self.board:
                self.board.close()

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def track(self, batches: Iterable[Item], count: int, title: str, done: int = 0) -> Iterator[Item]:
        """The batches, with a bar and the time left on a terminal."""
        yield from track(batches, count, title, self.console, done)


def track(
    items: Iterable[Item], count: int, title: str, console: Console | None = None, done: int = 0
) -> Iterator[Item]:
    """The items, with a bar that shows the part done and the time left, and goes when they end.

    Args:
        count: How many they are with the `done` that came before them.
    """
    with _bar(console) as progress:
        yield from progress.track(items, total=count, completed=done, description=title)


@contextmanager
def told(count: int, title: str) -> Iterator[Callable[[int, float], None]]:
    """As `track`, of `count` things that get done together, some at a time.

    Inside, `tell(some, part)` says that so many are done to a part in [0, 1]; at 1 the next ones follow.
    """
    finished = 0
    with _bar(None) as progress:
        task = progress.add_task(title, total=count)

        def tell(some: int, part: float) -> None:
            nonlocal finished
            progress.update(task, completed=finished + int(some * part))
            finished += some if part >= 1 else 0

        yield tell


def _bar(console: Console | None) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = console or Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def read(folder: str | Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics, oldest first; a last line that was cut off is left out."""
    return read_lines(Path(folder) / "metrics.jsonl", "epoch")


def read_lines(path: Path, key: str) -> list[dict[str, Any]]:
    """The JSON documents of a file, one a line, up to the first that has no whole number as `key` or was cut off.

    None where there is no file.
    """
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                break
            if not isinstance(row, dict) or not isinstance(row.get(key), int):
                break
            rows.append(row)
    return rows


def write_text(path: Path, text: str) -> None:
    """Replaces a text file as a whole."""
    with replacing(path) as file:
        file.write(text.encode())
