"""Text files, and folders of them, as tokens: a part to train on and a part that is held out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vitrail.data import parts, text_shards
from vitrail.data.images import printable, read_bytes
from vitrail.data.text_codes import Bytes, Characters, Codes, open_tokenizer, text_of
from vitrail.data.text_set import Texts
from vitrail.data.tracking import Track, silent
from vitrail.errors import InputError

SUFFIXES = (".txt", ".text", ".md")


def open_texts(
    root: str | Path, tokens: str = "bytes", held_out: float = 0.1, track: Track = silent
) -> tuple[Texts, Texts]:
    """The training and the held-out tokens of a text file, a folder of them, or a folder of shards.

    Files or folders that are called val..., validation... or test... are held out; the others are for training, or
    of them those called train... where there are such. Where none is held out the last share of all tokens is.
    Args:
        root: A file of any name; or a folder, in which .txt, .text and .md are read, in those below it too.
        tokens: "bytes"; "characters", those of both parts; or the path of a `tokenizer.json`. Shards bring their own.
        held_out: That share, above 0 and below 1.
        track: Shows how many files have become tokens.
    Raises: InputError for a path that is not there, no text, or one that is not UTF-8 where it must be.
    """
    root = parts.existing(root)
    if not 0 < held_out < 1:
        raise InputError(f"held_out={held_out}: a share above 0 and below 1 is wanted.")
    if text_shards.looks(root):
        return split(*text_shards.open_parts(root), held_out)
    training, beside = choose(files_of(root), root)
    contents = {path: read_bytes(path) for path in (*training, *beside)}
    codes = codes_of(tokens, contents)
    first = encode(training, contents, codes, root, track)
    return split(first, encode(beside, contents, codes, root, track) if beside else None, held_out)


def open_held_out(root: str | Path, codes: Codes) -> Texts:
    """The tokens a trained model is measured on: the held-out part of `root` where there is one, else all of it.

    Raises: InputError for text that the model has no tokens for, or shards of other tokens.
    """
    root = parts.existing(root)
    if text_shards.looks(root):
        first, second = text_shards.open_parts(root)
        text_shards.check_codes(second or first, codes)
        return second or first
    training, beside = choose(files_of(root), root)
    chosen = beside or training
    return encode(chosen, {path: read_bytes(path) for path in chosen}, codes, root)


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


def looks(root: Path) -> bool:
    """Whether `root` is a text file by its name, a shard of tokens, or a folder with some of these in it."""
    if root.is_file():
        return root.suffix.lower() in SUFFIXES or text_shards.is_shard(root)
    if text_shards.looks(root):
        return any(map(text_shards.is_shard, root.glob("*.safetensors")))
    return any(_inside(root))


def files_of(root: Path) -> list[Path]:
    """The file itself, or those of a folder that are called as texts are. Raises: InputError where there are none."""
    if root.is_file():
        return [root]
    found = list(_inside(root))
    if not found:
        raise InputError(f"{root}: no text in it ({', '.join(SUFFIXES)}).")
    return found


def _inside(root: Path) -> Iterator[Path]:
    """Files below `root` that are called as texts are, none of them hidden."""
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if not hidden and path.suffix.lower() in SUFFIXES and path.is_file():
            yield path


def codes_of(tokens: str, contents: dict[Path, bytes]) -> Codes:
    """What `open_texts` means by `tokens`. Raises: InputError for what is none of these, or no text."""
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


def encode(files: list[Path], contents: dict[Path, bytes], codes: Codes, root: Path, track: Track = silent) -> Texts:
    """The tokens of files, one after the other. Raises: InputError for what has no token, or no text at all."""
    shown = track(files, len(files), "encoding")
    found: list[np.ndarray] = [codes.encode(contents[file], printable(file)) for file in shown]
    return Texts(found, [printable(file) for file in files], codes, str(root))


def split(training: Texts, beside: Texts | None, held_out: float) -> tuple[Texts, Texts]:
    """Both parts; without one that stands beside it, the last share is held out. Raises: InputError for too few."""
    if beside is not None:
        return training, beside
    behind = len(training) - int(len(training) * held_out)
    if behind in (0, len(training)):
        raise InputError(f"{training.root}: {len(training)} tokens are too few to hold {held_out:g} of them out.")
    return training.slice(0, behind), training.slice(behind, len(training))
