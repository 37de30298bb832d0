"""A model of language trained on your own texts."""

from __future__ import annotations

from vitrail.data.text_settings import TextAugment, TextPreprocessing
from vitrail.recipes.recipe import AdamW, Cosine, Model, Recipe, Text


def train_text() -> Recipe:
    """Your own text files, byte by byte, by a one-dimensional Iwin of 5 M parameters that reads 256 tokens at a time.

    data.tokens=characters or data.tokens=tokenizer.json read otherwise; model.name=rope_lm_tiny or full_lm_tiny is full
    attention with as many parameters; model.overrides.stride=sqrt model.overrides.kernel=0
    model.overrides.window=stride grows with the text; model.overrides.dropout=0.2 where the text is short.
    Optimizer, warm-up and clipping are what is usual for decoders of this size (GPT-2's and nanoGPT's settings).
    Cost: not measured.     Command: vitrail train train_text --data FILE|FOLDER
    """
    return Recipe(
        model=Model("iwin_lm_tiny", size=()),  # type: ignore[arg-type]
        data=Text(),
        optimizer=AdamW(lr=1e-3, weight_decay=0.1, betas=(0.9, 0.95)),
        schedule=Cosine(warmup=100, end=1e-4, warmup_in="step"),
        epochs=20,
        batch=32,
        preprocessing=TextPreprocessing(length=256),
        augment=TextAugment(),
        clip=1.0,
    )
