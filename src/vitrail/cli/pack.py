"""`vitrail pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pack(
    texts: Annotated[str, typer.Argument(help="A text file, or a folder of .txt, .text and .md files.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder of shards, a new or an empty one.")],
    tokens: Annotated[
        str, typer.Option(help="What a token is: bytes, characters, or the path of a tokenizer.json.")
    ] = "bytes",
    held_out: Annotated[
        float, typer.Option(help="The last share of the text, where no file is called val or test.")
    ] = 0.1,
    shard: Annotated[int, typer.Option(min=1, help="Tokens of a file at most.")] = 2**27,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Turn texts into tokens once, in shards that training reads from where they lie.

    OUT appears when it is whole. `vitrail train train_text --data OUT` then trains as it would on the texts.
    """
    from vitrail.cli import read
    from vitrail.data import parts, text_files, text_shards
    from vitrail.errors import InputError
    from vitrail.train.record import track

    text_shards.vacant(out)
    if text_shards.looks(parts.existing(texts)):
        raise InputError(f"{texts} holds shards already; wanted a text file, or a folder of them.")
    training, rest = text_files.open_texts(texts, tokens, held_out, track)
    files = text_shards.write(out, training, rest, shard, track)
    document = {
        "out": str(out),
        "files": [file.name for file in files],
        "bytes": sum(file.stat().st_size for file in files),
        "tokens": str(training.codes.document()["kind"]),
        "vocabulary": training.vocabulary,
        "training": len(training),
        "held_out": len(rest),
    }
    if as_json:
        return read.show_json(document)
    typer.echo(
        f"{out}: {len(training):,} tokens to train on and {len(rest):,} held out, of {training.vocabulary:,}, in "
        f"{len(files)} files"
    )
