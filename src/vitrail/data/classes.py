"""What classes are called: names from `classes.txt`, numbers where there are none, and no two alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from vitrail.data.images import printable
from vitrail.errors import InputError

FILE = "classes.txt"
MOST = 1_000_000  # classes; a larger index is no index of a class


def distinct(names: Sequence[str], root: str | Path) -> None:
    """Nothing where each class has a name of its own, capitals and spaces around it aside, that a file can hold.

    Raises: InputError naming two classes that are called alike, or one whose name is not UTF-8, and `root` that has it.
    """
    seen: dict[str, str] = {}
    for name in names:
        if printable(name) != name:
            raise InputError(f"{root}: the class '{printable(name)}' has a name that is not UTF-8; rename its folder.")
        same = name.strip().casefold()
        if same in seen:
            raise InputError(f"{root}: two classes are called alike, {seen[same]!r} and {name!r}; rename or merge one.")
        seen[same] = name


def read(folder: Path) -> tuple[str, ...] | None:
    """The names in the folder's classes.txt, one a line in the order of their indices; None without that file.

    Raises: InputError where it is not text, has an empty line between names, or a name twice.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8").rstrip().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text; wanted one class name a line.") from error
    if not all(names):
        raise InputError(f"{path}: line {names.index('') + 1} is empty; wanted one class name a line.")
    distinct(names, path)
    return names


def of(targets: Collection[int], names: tuple[str, ...] | None, root: str | Path) -> tuple[str, ...]:
    """What the classes with these indices are called: `names`, or where there are none, the numbers from 0 on.

    Raises: InputError naming `root`, for an index that is none.
    """
    lowest, highest = (min(targets), max(targets)) if targets else (0, 0)
    most = len(names) if names else MOST
    if lowest < 0 or highest >= most:
        wrong = lowest if lowest < 0 else highest
        raise InputError(f"{root}: class {wrong}, wanted 0 to {most - 1}" + (f", as {FILE} names." if names else "."))
    return names or tuple(str(index) for index in range(highest + 1))
