"""What an annotation file says of each picture, read with an open eye: what cannot be used is set aside and named.

Every layout is read into the same `Record`s, by one rule for boxes (`Reading.box`). Training, `vitrail check` and the
cleaned copy start from the same reading.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vitrail.data.images import printable
from vitrail.errors import InputError

Kind = Literal["category", "picture", "double", "box", "clipped", "entry"]
FATAL: dict[Kind, str] = {  # causes before what follows from them
    "entry": "that cannot be read",
    "double": "listed twice",
    "category": "of an unknown category",
    "picture": "of a picture that the file does not list",
}


@dataclass(frozen=True)
class Problem:
    """kind: What is wrong. where: The picture or file that it is about. line: What to say of it."""

    kind: Kind
    where: str
    line: str


@dataclass(frozen=True, eq=False)
class Record:
    """One picture and its n boxes, as their file has them but for boxes that cannot be used.

    id: The picture's number.     file: Its path under the root of its set.
    size: (H, W) that the file says; None where it says none.
    boxes: (n, 4) float64 xyxy, pixels; shares of width and height where `relative`.
    classes: (n,) int64.     crowd: (n,) bool.     areas: (n,) float64, pixels; NaN where the file says none.
    segments: Of each its COCO `segmentation`; None where it has none. Polygons are shares too where `relative`.
    origins: (n,) int64, the place of each in its file; a cleaned copy keeps these.
    clipped: (n,) bool, whether the box was cut at the picture's edge.
    source: The file of its own that it was read from; "" where one file holds all pictures, or it has none.
    """

    id: int
    file: str
    size: tuple[int, int] | None
    boxes: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    segments: tuple[Any, ...]
    origins: np.ndarray
    clipped: np.ndarray
    relative: bool = False
    source: str = ""


class Reading:
    """One picture while its annotations are read; `record` is what remains.

    Args:
        where: What a problem calls the picture.
    """

    def __init__(
        self,
        number: int,
        file: str,
        size: tuple[int, int] | None,
        where: str,
        relative: bool = False,
        source: str = "",
    ) -> None:
        self.number, self.file, self.size, self.where = number, file, size, where
        self.relative, self.source = relative, source
        self.rows: list[tuple] = []

    def box(
        self,
        corners: Sequence[float],
        target: int,
        origin: int,
        crowd: bool = False,
        area: float = math.nan,
        segment: Any = None,
    ) -> Problem | None:
        """Takes a box (x1, y1, x2, y2); cut at the edge of the picture. A box without size or all outside is left out.

        Returns: What was wrong with it.
        """
        said = f"{self.where}: box {origin + 1}, [{', '.join(f'{side:g}' for side in corners)}]"
        if not all(math.isfinite(side) for side in corners):
            return Problem("box", self.where, f"{said} is not finite")
        left, top, right, bottom = corners
        if right <= left or bottom <= top:
            return Problem("box", self.where, f"{said} has no size")
        height, width = (1, 1) if self.relative else self.size or (math.inf, math.inf)
        inside = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
        if inside[2] <= inside[0] or inside[3] <= inside[1]:
            return Problem("box", self.where, f"{said} lies outside the picture{self._frame()}")
        beyond = max(abs(a - b) for a, b in zip(inside, corners, strict=True))
        self.rows.append((inside, target, crowd, area, segment, origin, beyond > 0))
        if beyond > (0.01 if self.relative else 1.0):  # less is rounding
            return Problem("clipped", self.where, f"{said} reaches beyond the picture{self._frame()}")
        return None

    def record(self) -> Record:
        columns: Any = list(zip(*self.rows, strict=True)) or [()] * 7
        boxes, classes, crowd, areas, segments, origins, clipped = columns
        return Record(
            self.number,
            self.file,
            self.size,
            np.asarray(boxes, dtype=np.float64).reshape(-1, 4),
            np.asarray(classes, dtype=np.int64),
            np.asarray(crowd, dtype=bool),
            np.asarray(areas, dtype=np.float64),
            tuple(segments),
            np.asarray(origins, dtype=np.int64),
            np.asarray(clipped, dtype=bool),
            self.relative,
            self.source,
        )

    def _frame(self) -> str:
        return f" of {self.size[1]} x {self.size[0]}" if self.size and not self.relative else ""


class Packed(Sequence[Record]):
    """Records in one block of memory: workers share it as it is, where lists would be copied object by object."""

    def __init__(self, records: Iterable[Record]) -> None:
        each = [pickle.dumps(record, pickle.HIGHEST_PROTOCOL) for record in records]
        self.ends = np.cumsum([len(one) for one in each], dtype=np.int64)
        self.block = np.frombuffer(b"".join(each), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        start = self.ends[index - 1] if index else 0
        return pickle.loads(self.block[start : self.ends[index]].tobytes())

    def __iter__(self) -> Iterator[Record]:
        return (self[index] for index in range(len(self)))


@dataclass(frozen=True, eq=False)
class Annotations:
    """All that one part of a data set says.

    source: The file or folder that the annotations stand in.     root: The folder that the pictures lie under.
    ids: The number that the data set gives each class; result files name it.
    problems: What was set aside or cut, in the order of the file.
    """

    source: Path
    root: Path
    records: Sequence[Record]
    classes: tuple[str, ...]
    ids: tuple[int, ...]
    problems: tuple[Problem, ...] = field(default=())

    def usable(self) -> Annotations:
        """Itself. Raises: InputError in one line, where something was set aside that should not be trained without."""
        for kind, what in FATAL.items():
            found = [problem for problem in self.problems if problem.kind == kind]
            if found:
                more = f" and {len(found) - 1} more" if len(found) > 1 else ""
                raise InputError(
                    f"{printable(self.source)}: an annotation {what} ({found[0].line}){more}; "
                    "`vitrail check DATA --clean OUT` writes a copy without."
                )
        return self
