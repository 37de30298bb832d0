"""Clips decoded and augmented per second and core: our loader beside PyAV decoding the same frames and no more.

    python benchmarks/clips.py [LISTS] --json clips.json

One process, one thread, no workers. Ours: a training clip of a video, resized, random resized crop, mirror, a
normalised float32 batch. PyAV, on the same files and the very frames that ours drew in that round:
"PyAV" decodes up to the last of them and makes an RGB array of each, as its documentation shows it
(`frame.to_ndarray(format="rgb24")`); "PyAV, one converter" keeps one `VideoReformatter`; "decoding alone" makes no
array. None of the three resizes, crops, or builds a batch.

LISTS is a folder of lists of videos, as docs/video_data.md has them, taken as often as it takes to reach --count
videos. Beside it, videos of 340 x 256 and 300 frames are written, as Kinetics is stored: H.264, a key frame every 250.

Rounds are interleaved, in an order drawn anew; what is counted is the process's own CPU time. Printed: the ratio of
each to "PyAV", the median over the rounds and its middle half.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from rich.console import Console
from rich.table import Table

from vitrail.data import clip_layouts, clip_sampling
from vitrail.data.clip_batches import ClipBatches
from vitrail.data.clip_set import Clips
from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing, Sampling
from vitrail.data.loader import Loader
from vitrail.data.randomness import seeded
from vitrail.heap import keep_memory

Task = tuple[Path, list[int]]  # a video and the frames wanted of it


def write(root: Path, count: int) -> Clips:
    """`count` videos of moving waves with some grain."""
    y, x = np.mgrid[:256, :340].astype(np.float32)
    for number in range(count):
        dice = np.random.default_rng(number)
        path = root / str(number % 2) / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        pace, wide = dice.uniform(0.05, 0.2, 3), dice.uniform(0.01, 0.06, (3, 2))
        grain = dice.normal(0, 6, (256, 340, 3))
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", 30, options={"crf": "23", "g": "250", "threads": "1"})
            stream.height, stream.width, stream.pix_fmt = 256, 340, "yuv420p"
            for t in range(300):
                planes = [127 + 90 * np.sin(a * x + b * y + p * t) for (a, b), p in zip(wide, pace, strict=True)]
                picture = np.stack(planes, -1) + np.roll(grain, t, axis=1)
                frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), "rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return clip_layouts.open_held_out(root, "videos", ("0", "1"))


def decode(tasks: list[Task], convert: Callable[[av.VideoFrame, VideoReformatter], object]) -> None:
    for path, wanted in tasks:
        left, converter = set(wanted), VideoReformatter()
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_count = 1
            for number, frame in enumerate(container.decode(stream)):
                if number in left:
                    convert(frame, converter)
                    left.discard(number)
                    if not left:
                        break


SIDES: dict[str, Callable[[av.VideoFrame, VideoReformatter], object]] = {
    "PyAV": lambda frame, converter: frame.to_ndarray(format="rgb24"),
    "PyAV, one converter": lambda frame, converter: converter.reformat(frame, format="rgb24", threads=1).to_ndarray(),
    "decoding alone": lambda frame, converter: None,
}


def drawn(clips: Clips, loader: Loader, sampling: Sampling, epoch: int) -> list[Task]:
    """What the loader reads in an epoch: it draws the place of a clip before anything else."""
    tasks = []
    for draw in loader.draws(epoch):
        for index in draw.indices:
            with seeded(0, epoch, index):
                wanted = clip_sampling.draw(clips.video(index).count(), sampling)
            tasks.append((Path(clips.name(index)), wanted.tolist()))
    return tasks


def measure(clips: Clips, name: str, sampling: Sampling, size: int, rounds: int) -> list[dict]:
    """One row for each side."""
    settings = ClipPreprocessing(sampling)
    loader = Loader(ClipBatches(clips, (size, size), settings, ClipAugment(), seed=0), 8, shuffle=True)
    times: dict[str, list[float]] = {side: [] for side in ("vitrail", *SIDES)}
    order = random.Random(0)
    for number in range(rounds + 1):  # the first warms up
        tasks = drawn(clips, loader, sampling, number)
        for side in order.sample(list(times), len(times)):
            start = time.process_time()
            if side == "vitrail":
                assert sum(len(batch) for batch in loader.epoch(number)) == len(tasks)
            else:
                decode(tasks, SIDES[side])
            if number:
                times[side].append((time.process_time() - start) / len(tasks))
    rows = []
    for side, measured in times.items():
        ratios = sorted(peer / t for t, peer in zip(measured, times["PyAV"], strict=True))
        quarter = len(ratios) // 4
        rows.append(
            {
                "files": name,
                "clip": f"{sampling.length} x {sampling.interval}, {size} x {size}",
                "side": side,
                "clips_per_second_and_core": statistics.median(1 / t for t in measured),
                "ratio": statistics.median(ratios),
                "ratio_spread": [ratios[quarter], ratios[-1 - quarter]],
            }
        )
    return rows


def machine() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lists", type=Path, nargs="?", help="a folder of lists of videos")
    parser.add_argument("--count", type=int, default=16, help="videos in a round, a multiple of 8")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved repeats, 5 or more")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    if arguments.rounds < 5 or arguments.count % 8:
        parser.error("wanted --rounds of 5 or more, and --count a multiple of 8")
    torch.set_num_threads(1)
    keep_memory()  # as the command does, for all sides alike
    rows: list[dict] = []
    with tempfile.TemporaryDirectory() as place:
        if arguments.lists:
            training, _ = clip_layouts.open_split(arguments.lists)
            tiled = training.chosen([i * 7 % len(training) for i in range(4 * arguments.count)])
            rows += measure(tiled, "as they are", Sampling(8, 2), 112, arguments.rounds)
        rows += measure(write(Path(place), arguments.count), "340 x 256", Sampling(32, 2), 224, arguments.rounds)
    versions = {"torch": torch.__version__, "av": av.__version__}
    said = {"machine": f"{machine()}, 1 thread", **versions, "date": date.today().isoformat(), "rows": rows}
    table = Table(title=f"clips/s and core as a ratio to PyAV — {said['machine']}, {said['date']}")
    for column in ("files", "clip", "side", "ratio", "spread"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        spread = "{:.2f} – {:.2f}".format(*row["ratio_spread"])
        table.add_row(row["files"], row["clip"], row["side"], f"{row['ratio']:.2f}", spread)
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
