"""A segmenter in use: pictures to the class of each of their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from vitrail.data import images, label_results
from vitrail.data.label_map import MOST
from vitrail.data.pixel_settings import PixelPreprocessing
from vitrail.draw.labels import Row, draw_rows, with_legend
from vitrail.draw.palette import Colour, palette
from vitrail.errors import InputError
from vitrail.models.segmenters import Segmenter
from vitrail.recipes import asking
from vitrail.recipes.asking import Asked, Picture, opened, several, stems
from vitrail.recipes.recipe import one_line
from vitrail.tasks.segment_tiles import alignment, look_in_tiles, spans
from vitrail.tasks.segment_views import Look, Slide, looking, of_tiles, views_of
from vitrail.train.files import replacing
from vitrail.train.record import track

WHO = "a segmenter of pixels"
WAYS = ("views", "sides", "slide", "tile", "overlap")  # of looking at a picture
TAKES = (*WAYS, "out")
SHARED = 0.25  # of a tile's side that neighbours have in common, where nothing is said
TOLD = 6  # classes of a picture that a line names
MANY = 24  # pictures in one drawing
gather = asking.gather  # pictures


@dataclass(frozen=True)
class TrainedSegmenter:
    """A model in eval mode, its classes' names, the (H, W) it was built for, and what it wants done to a picture.

    palette: A colour for each class: the data's, or generated.
    """

    model: Segmenter
    classes: tuple[str, ...]
    size: tuple[int, int]
    preprocessing: PixelPreprocessing
    palette: tuple[Colour, ...]

    def predict(
        self,
        pictures: Picture | Sequence[Picture],
        views: str | None = None,
        sides: Sequence[int] = (),
        slide: tuple[int, int] | None = None,
        tile: int | None = None,
        overlap: float = SHARED,
    ) -> list[Tensor]:
        """The class of each pixel of the upright picture, (H, W) uint8 each, on the CPU.

        Args:
            pictures: Files or PIL images, one or several.
            views, sides: As `tasks.segment_views.views_of` has them; by default one.
            slide: Side and step of windows, pixels of the resized picture; None: as a whole.
            tile: Side of the parts, pixels of the picture itself, that it is looked at in; None: as a whole.
            overlap: Share of a tile's side that neighbours have in common.
        Raises: InputError naming a file that cannot be read, or a choice that cannot be.
        """
        asked = Asked(
            views=views, sides=tuple(sides) or None, slide=slide, tile=tile, overlap=overlap if tile else None
        )
        look = self.look(asked)
        return [look(opened(picture)) for picture in several(pictures)]

    def look(self, asked: Asked) -> Look:
        """How a picture is looked at. Raises: InputError for a choice that cannot be."""
        if asked.overlap is not None and asked.tile is None:
            raise InputError(f"overlap={asked.overlap:g} is that of tiles: --tile PIXELS.")
        views = views_of(asked.views or "one", self.preprocessing.resize, asked.sides or ())
        slide = Slide(*asked.slide) if asked.slide else None
        whole, tile = looking(self.model, self.preprocessing, views, slide), asked.tile
        if tile is None:
            return whole
        share = SHARED if asked.overlap is None else asked.overlap
        if tile < 1 or not 0 <= share < 1:
            raise InputError(f"tile={tile}, overlap={share:g}: wanted pixels from 1 on, and a share below 1.")
        shared = round(tile * share)
        multiple = alignment(self.model, tile - shared)
        spans(tile + 1, tile, shared, multiple)  # what cannot be is said before a picture is opened
        part = looking(self.model, self.preprocessing, of_tiles(views, tile), slide)
        return lambda image: (
            whole(image) if max(image.size) <= tile else look_in_tiles(part, image, tile, shared, multiple)
        )


def of(model: Segmenter, document: dict[str, Any], path: Path) -> TrainedSegmenter:
    """The model of a weights file, with what its document says. Raises: InputError where that is not sound."""
    try:
        settings = TypeAdapter(PixelPreprocessing).validate_python(document.get("preprocessing", {}), strict=False)
    except ValidationError as error:
        raise InputError(f"{path}: preprocessing: {one_line(error)}") from error
    classes, colours = tuple(document["classes"]), document.get("palette")
    if not 2 <= len(classes) <= MOST:
        raise InputError(f"{path}: {len(classes)} classes; wanted 2 to {MOST}.")
    return TrainedSegmenter(model, classes, model.size, settings, palette(len(classes), _palette(colours, path)))


def _palette(colours: Any, path: Path) -> tuple[Colour, ...] | None:
    """Raises: InputError where it is no list of colours."""
    if colours is None:
        return None
    try:
        return TypeAdapter(tuple[Colour, ...]).validate_python(colours, strict=False)
    except ValidationError as error:
        raise InputError(f"{path}: palette: wanted red, green and blue of each class; {one_line(error)}") from error


@dataclass(frozen=True)
class Answers:
    """What a segmenter says of files: of each the class of every pixel, (H, W) uint8."""

    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    files: tuple[Path, ...]
    found: tuple[Tensor, ...]

    def lines(self) -> list[str]:
        """One for each file: the classes of the largest areas, and their shares."""
        return [
            f"{images.printable(file)}   {self.told(one)}" for file, one in zip(self.files, self.found, strict=True)
        ]

    def told(self, found: Tensor) -> str:
        areas = label_results.class_areas(found, self.classes)
        said = [f"{name} {100 * area['share']:.1f} %" for name, area in list(areas.items())[:TOLD]]
        return ", ".join(said) + (f", and {len(areas) - TOLD} more" if len(areas) > TOLD else "")

    def document(self) -> list[dict[str, Any]]:
        """As JSON has it: pixels and shares of the classes that are there, the largest first."""
        return [
            {
                "file": images.printable(file),
                "height": one.shape[0],
                "width": one.shape[1],
                "classes": [
                    {"name": name, **area} for name, area in label_results.class_areas(one, self.classes).items()
                ],
            }
            for file, one in zip(self.files, self.found, strict=True)
        ]

    def draw(self, out: Path, name: str) -> None:
        """Writes the pictures under their classes' colours: into a PNG, several in rows; or into a folder, one by one
        beside their label maps NAME_labels.png, whose values are the classes."""
        if out.suffix.lower() == ".png":
            if len(self.files) == 1:
                return self._draw_one(out, self.files[0], self.found[0])
            first = f"the first {MANY} of " if len(self.files) > MANY else ""
            title = f"{first}{len(self.files)} pictures and what {name} sees in them"
            rows = [
                Row(images.read(file), None, {"classes": one.numpy()}, f"{file.name[:40]}   {self.told(one)}", 0.0)
                for file, one in zip(self.files[:MANY], self.found, strict=False)
            ]
            return draw_rows(out, rows, self.classes, title, self.palette, MANY)
        out.mkdir(parents=True, exist_ok=True)
        for file, one, stem in zip(self.files, self.found, stems(self.files), strict=True):
            self._draw_one(out / f"{stem}.png", file, one)
            label_results.write(out / f"{stem}_labels.png", one, "palette", self.palette)

    def _draw_one(self, path: Path, file: Path, found: Tensor) -> None:
        drawn = with_legend(images.read(file), found.numpy(), self.classes, self.palette)
        with replacing(path) as written:
            drawn.save(written, format="PNG")


def answer(trained: TrainedSegmenter, files: Sequence[Path], asked: Asked) -> Answers:
    """What the segmenter says of the files, with a progress bar.

    Raises: InputError for a choice that is not for segmenters, or a file that cannot be read.
    """
    asked.only(TAKES, WHO)
    out = asked.out
    if out and out.suffix.lower() == ".png" and not out.parent.is_dir():
        raise InputError(f"{out}: wanted a .png file in a folder that exists.")
    if out and out.suffix.lower() != ".png" and out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, wanted a .png or a folder.")
    look = trained.look(asked)
    found = [look(images.read(file)) for file in track(files, len(files), "predicting")]
    return Answers(trained.classes, trained.palette, tuple(files), tuple(found))
