"""A tokenizer small enough to be learnt in a test."""

from __future__ import annotations

import pytest

TEXT = "Straße, 東京!\r\nnaïve\n🙂"


def tokenizer_json() -> str:
    """Bytes and pieces of words learnt from three lines, as a `tokenizer.json`."""
    tokenizers = pytest.importorskip("tokenizers")
    inner = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[?]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=290,
        special_tokens=["[?]", "[END]"],
        show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    inner.train_from_iterator(["low lower lowest", "new newer newest", TEXT], trainer)
    return inner.to_str()
