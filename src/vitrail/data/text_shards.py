"""Packed shards: safetensors files of token numbers, 16 or 32 bits each, read from where they lie on the disk.

train-00000.safetensors, ..., val-00000.safetensors, ...: each has one tensor, "tokens" (n,), and under the metadata
key "vitrail" a document {"format": 1, "tokens": what they stand for}.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from vitrail.data import parts
from vitrail.data.images import printable
from vitrail.data.text_codes import Codes, dtype_of, from_document, plain
from vitrail.data.text_set import Texts
from vitrail.data.tracking import Track, silent
from vitrail.errors import InputError, first_line

KEY, TENSOR = "vitrail", "tokens"
MOST = 2**27  # tokens of a shard: 256 or 512 MB
TYPES = {"U16": np.uint16, "U32": np.uint32}


def write(folder: str | Path, training: Texts, held_out: Texts, most: int = MOST, track: Track = silent) -> list[Path]:
    """Pack both parts into a folder: the files that were written.

    They are written beside it, and it appears when it is whole: half of the shards would be taken for all of them.

    Args:
        folder: A new or an empty one.
        most: Tokens of a shard at most; one shard at a time is in memory.
        track: Shows how many are written.
    Raises: InputError where the folder holds something, or a token that the vocabulary has not.
    """
    check_codes(held_out, training.codes)
    vacant(folder)
    place = Path(folder).resolve()
    beside = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    wanted = [
        (f"{part}-{number:05d}.safetensors", texts, start)
        for part, texts in (("train", training), ("val", held_out))
        for number, start in enumerate(range(0, len(texts), most))
    ]
    try:
        beside.mkdir(parents=True)
        for name, texts, start in track(wanted, len(wanted), "writing shards"):
            _write(beside / name, texts, start, min(start + most, len(texts)))
        if place.exists():
            place.rmdir()
        os.rename(beside, place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return [Path(folder, name) for name, _, _ in wanted]


def vacant(folder: str | Path) -> None:
    """Raises: InputError where shards cannot be written, because something is there."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{printable(folder)} is a file, wanted a folder.")
    if folder.is_dir() and any(folder.iterdir()):
        shards = "shards already" if looks(folder) else "something already"
        raise InputError(f"{printable(folder)} holds {shards}; give a new or an empty folder.")


def _write(path: Path, texts: Texts, start: int, behind: int) -> None:
    tokens = texts.read(start, behind - start).astype(dtype_of(texts.vocabulary))
    document = {KEY: json.dumps({"format": 1, "tokens": texts.codes.document()})}
    path.write_bytes(save({TENSOR: tokens}, metadata=document))


def looks(root: Path) -> bool:
    """Whether `root` is a shard, or a folder with shards in it."""
    return any(_shards(root))


def is_shard(file: Path) -> bool:
    """Whether a file is a shard of tokens; none that cannot be read is."""
    if file.suffix != ".safetensors" or not file.is_file():
        return False
    try:
        with safe_open(file, framework="numpy") as opened:
            return list(opened.keys()) == [TENSOR]
    except (SafetensorError, OSError):
        return False


def open_parts(root: Path) -> tuple[Texts, Texts | None]:
    """The training and the held-out tokens, mapped from the files; None where the files name no held-out part.

    Raises: InputError for a file that is damaged or no shard, or shards of different tokens.
    """
    found: dict[str, list[Path]] = {}
    for file in _shards(root):
        found.setdefault(parts.part_of(file.stem), []).append(file)
    first, second = parts.choose(found, root)
    training = _open(found[first], root)
    if second is None:
        return training, None
    held_out = _open(found[second], root)
    check_codes(held_out, training.codes)
    return training, held_out


def check_codes(texts: Texts, codes: Codes) -> None:
    """Raises: InputError where the tokens of `texts` stand for something else."""
    if plain(texts.codes.document()) != plain(codes.document()):
        raise InputError(
            f"{texts.root}: its tokens are {_called(texts.codes)}, wanted the same {_called(codes)} as in training."
        )


def _called(codes: Codes) -> str:
    return f"{codes.document()['kind']} ({codes.vocabulary})"


def _open(files: list[Path], root: Path) -> Texts:
    said = [_read(file) for file in files]
    for file, (_, document) in zip(files, said, strict=True):
        if plain(document) != plain(said[0][1]):
            raise InputError(f"{printable(file)}: its tokens stand for something else than those of {files[0].name}.")
    names = [printable(file) for file in files]
    return Texts([tokens for tokens, _ in said], names, from_document(said[0][1], names[0]), str(root))


def _read(file: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The tokens, mapped, and what they stand for."""
    name = printable(file)
    try:
        with safe_open(file, framework="numpy") as opened:
            document = json.loads((opened.metadata() or {}).get(KEY, "{}"))
            tensors = list(opened.keys())
            kind = opened.get_slice(TENSOR).get_dtype() if TENSOR in tensors else ""
            shape = opened.get_slice(TENSOR).get_shape() if TENSOR in tensors else []
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise InputError(f"{name} is not a whole safetensors file: {first_line(error)}.") from None
    codes = document.get("tokens") if isinstance(document, dict) else None
    if tensors != [TENSOR] or kind not in TYPES or len(shape) != 1 or not isinstance(codes, dict):
        raise InputError(f'{name} is no shard of tokens: wanted one line "tokens" of 16 or 32 bits, and a document.')
    with open(file, "rb") as opened:
        header = int.from_bytes(opened.read(8), "little")
    if not shape[0]:
        return np.empty(0, TYPES[kind]), codes
    return np.memmap(file, TYPES[kind], "r", 8 + header, (shape[0],)), codes


def _shards(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield from [root] if root.suffix == ".safetensors" else []
        return
    yield from sorted(p for p in root.iterdir() if p.suffix == ".safetensors" and not p.name.startswith("."))
