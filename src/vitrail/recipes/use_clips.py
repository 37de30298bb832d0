"""A classifier of clips in use: videos to the classes they show, over all and as time goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vitrail.data import clip_folders, images, video, video_folder, video_stream, video_write
from vitrail.data.clip_batches import ClipBatch
from vitrail.data.clip_settings import ClipPreprocessing, views_of
from vitrail.data.clip_transforms import for_use
from vitrail.data.video import Video, VideoFile
from vitrail.draw import clip_bars, clip_time
from vitrail.draw.palette import palette
from vitrail.errors import InputError
from vitrail.models.assemble import Network
from vitrail.recipes.asking import Asked, stems
from vitrail.recipes.start import settings_of
from vitrail.tasks.recognise import Recognise
from vitrail.tasks.recognise_time import OverTime, over_time
from vitrail.train.files import replacing
from vitrail.train.record import track

WHO = "a classifier of videos"
TAKES = ("top", "views", "out")
TOLD = 3  # classes, where nothing is said
RATE = 25.0  # frames a second of what is written, where a video says none
STILL = (240, 240)  # pixels that a frame above the lines covers


@dataclass(frozen=True)
class TrainedClips:
    """A model in eval mode, its classes' names, the (H, W) it was built for, and what it wants done to a video."""

    model: Network
    classes: tuple[str, ...]
    size: tuple[int, int]
    preprocessing: ClipPreprocessing

    def predict(
        self, videos: str | Path | Video | Sequence[str | Path | Video], top: int = 5, views: str = "one"
    ) -> list[list[tuple[str, float]]]:
        """For each video the `top` likeliest classes and their probabilities, the likeliest first.

        Args:
            videos: Files, folders of frames, or what `data.video` has; one or several.
            views: Clips x crops whose probabilities are averaged, such as 4x3; or one.
        Raises: InputError naming a video that cannot be read.
        """
        several = list(videos) if isinstance(videos, Sequence) and not isinstance(videos, str) else [videos]
        shares = [self.shares(_video(one), views) for one in several]
        return [likeliest(row.numpy(), self.classes, top) for row in shares]

    def shares(self, video: Video, views: str = "one") -> Tensor:
        """(K,) the probability of every class, the mean over the views; they are looked at one after another."""
        change = for_use(self.size, self.preprocessing, views_of(views))
        device, nothing = next(self.model.parameters()).device, torch.empty(0, dtype=torch.int64)
        batch = ClipBatch(change(video)[None].to(device), nothing, self.preprocessing, (video.name,))
        return Recognise(len(self.classes)).predict(self.model, batch).scores[0].cpu()

    def over_time(self, video: str | Path | Video, step: int | None = None, progress: bool = False) -> OverTime:
        """What a window of a clip's length says as it slides over the video; arguments as the task's."""
        return over_time(self.model, _video(video), self.size, self.preprocessing, step, progress)


def fits(model: torch.nn.Module) -> bool:
    """Whether it is for this file: a network whose input has a time axis."""
    return isinstance(model, Network) and len(model.input_size) == 3


def of(model: Network, document: dict[str, Any], path: Path) -> TrainedClips:
    """The model of a weights file, with what its document says; clips of the built length where that says nothing.

    Raises: InputError where the document is not sound.
    """
    settings, built = settings_of(document, str(path), ClipPreprocessing), model.input_size[0]
    if "preprocessing" not in document:
        settings = replace(settings, sampling=replace(settings.sampling, length=built))
    if settings.sampling.length != built:
        raise InputError(
            f"{path}: its clips have {settings.sampling.length} frames and its model was built for {built}."
        )
    return TrainedClips(model, tuple(document["classes"]), model.size, settings)


