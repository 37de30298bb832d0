"""A model of language measured: bits of the next token, by the length of the windows a text is read in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vitrail
from vitrail.data import text_files, text_shards
from vitrail.data.text_set import Texts
from vitrail.draw.bits import draw_lengths
from vitrail.errors import InputError
from vitrail.recipes import asking, sources
from vitrail.recipes.asking import Asked
from vitrail.recipes.lengths import Row, longer, measure_lengths
from vitrail.recipes.measured import Table, percent
from vitrail.recipes.recipe import Data, Text
from vitrail.recipes.use_texts import UNITS, WHO, TrainedText
from vitrail.train.loop import Setting
from vitrail.train.record import write_text

TAKES = ("length", "batch", "out")


@dataclass(frozen=True)
class TextEvaluation:
    """A row for each length.   trained_at: N of training.     data: What was read.     unit: What bits are of."""

    rows: tuple[Row, ...]
    trained_at: int
    model: str
    data: str
    unit: str
    unreadable: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "model": self.model,
            "vitrail": vitrail.__version__,
            "data": self.data,
            "trained_at": self.trained_at,
            "unit": self.unit,
            "lengths": [row.document() for row in self.rows],
        }

    def tables(self, worst: int | None = None) -> list[Table]:
        """What is shown."""
        titles = ("tokens of a window", self.unit, "bits a byte of text", "right", "tokens")
        rows = (
            (str(row.length), f"{row.bits:.4f}", f"{row.bits_per_byte:.4f}", percent(row.accuracy), f"{row.tokens:,}")
            for row in self.rows
        )
        return [Table(titles, tuple(rows))]

    def line(self) -> str:
        """The whole in one line."""
        said = ", ".join(f"{row.bits:.3f} at {row.length}" for row in self.rows)
        return f"{self.unit}: {said}; trained at {self.trained_at}"

    def write(self, out: Path, title: str) -> None:
        """Writes evaluation.json, and lengths.png of several lengths."""
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "evaluation.json", json.dumps(self.document(), indent=1) + "\n")
        if len(self.rows) > 1:
            points = [(row.length, row.bits) for row in self.rows]
            draw_lengths(out / "lengths.png", {title: points}, self.unit, self.trained_at)


def measured(
    trained: TrainedText, path: Path, data: str | None, said: Data | None, asked: Asked, setting: asking.Setting
) -> TextEvaluation:
    """What `vitrail eval` measures of a model of language; arguments as `evaluations.Evaluate` has them.

    Without lengths, at that of training and 2, 4, 8 and 16 times it, as far as the text goes.
    Raises: InputError for a choice that is not for such models, a text that has no tokens in this one's vocabulary, or
        that is shorter than a window.
    """
    asked.only(TAKES, WHO)
    asking.needs(data, said, path)
    texts = _texts(trained, path, data, said)
    lengths = asked.length or longer(trained.length, texts)
    rows = measure_lengths(trained.model, texts, lengths, Setting(setting.device, setting.processes), asked.batch)
    unit = UNITS[trained.codes.document()["kind"]]
    return TextEvaluation(tuple(rows), trained.length, trained.model.name, texts.root, unit)


def _texts(trained: TrainedText, path: Path, data: str | None, said: Data | None) -> Texts:
    """What is read. Raises: InputError for data without text, or of other tokens."""
    if data is not None:
        return text_files.open_held_out(data, trained.codes)
    if not isinstance(said, Text):
        raise InputError(f"{path} goes on with texts, and its data has none: --data FILE names some.")
    texts = sources.open_split(said)[1]
    text_shards.check_codes(texts, trained.codes)  # the text may have changed since
    return texts
