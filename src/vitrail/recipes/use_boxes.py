"""A detector in use: pictures to boxes, names, scores and masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from vitrail.data import images, rle
from vitrail.data.detections import Detections
from vitrail.data.settings import DetectionPreprocessing
from vitrail.draw.boxes import with_things
from vitrail.draw.found import MOST, Shown, draw_found
from vitrail.errors import InputError
from vitrail.models.detectors import Detector
from vitrail.recipes import asking
from vitrail.recipes.asking import Asked, Picture, opened, several, stems
from vitrail.recipes.detecting import things
from vitrail.recipes.recipe import one_line
from vitrail.tasks.detect_tiles import look_in_tiles
from vitrail.tasks.detect_views import Look, kept, looking, views_of
from vitrail.train.files import replacing
from vitrail.train.record import track

WHO = "a detector of boxes"
WAYS = ("views", "sides", "tile", "overlap")  # of looking at a picture
TAKES = ("score", *WAYS, "out")
SHARED = 0.2  # of a tile's side that neighbours have in common, where nothing is said
gather = asking.gather  # pictures


@dataclass(frozen=True)
class TrainedDetector:
    """A model in eval mode, its classes' names, the (H, W) it was built for, and what it wants done to a picture.

    thresholds: For each class the score from which on an answer counts.
    """

    model: Detector
    classes: tuple[str, ...]
    size: tuple[int, int]
    preprocessing: DetectionPreprocessing
    thresholds: tuple[float, ...]

    def predict(
        self,
        pictures: Picture | Sequence[Picture],
        score: float | None = None,
        views: str | None = None,
        sides: Sequence[int] = (),
        tile: int | None = None,
        overlap: float = SHARED,
    ) -> list[Detections]:
        """What is in each picture, the surest first, in the pixels of the upright picture as it came.

        Args:
            pictures: Files or PIL images, one or several.
            score: The least score that counts, [0, 1]; None: the threshold of its class.
            views, sides: As `tasks.detect_views.views_of` has them; by default one, with sides scales.
            tile: Side of the parts, pixels, that a picture is looked at in; None: as a whole.
            overlap: Share of a tile's side that neighbours have in common.
        Raises: InputError naming a file that cannot be read, or a choice that cannot be.
        """
        look = self.look(Asked(views=views, sides=tuple(sides) or None, tile=tile, overlap=overlap if tile else None))
        return [self.sure(look(opened(picture)), score) for picture in several(pictures)]

    def look(self, asked: Asked) -> Look:
        """How a picture is looked at. Raises: InputError for a choice that cannot be."""
        if asked.overlap is not None and asked.tile is None:
            raise InputError(f"overlap={asked.overlap:g} is that of tiles: --tile PIXELS.")
        name = asked.views or ("scales" if asked.sides else "one")
        views = views_of(name, self.preprocessing.resize, asked.sides or ())
        look, tile = looking(self.model, self.preprocessing, views), asked.tile
        if tile is None:
            return look
        share = SHARED if asked.overlap is None else asked.overlap
        if tile < 1 or not 0 <= share < 1:
            raise InputError(f"tile={tile}, overlap={share:g}: wanted pixels from 1 on, and a share below 1.")
        return lambda image: look_in_tiles(look, image, tile, share, kept(self.model)[0])

    def sure(self, found: Detections, score: float | None = None) -> Detections:
        """Those that score at least `score`, or the threshold of their class."""
        if score is not None and not 0 <= score <= 1:
            raise InputError(f"score={score:g}: wanted 0 to 1.")
        least: Tensor | float = torch.tensor(self.thresholds)[found.classes] if score is None else score
        return found[found.scores >= least]


def of(model: Detector, document: dict[str, Any], path: Path) -> TrainedDetector:
    """The model of a weights file, with what its document says; 0.5 where that says no thresholds.

    Raises: InputError where the document is not sound.
    """
    try:
        settings = TypeAdapter(DetectionPreprocessing).validate_python(document.get("preprocessing", {}), strict=False)
    except ValidationError as error:
        raise InputError(f"{path}: preprocessing: {one_line(error)}") from error
    classes, thresholds = tuple(document["classes"]), document.get("thresholds")
    if thresholds is None:
        thresholds = [0.5] * len(classes)
    sound = isinstance(thresholds, list) and all(
        isinstance(each, int | float) and 0 <= each <= 1 for each in thresholds
    )
    if not sound or len(thresholds) != len(classes):
        raise InputError(f"{path}: thresholds: wanted {len(classes)} numbers from 0 to 1; got {str(thresholds)[:60]}.")
    return TrainedDetector(model, classes, model.size, settings, tuple(map(float, thresholds)))


@dataclass(frozen=True)
class Answers:
    """What a detector says of files."""

    classes: tuple[str, ...]
    files: tuple[Path, ...]
    found: tuple[Detections, ...]

    def lines(self) -> list[str]:
        """One for each file: how many things, and how many of each class, the most frequent first."""
        return [
            f"{images.printable(file)}   {self.told(one)}" for file, one in zip(self.files, self.found, strict=True)
        ]

    def told(self, found: Detections) -> str:
        counts = Counter(self.classes[target] for target in found.classes.tolist()).most_common()
        things = f"{len(found)} thing{'s' * (len(found) != 1)}"
        return things + (": " + ", ".join(f"{count} {name}" for name, count in counts) if counts else "")

    def document(self) -> list[dict[str, Any]]:
        """As JSON has it: boxes as x1, y1, x2, y2 in pixels of the upright picture, masks as packed run lengths."""
        return [
            {"file": images.printable(file), "height": one.size[0], "width": one.size[1], "things": self._rows(one)}
            for file, one in zip(self.files, self.found, strict=True)
        ]

    def _rows(self, found: Detections) -> list[dict[str, Any]]:
        rows = []
        for at, (box, score, target) in enumerate(
            zip(found.boxes.double().tolist(), found.scores.double().tolist(), found.classes.tolist(), strict=True)
        ):
            sides = [round(side, 2) for side in box]
            row: dict[str, Any] = {"class": self.classes[target], "score": round(score, 4), "box": sides}
            rows.append(row if found.masks is None else row | {"mask": rle.write(found.masks[at])})
        return rows

    def draw(self, out: Path, name: str) -> None:
        """Writes the pictures with what is in them: into a PNG, several in rows, or one by one into a folder."""
        if out.suffix.lower() == ".png":
            if len(self.files) == 1:
                return self._draw_one(out, self.files[0], self.found[0])
            shown = [
                Shown(images.read(file), things(one), f"{file.name[:40]}   {self.told(one)}")
                for file, one in zip(self.files[:MOST], self.found, strict=False)
            ]
            first = f"the first {MOST} of " if len(self.files) > MOST else ""
            return draw_found(out, shown, self.classes, f"{first}{len(self.files)} pictures and what {name} finds")
        out.mkdir(parents=True, exist_ok=True)
        for file, one, stem in zip(self.files, self.found, stems(self.files), strict=True):
            self._draw_one(out / f"{stem}.png", file, one)

    def _draw_one(self, path: Path, file: Path, found: Detections) -> None:
        drawn = with_things(images.read(file), things(found), self.classes)
        with replacing(path) as written:
            drawn.save(written, format="PNG")


def answer(trained: TrainedDetector, files: Sequence[Path], asked: Asked) -> Answers:
    """What the detector says of the files, with a progress bar.

    Raises: InputError for a choice that is not for detectors, or a file that cannot be read.
    """
    asked.only(TAKES, WHO)
    _check_place(asked.out)
    look = trained.look(asked)
    found = [trained.sure(look(images.read(file)), asked.score) for file in track(files, len(files), "predicting")]
    return Answers(trained.classes, tuple(files), tuple(found))


def _check_place(out: Path | None) -> None:
    """Raises: InputError where nothing can be drawn."""
    if out and out.suffix.lower() == ".png" and not out.parent.is_dir():
        raise InputError(f"{out}: wanted a .png file in a folder that exists.")
    there = next((each for each in (out, *out.parents) if each.exists()), None) if out else None
    if out and out.suffix.lower() != ".png" and there and not there.is_dir():
        raise InputError(f"{there} is a file; wanted a .png or a folder.")
