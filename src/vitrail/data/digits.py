"""Real handwritten digits, bundled with scikit-learn: 1797 pictures of 8 x 8 pixels, ten classes, no download."""

from __future__ import annotations

import numpy as np
from PIL import Image

from vitrail.data.sample import Sample
from vitrail.errors import InputError

CLASSES = tuple("0123456789")


class Digits:
    """A part of the digits, in memory.

    pixels: (P, 8, 8) uint8, white on black. targets: (P,) in 0..9. numbers: (P,) position in the whole set.
    """

    classes = CLASSES

    def __init__(self, pixels: np.ndarray, targets: np.ndarray, numbers: np.ndarray) -> None:
        self.pixels, self.targets, self.numbers = pixels, targets.tolist(), numbers

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Sample:
        image = Image.fromarray(self.pixels[index]).convert("RGB")
        return Sample(image, self.targets[index], self.name(index))

    def name(self, index: int) -> str:
        return f"digit {self.numbers[index]}"

    def content(self, index: int) -> bytes:
        return self.pixels[index].tobytes()


def open_split(held_out: float = 0.2, seed: int = 0) -> tuple[Digits, Digits]:
    """The training and the held-out digits; of each class the same share is held out, chosen by the seed.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits (the test part), in scikit-learn.
    Raises: InputError where scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("The digits come with scikit-learn, which is missing: pip install 'vitrail[demo]'") from error
    data = load_digits()
    pixels = np.round(data.images * (255 / 16)).astype(np.uint8)
    generator = np.random.default_rng(seed)
    kept, out = [], []
    for target in range(len(CLASSES)):
        numbers = generator.permutation(np.flatnonzero(data.target == target))
        count = round(held_out * len(numbers))
        out.append(numbers[:count])
        kept.append(numbers[count:])
    training, rest = (np.sort(np.concatenate(part)) for part in (kept, out))
    return (Digits(pixels[training], data.target[training], training), Digits(pixels[rest], data.target[rest], rest))
