"""Parquet files, and what Hugging Face `datasets` saved: rows with a picture and a class. It reads; we decode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vitrail.data import classes as called
from vitrail.data import images, parts
from vitrail.data.collection import Collection, reindex, split
from vitrail.errors import InputError

SAVED = ("dataset_dict.json", "state.json")  # of several parts, of one
PICTURE, CLASS = ("image", "img", "jpg"), ("label", "labels", "class")  # names preferred where several columns could be


class Table(Collection):
    """Rows of a table.

    Args:
        part: The part's name, for the keys: the same row has the same key on every machine.
        pictures: Row -> the stored picture, as bytes, or as {"bytes": ..., "path": ...} with one of them.
    """

    def __init__(
        self, root: Path, part: str, pictures: Sequence[Any], targets: list[int], classes: tuple[str, ...]
    ) -> None:
        super().__init__(str(root), [f"{part}/{row}" for row in range(len(targets))], targets, classes)
        self.pictures = pictures

    def content(self, index: int) -> bytes:
        stored = self.pictures[index]
        if isinstance(stored, Mapping):
            path, stored = stored.get("path"), stored.get("bytes")
            if stored is None and path:
                return images.read_bytes(self._inside(index, path))
        if stored is None:
            raise InputError(f"{self.name(index)}: the row holds no picture.")
        return stored

    def _inside(self, index: int, path: str) -> Path:
        """The file that a row names. Raises: InputError where it is not under the root."""
        folder = Path(self.root).resolve()
        folder = folder.parent if folder.is_file() else folder
        file = (folder / path).resolve()
        if folder not in file.parents:
            raise InputError(f"{self.name(index)}: names the file {path}, which is not inside {folder}; move it there.")
        return file


class Column(Sequence[Any]):
    """One column of a `datasets` table; each value is read when asked for."""

    def __init__(self, rows: Any, name: str) -> None:
        self.rows, self.name = rows, name

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[int(index)][self.name]


def looks(root: Path) -> bool:
    """Whether `root` is a parquet file, or a folder that holds some or that `datasets` saved."""
    if root.is_file():
        return root.suffix.lower() == ".parquet"
    return any((root / name).is_file() for name in SAVED) or any(_parquet(root))


def open_split(root: str | Path, held_out: float = 0.2, seed: int = 0) -> tuple[Collection, Collection]:
    """The training and the held-out rows (validation, val or test), or those of one part parted as `split` says.

    Parquet files are laid out anew, once, in the cache of `datasets` (HF_DATASETS_CACHE), so that any row is read at
    once; nothing is written beside the data, and nothing is asked of the network.
    Raises: InputError where `datasets` is missing, or the tables have no picture or no class for a row.
    """
    root = parts.existing(root)
    tables = _tables(root)
    first, second = parts.choose(tables, root)
    training = _read(root, first, tables[first])
    return split(training, _read(root, second, tables[second]) if second else None, held_out, seed)


def open_held_out(root: str | Path, classes: tuple[str, ...]) -> Collection:
    """The rows a model with these classes is measured on: validation, val or test where there is one, else all."""
    root = parts.existing(root)
    tables = _tables(root)
    part = parts.measured(tables, root)
    return reindex(_read(root, part, tables[part]), classes)


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            "Tables are read with `datasets`, which is missing: pip install 'vitrail[datasets]'"
        ) from error
    return datasets


def _tables(root: Path) -> dict[str, Any]:
    """Part -> what opens it: the files of a part, or a table of `datasets` that is open already."""
    if root.is_dir() and any((root / name).is_file() for name in SAVED):
        with _one_line(root):
            saved = _library().load_from_disk(str(root))
        return (
            {parts.part_of(name): rows for name, rows in saved.items()} if hasattr(saved, "items") else {"all": saved}
        )
    found: dict[str, list[Path]] = {}
    for file in _parquet(root):
        inner = file.parent != root and parts.known(file.parent.name) and not root.is_file()
        found.setdefault(parts.part_of(file.parent.name if inner else file.stem), []).append(file)
    if not found:
        raise InputError(f"{root}: no table in it; wanted train-*.parquet, or a folder that `datasets` saved.")
    for part, files in found.items():
        if len({file.parent for file in files}) > 1:
            raise InputError(f"{root}: {part} lies in {files[0].parent} and {files[-1].parent}; name one of the two.")
    return found


def _read(root: Path, part: str, table: Any) -> Table:
    datasets = _library()
    if isinstance(table, list):
        with _one_line(table[0]), _quiet(datasets):
            table = datasets.Dataset.from_parquet([str(file) for file in table])
    features = table.features
    whole, binary = datasets.Image, ("binary", "large_binary")
    picture = _one_of(
        [
            [name for name, feature in features.items() if isinstance(feature, whole)],
            [
                name
                for name, feature in features.items()
                if isinstance(feature, dict) and feature.keys() == {"bytes", "path"}
            ],
            [name for name, feature in features.items() if getattr(feature, "dtype", "") in binary],
        ],
        PICTURE,
        f"{root}: {part}: which column holds the pictures",
        table.column_names,
    )
    label = _one_of(
        [
            [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)],
            [name for name, feature in features.items() if "int" in str(getattr(feature, "dtype", ""))],
        ],
        CLASS,
        f"{root}: {part}: which column holds the classes, as whole numbers",
        table.column_names,
    )
    with _one_line(root):
        if isinstance(features[picture], whole):
            table = table.cast_column(picture, whole(decode=False))
        targets = list(table[label][:])
    for row, target in enumerate(targets):
        if target is None or target < 0:
            raise InputError(f"{root}: {part}: row {row} has no class ({label} is {target}); leave such rows out.")
    if not targets:
        raise InputError(f"{root}: {part}: no rows.")
    names = getattr(features[label], "names", None)
    classes = called.of(targets, tuple(names) if names else None, f"{root}: {part}")
    return Table(root, part, Column(table.select_columns([picture]), picture), targets, classes)


def _one_of(tiers: Sequence[Sequence[str]], preferred: Sequence[str], question: str, columns: Sequence[str]) -> str:
    """The column of the first tier that has any; of several, the one with a preferred name."""
    candidates = next(filter(None, tiers), ())
    named = [name for name in preferred if name in candidates]
    if len(candidates) == 1 or named:
        return named[0] if named else candidates[0]
    if candidates:
        raise InputError(f"{question}? It could be {', '.join(candidates)}; call the right one {preferred[0]!r}.")
    raise InputError(f"{question}? None of {', '.join(columns)} can.")


def _parquet(root: Path) -> Iterator[Path]:
    """The parquet files of a folder and of the folders in it, in order."""
    if root.is_file():
        yield root
        return
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    for folder in [root, *folders]:
        yield from sorted(path for path in folder.iterdir() if path.suffix.lower() == ".parquet" and path.is_file())


@contextmanager
def _one_line(name: Path) -> Iterator[None]:
    """What a damaged table raises inside the library, which can be almost anything, as one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        cause = error.__cause__ or error
        reason = str(cause).strip().split("\n")[0].rstrip(".") or type(cause).__name__
        raise InputError(f"{name}: not a readable table ({reason}).") from error


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """No progress bars of the library, nor its own words on an error."""
    shown, level = not datasets.are_progress_bars_disabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if shown:
            datasets.enable_progress_bars()
