"""Text files, and folders of them, as tokens: a part to train on and a part that is held out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from vitrail.data import parts, text_shards
from vitrail.data.images import printable, read_bytes
from vitrail.data.text_codes import Bytes, Characters, Codes, open_tokenizer, text_of
from vitrail.data.text_set import Texts
from vitrail.errors import InputError

SUFFIXES = (".txt", ".text", ".md")


def open_texts(root: str | Path, tokens: str = "bytes", held_out: float = 0.1) -> tuple[Texts, Texts]:
    """The training and the held-out tokens of a text file, a folder of them, or a folder of shards.

    Files or folders that are called val..., validation... or test... are held out; the others are for training, or
    of them those called train... where there are such. Where none is held out the last share of all tokens is.
    Args:
        root: A file of any name; or a folder, in which .txt, .text and .md are read, in those below it too.
        tokens: "bytes"; "characters", those of both parts; or the path of a `tokenizer.json`. Shards bring their own.
        held_out: That share, above 0 and below 1.
    Raises: InputError for a path that is not there, no text, or one that is not UTF-8 where it must be.
    """
    root = parts.existing(root)
    if not 0 < held_out < 1:
        raise InputError(f"held_out={held_out}: a share above 0 and below 1 is wanted.")
    if text_shards.looks(root):
        return _split(*text_shards.open_parts(root), held_out)
    training, beside = choose(_files(root), root)
    contents = {path: read_bytes(path) for path in (*training, *beside)}
    codes = _codes(tokens, contents)
    first = _encode(training, contents, codes, root)
    return _split(first, _encode(beside, contents, codes, root) if beside else None, held_out)


def open_held_out(root: str | Path, codes: Codes) -> Texts:
    """The tokens a trained model is measured on: the held-out part of `root` where there is one, else all of it.

    Raises: InputError for text that the model has no tokens for, or shards of other tokens.
    """
    root = parts.existing(root)
    if text_shards.looks(root):
        first, second = text_shards.open_parts(root)
        text_shards.check_codes(second or first, codes)
        return second or first
    training, beside = choose(_files(root), root)
    chosen = beside or training
    return _encode(chosen, {path: read_bytes(path) for path in chosen}, codes, root)


def choose(files: list[Path], root: Path) -> tuple[list[Path], list[Path]]:
    """Those to train on, and those held out, by their names. Raises: InputError where nothing is left to train on."""
    named: dict[str, list[Path]] = {}
    for file in files:
        named.setdefault("" if file == root else _part(file.relative_to(root)), []).append(file)
    held_out = next((named[part] for part in parts.HELD_OUT if part in named), [])
    training = named.get(parts.TRAINING) or named.get("", [])
    if not training:
        raise InputError(f"{root} holds {held_out[0].name if held_out else 'no text'} and nothing to train on.")
    return training, held_out


def _part(inside: Path) -> str:
    """What the first word of a folder or of the file says it is for; "" for nothing."""
    for name in (*inside.parts[:-1], inside.stem):
        word = re.match("[a-z]*", name.lower())
        if word and parts.known(word[0]):
            return parts.part_of(word[0])
    return ""


def _files(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    inside = (
        path for path in sorted(root.rglob("*")) if not any(p.startswith(".") for p in path.relative_to(root).parts)
    )
    found = [path for path in inside if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not found:
        raise InputError(f"{root}: no text in it ({', '.join(SUFFIXES)}).")
    return found


def _codes(tokens: str, contents: dict[Path, bytes]) -> Codes:
    if tokens == "bytes":
        return Bytes()
    if tokens == "characters":
        texts = [text_of(content, printable(path)) for path, content in contents.items()]
        if not any(texts):
            raise InputError(f"{printable(next(iter(contents)))}: no text in it.")
        return Characters.of(texts)
    if not Path(tokens).is_file():
        raise InputError(f"tokens={tokens!r}: bytes, characters or the path of a tokenizer.json is wanted.")
    return open_tokenizer(tokens)


def _encode(files: list[Path], contents: dict[Path, bytes], codes: Codes, root: Path) -> Texts:
    names = [printable(file) for file in files]
    found: list[np.ndarray] = [codes.encode(contents[file], name) for file, name in zip(files, names, strict=True)]
    return Texts(found, names, codes, str(root))


def _split(training: Texts, beside: Texts | None, held_out: float) -> tuple[Texts, Texts]:
    if beside is not None:
        return training, beside
    behind = len(training) - int(len(training) * held_out)
    if behind in (0, len(training)):
        raise InputError(f"{training.root}: {len(training)} tokens are too few to hold {held_out:g} of them out.")
    return training.slice(0, behind), training.slice(behind, len(training))
