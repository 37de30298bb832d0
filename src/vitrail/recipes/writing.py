"""A run that learns to go on with texts: its batches and its task, and what it leaves behind.

curves.png      loss, bits and learning rate     sample.txt      what the trained model writes
positions.png   bits by place in the window      lengths.png     bits of windows longer than those of training
lengths.json    the numbers of lengths.png
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from vitrail.data.text_batches import TextBatches, Windows
from vitrail.data.text_set import Texts
from vitrail.data.text_settings import TextPreprocessing
from vitrail.draw.bits import draw_bits, draw_lengths, draw_positions
from vitrail.metrics.tokens import Tokens
from vitrail.models.iwin_lm import LanguageModel
from vitrail.recipes.job import Ready
from vitrail.recipes.lengths import bytes_each, longer, measure_lengths
from vitrail.recipes.recipe import Recipe
from vitrail.recipes.use_texts import UNITS, Going, TrainedText
from vitrail.tasks.next_token import NextToken
from vitrail.train.loop import Plan
from vitrail.train.record import read, track, write_text

PICTURES = ("curves.png", "lengths.json", "lengths.png", "positions.png", "sample.txt")
WRITTEN = 500  # tokens of sample.txt


def check(model: nn.Module, name: str, training: Any, share: int) -> None:
    """Nothing: `start.resolve` lets no other model than one of language come here."""
    assert isinstance(model, LanguageModel)


def ready(recipe: Recipe, model: LanguageModel, training: Texts, held_out: Texts, world: int) -> Ready:
    """Windows of both parts, and the next token."""
    settings = recipe.preprocessing
    assert isinstance(settings, TextPreprocessing)
    length = settings.length
    return Ready(
        TextBatches(Windows(training, length, recipe.seed)),
        TextBatches(Windows(held_out, length)),
        NextToken(training.vocabulary, length, bytes_each(held_out)),
        1,
        max(recipe.batch // recipe.accumulate, 1),
    )


def about(metric: Tokens, held_out: Texts) -> dict[str, Any]:
    """What its tokens stand for."""
    return {"tokens": held_out.codes.document()}


def draw(out: Path, name: str, plan: Plan, metric: Tokens, held_out: Texts) -> None:
    """Writes the curves, what the model writes, and its bits by place in a window and by length of one."""
    batches, model = plan.held_out.batches, plan.model
    assert isinstance(batches, TextBatches) and isinstance(model, LanguageModel)
    unit, length = UNITS[held_out.codes.document()["kind"]], batches.windows.length
    draw_bits(out / "curves.png", {name: read(out)}, unit)
    draw_positions(out / "positions.png", {name: metric.positions()}, unit)
    found = measure_lengths(model, held_out, longer(length, held_out), plan.setting)
    draw_lengths(out / "lengths.png", {name: [(row.length, row.bits) for row in found]}, unit, length)
    write_text(out / "lengths.json", json.dumps([row.document() for row in found], indent=1) + "\n")
    trained = TrainedText(model.eval(), held_out.classes, held_out.codes, length)
    going = Going(trained, trained.start, WRITTEN, seed=plan.seed)
    write_text(out / "sample.txt", "".join(track(going.pieces(), WRITTEN, "writing")) + "\n")