def gather(paths: Sequence[str | Path]) -> list[Path]:
    """The videos named, every one in the folders named at any depth, and folders of frames, each one video.

    In a folder that holds video files, pictures are passed over.
    Raises: InputError for a path that is not there, a picture, or a folder without videos.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"{images.printable(path)}: no such file.")
        if path.is_dir():
            found += _inside(path)
        elif path.name.lower().endswith(images.SUFFIXES):
            raise InputError(
                f"{images.printable(path)} is a picture, and this model looks at videos: a file such as .mp4, or a "
                "folder of frames."
            )
        else:
            found.append(path)
    return found


def _inside(folder: Path) -> list[Path]:
    files = list(clip_folders.files(folder))
    found = [path for path in files if path.name.lower().endswith(video.SUFFIXES)]
    frames = {path.parent: None for path in files if path.name.lower().endswith(images.SUFFIXES)}
    if not found and not frames:
        raise InputError(f"{images.printable(folder)}: no videos in it ({', '.join(video.SUFFIXES)}), and no frames.")
    return found or list(frames)


def _video(one: str | Path | Video) -> Video:
    """Raises: InputError for a folder without frames."""
    if not isinstance(one, str | Path):
        return one
    path = Path(one)
    return video_folder.open_folder(path) if path.is_dir() else VideoFile(path, threads=0)


def likeliest(shares: np.ndarray, classes: Sequence[str], top: int) -> list[tuple[str, float]]:
    """(K,) -> the `top` classes of most, the first first."""
    return [(classes[index], float(shares[index])) for index in np.argsort(-shares, kind="stable")[:top].tolist()]


def leading(shares: np.ndarray, top: int) -> list[int]:
    """(W, K) -> the `top` classes that are the likeliest in most windows, then those of the highest mean."""
    first = np.bincount(shares.argmax(1), minlength=shares.shape[1])
    return np.lexsort((-shares.mean(0), -first))[:top].tolist()


@dataclass(frozen=True)
class Answers:
    """What a model says of videos: the probabilities of every class (K,), and how many classes are told."""

    trained: TrainedClips
    files: tuple[Path, ...]
    shares: tuple[np.ndarray, ...]
    top: int

    @cached_property
    def timelines(self) -> tuple[OverTime, ...]:
        """Of each video, as time goes on; made when first asked for, with a progress bar."""
        return tuple(self.trained.over_time(file, progress=True) for file in self.files)

    def told(self, shares: np.ndarray) -> str:
        said = likeliest(shares, self.trained.classes, self.top)
        return "   ".join(f"{name} {100 * share:.1f} %" for name, share in said)

    def lines(self) -> list[str]:
        """One for each video."""
        return [
            f"{images.printable(file)}   {self.told(row)}" for file, row in zip(self.files, self.shares, strict=True)
        ]

    def document(self) -> list[dict[str, Any]]:
        """As JSON has it; without a known rate `seconds` is null, and starts and ends are frames."""
        return [
            {
                "file": images.printable(file),
                "frames": len(time.clock) - 1,
                "seconds": round(float(time.clock[-1]), 3) if time.unit == "seconds" else None,
                "classes": self._named(row),
                "unit": time.unit,
                "timeline": [
                    {
                        "start": round(float(time.clock[a]), 3),
                        "end": round(float(time.clock[b]), 3),
                        "classes": self._named(shares),
                    }
                    for (a, b), shares in zip(time.spans, time.shares, strict=True)
                ],
            }
            for file, row, time in zip(self.files, self.shares, self.timelines, strict=True)
        ]

    def _named(self, shares: np.ndarray) -> list[dict[str, Any]]:
        found = likeliest(shares, self.trained.classes, self.top)
        return [{"name": name, "probability": share} for name, share in found]

    def draw(self, out: Path, name: str) -> None:
        """Writes probabilities over time into a PNG, several videos below each other; or one video with bars on it
        into an MP4; or both of each into a folder."""
        assert len(self.timelines) == len(self.files)  # all of them are there before anything is written
        if out.suffix.lower() == ".png":
            most = clip_time.MOST
            first = f"the first {most} of " if len(self.files) > most else ""
            what = "a video" if len(self.files) == 1 else f"{first}{len(self.files)} videos"
            return self._draw_over_time(out, range(min(len(self.files), most)), f"{what} and what {name} sees")
        if out.suffix.lower() == ".mp4":
            return self._draw_bars(out, 0)
        out.mkdir(parents=True, exist_ok=True)
        for place, stem in enumerate(stems(self.files)):
            self._draw_over_time(out / f"{stem}.png", [place], f"what {name} sees")
            self._draw_bars(out / f"{stem}.mp4", place)

    def _draw_over_time(self, path: Path, places: Sequence[int], title: str) -> None:
        rows = [self._shown(place) for place in places]
        with replacing(path) as file:
            clip_time.draw_over_time(file, rows, title)

    def _shown(self, place: int) -> clip_time.Shown:
        time, file, count = self.timelines[place], self.files[place], len(self.timelines[place].clock) - 1
        some, colours = leading(time.shares, self.top), palette(len(self.trained.classes))
        one = _video(file)
        size = one.frames([count // 2], STILL)[0].shape[:2]
        stills = clip_time.how_many_stills(size)  # at even times
        moments = (np.arange(stills) + 0.5) / stills * time.clock[-1]
        numbers = (np.searchsorted(time.clock, moments, side="right") - 1).clip(0, count - 1)
        return clip_time.Shown(
            f"{file.name[:60]}   {self.told(self.shares[place])}",
            float(time.clock[-1]),
            time.unit,
            time.middles,
            time.shares[:, some],
            [self.trained.classes[k] for k in some],
            [colours[k] for k in some],
            [Image.fromarray(frame) for frame in one.frames(numbers.tolist(), STILL)],
        )

    def _draw_bars(self, path: Path, place: int) -> None:
        """Every frame, at the time it had."""
        time, one = self.timelines[place], _video(self.files[place])
        count = len(time.clock) - 1
        seconds = time.clock if time.unit == "seconds" else time.clock / RATE
        frames = video_stream.in_order(one, range(count), clip_bars.fit)
        shown = ((seconds[at], self._barred(frame, time, at)) for at, frame in frames)
        with replacing(path) as file:
            video_write.write(file, track(shown, count, path.name), count / seconds[-1])

    def _barred(self, frame: np.ndarray, time: OverTime, at: int) -> np.ndarray:
        """A frame with the classes that are the likeliest in its middle."""
        shares = time.at(time.clock[at : at + 2].mean(keepdims=True))[0]
        colours = palette(len(self.trained.classes))
        some = np.argsort(-shares, kind="stable")[: self.top].tolist()
        lines = [(self.trained.classes[k], float(shares[k]), colours[k]) for k in some]
        when = f"{time.clock[at]:.1f} s" if time.unit == "seconds" else f"frame {at}"
        return clip_bars.with_bars(frame, lines, when)


def answer(trained: TrainedClips, files: Sequence[Path], asked: Asked) -> Answers:
    """What the model says of the videos, with a progress bar.

    Raises: InputError for a choice that is not for models of videos, or a video that cannot be read.
    """
    asked.only(TAKES, WHO)
    views = asked.views or "one"
    views_of(views)  # a wrong one is said before anything is decoded
    if asked.out:
        _check_place(asked.out, files)
    rows = tuple(trained.shares(_video(file), views).numpy() for file in track(files, len(files), "predicting"))
    found = Answers(trained, tuple(files), rows, TOLD if asked.top is None else asked.top)
    if asked.out:
        assert len(found.timelines) == len(files)  # what cannot be decoded is said before anything is told
    return found


def _check_place(out: Path, files: Sequence[Path]) -> None:
    """Raises: InputError where nothing can be drawn, or a video itself would be overwritten."""
    suffix = out.suffix.lower()
    written = [out]
    if suffix in (".png", ".mp4"):
        if not out.parent.is_dir() or out.is_dir():
            raise InputError(f"{out}: wanted a {suffix} file in a folder that exists.")
    elif suffix in (*video.SUFFIXES, *images.SUFFIXES):
        raise InputError(f"{out}: wanted a .png file, an .mp4 file or a folder.")
    else:
        there = next((each for each in (out, *out.parents) if each.exists()), out.parent)
        if there.exists() and not there.is_dir():
            raise InputError(f"{there} is a file; wanted a .png, an .mp4 or a folder.")
        written = [out / f"{stem}.mp4" for stem in stems(files)]
    if suffix == ".mp4" and len(files) > 1:
        raise InputError(f"{out} is for one video, and these are {len(files)}; a folder gets one of each.")
    taken = {file.resolve() for file in files}
    for path in written:
        if path.resolve() in taken:
            raise InputError(f"{path} is a video that is asked about; write somewhere else.")
