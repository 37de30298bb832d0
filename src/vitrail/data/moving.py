"""Drawn clips of moving shapes, whose classes can only be told by the order of their frames.

Six classes in three pairs, each the other's reversal: left and right, growing and shrinking, clockwise and
anticlockwise. T frames of a clip, S x S pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from vitrail.data.clip_set import ClipSample
from vitrail.data.video import About
from vitrail.data.video_frames import shrunk, within
from vitrail.errors import InputError

CLASSES = ("left", "right", "growing", "shrinking", "clockwise", "anticlockwise")
CYCLE = 24  # frames after which a motion is where it began: all have one speed
FINER = 8  # the shapes are drawn this much larger, then shrunk, for smooth edges
SHAPES = {  # corners about the middle, none alike when turned or mirrored
    "L": ((-0.5, -0.9), (0.0, -0.9), (0.0, 0.4), (0.6, 0.4), (0.6, 0.9), (-0.5, 0.9)),
    "flag": ((-0.7, -0.9), (0.8, -0.6), (-0.35, 0.0), (-0.35, 0.9), (-0.7, 0.9)),
    "kite": ((0.0, -1.0), (0.6, -0.2), (0.0, 0.9), (-0.35, -0.3)),
}


class Scene(NamedTuple):
    """What two clips share, one of them the other backwards.

    start: Place in the cycle of the first frame, 0 to `CYCLE` - 1.     x, y: Middle of the shape, in shares of S.
    radius: In shares of S.     angle: In radians.
    """

    shape: str
    start: int
    x: float
    y: float
    radius: float
    angle: float
    ground: tuple[int, int, int]
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Drawn:
    """A clip of one motion, drawn when asked for.

    motion: An even index into `CLASSES`.     backwards: Whether it runs from its last frame to its first.
    """

    scene: Scene
    motion: int
    backwards: bool
    total: int
    size: int
    name: str

    def count(self) -> int:
        return self.total

    def about(self) -> About:
        return About(self.total, None, "drawn", 1.0, self.frames([self.total // 2])[0])

    def frames(self, wanted: Sequence[int], cover: tuple[int, int] | None = None) -> np.ndarray:
        """As `Video.frames`."""
        if not len(wanted) or min(wanted) < 0 or max(wanted) >= self.total:
            raise InputError(f"{self.name}: wanted some of its frames 0 to {self.total - 1}; got {list(wanted)[:8]}.")
        height, width = shrunk((self.size, self.size), cover)
        within(self.name, len(wanted), height, width)
        drawn = {number: self._frame(number).resize((width, height), Image.Resampling.BOX) for number in set(wanted)}
        return np.stack([np.asarray(drawn[number]) for number in wanted])

    def _frame(self, number: int) -> Image.Image:
        """One frame, `FINER` times as large."""
        passed = self.total - 1 - number if self.backwards else number
        share = (self.scene.start + passed) % CYCLE / CYCLE  # a whole number first: both directions get the same value
        scene, side = self.scene, self.size * FINER
        x, radius, angle = scene.x, scene.radius, scene.angle
        if self.motion == 0:
            x = (x - share) % 1
        elif self.motion == 2:
            radius *= 0.35 * 4**share
        else:
            angle += 2 * math.pi * share
        image = Image.new("RGB", (side, side), scene.ground)
        pen = ImageDraw.Draw(image)
        for shift in (-1, 0, 1):  # what leaves at one edge comes in at the other
            pen.polygon(
                [
                    (
                        side * (x + shift + radius * (a * math.cos(angle) - b * math.sin(angle))),
                        side * (scene.y + radius * (a * math.sin(angle) + b * math.cos(angle))),
                    )
                    for a, b in SHAPES[scene.shape]
                ],
                fill=scene.colour,
            )
        return image


class Moving:
    """`count` clips, drawn by (seed, number): the same wherever they are asked for.

    Clips 2 i and 2 i + 1 are one clip forwards and backwards, of the two classes of a pair: over an even count, the
    frames of the two classes are the same frames, each as often. A motion begins anywhere in its cycle, so that no
    frame, be it the first, is more likely in one class than in the other, and neither is any set of frames without an
    order.
    A mirror image belongs to another class: train without `flip`.

    Args:
        frames: T.     size: S.
    Raises: InputError for fewer than two frames, eight pixels or two clips.
    """

    classes = CLASSES

    def __init__(self, count: int, frames: int = 16, size: int = 32, seed: int = 0) -> None:
        if frames < 2 or size < 8 or count < 2:
            raise InputError(
                f"Moving shapes: {count} clips of {frames} frames, {size} x {size}; wanted 2 clips or more, of 2 "
                "frames or more, of 8 x 8 or more."
            )
        self.count, self.frames, self.size, self.seed = count, frames, size, seed
        self.targets = [2 * (index // 2 % 3) + index % 2 for index in range(count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> ClipSample:
        return ClipSample(self.video(index), self.targets[index], self.name(index))

    def video(self, index: int) -> Drawn:
        index = range(self.count)[index]
        target = self.targets[index]
        return Drawn(
            self.scene(index // 2), target - target % 2, bool(target % 2), self.frames, self.size, self.name(index)
        )

    def scene(self, number: int) -> Scene:
        """What clips 2 `number` and 2 `number` + 1 show."""
        dice = np.random.default_rng((self.seed, number))
        ground, colour = dice.integers(0, 96, 3), dice.integers(160, 256, 3)  # a bright shape on a dark ground
        x, y = dice.uniform(0.35, 0.65, 2)
        return Scene(
            shape=list(SHAPES)[int(dice.integers(len(SHAPES)))],
            start=int(dice.integers(CYCLE)),
            x=float(x),
            y=float(y),
            radius=float(dice.uniform(0.2, 0.3)),
            angle=float(dice.uniform(0, 2 * math.pi)),
            ground=(int(ground[0]), int(ground[1]), int(ground[2])),
            colour=(int(colour[0]), int(colour[1]), int(colour[2])),
        )

    def name(self, index: int) -> str:
        return f"moving {self.seed}/{index}, {self.classes[self.targets[index]]}"

    def digest(self, index: int) -> bytes:
        return self.video(index).frames(range(self.frames)).tobytes()


def open_split(
    count: int = 1200, held_out: float = 0.2, frames: int = 16, size: int = 32, seed: int = 0
) -> tuple[Moving, Moving]:
    """The training and the held-out clips, `count` in all; both hold every clip together with its reversal."""
    out = max(round(count * held_out / 6), 1) * 6
    return Moving(max(count - out, 6), frames, size, 2 * seed), Moving(out, frames, size, 2 * seed + 1)
