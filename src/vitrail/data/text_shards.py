"""Packed shards: safetensors files of token numbers, 16 or 32 bits each, read from where they lie on the disk.

train-00000.safetensors, ..., val-00000.safetensors, ...: each has one tensor, "tokens" (n,), and under the metadata
key "vitrail" a document {"format": 1, "tokens": what they stand for}.
"""

from __future__ import annotations

import json
import os
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
from vitrail.errors import InputError, first_line

KEY, TENSOR = "vitrail", "tokens"
MOST = 2**27  # tokens of a shard: 256 or 512 MB
TYPES = {"U16": np.uint16, "U32": np.uint32}


def write(folder: str | Path, training: Texts, held_out: Texts, most: int = MOST) -> list[Path]:
    """Pack both parts into a folder: the files that were written, all of them or, where one fails, none.

    Args:
        most: Tokens of a shard at most; one shard at a time is in memory.
    Raises: InputError where there are shards already, or a token that the vocabulary has not.
    """
    folder = Path(folder)
    check_codes(held_out, training.codes)
    folder.mkdir(parents=True, exist_ok=True)
    if looks(folder):
        raise InputError(f"{printable(folder)} holds shards already; give an empty folder.")
    written: list[Path] = []
    try:
        for part, texts in (("train", training), ("val", held_out)):
            for number, start in enumerate(range(0, len(texts), most)):
                path = folder / f"{part}-{number:05d}.safetensors"
                _write(path, texts, start, min(start + most, len(texts)))
                written.append(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def _write(path: Path, texts: Texts, start: int, behind: int) -> None:
    tokens = texts.read(start, behind - start).astype(dtype_of(texts.vocabulary))
    document = {KEY: json.dumps({"format": 1, "tokens": texts.codes.document()})}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(save({TENSOR: tokens}, metadata=document))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def looks(root: Path) -> bool:
    """Whether `root` is a shard, or a folder with shards in it."""
    return any(_shards(root))


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
