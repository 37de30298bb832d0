"""The bundled digits, split so that every class is held out alike."""

from __future__ import annotations

import numpy as np

from vitrail.data import digits


def test_the_split_is_whole_stratified_and_seeded() -> None:
    training, held_out = digits.open_split(0.2, seed=0)
    assert len(training) + len(held_out) == 1797
    assert not set(training.numbers) & set(held_out.numbers)
    whole = np.bincount(np.concatenate([training.targets, held_out.targets]))
    assert np.bincount(held_out.targets).tolist() == [round(0.2 * count) for count in whole]
    assert (digits.open_split(0.2, seed=0)[1].numbers == held_out.numbers).all()
    assert (digits.open_split(0.2, seed=1)[1].numbers != held_out.numbers).any()


def test_a_digit_is_a_picture_with_its_label() -> None:
    held_out = digits.open_split()[1]
    sample = held_out[3]
    assert sample.image.mode == "RGB"
    assert sample.image.size == (8, 8)
    assert sample.target == held_out.targets[3]
    assert held_out.pixels.max() == 255
    assert held_out.classes[sample.target] == str(sample.target)
