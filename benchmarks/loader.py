"""Pictures decoded and augmented per second and core: our loader beside torchvision's reference for classification.

    python benchmarks/loader.py PHOTOS --classes CLASS_FOLDERS --json loader.json

One process, one thread, no workers, both on the same files: JPEG from the disk's cache, random resized crop to 224
(bicubic), mirror, [RandAugment,] to a normalised float32 batch of 64, random erasing with noise (a quarter of them).
The reference is `ImageFolder`, the transforms of references/classification/presets.py (PIL; its default v1 classes,
and v2 beside them) and a `DataLoader` with the default collate. RandAugment makes two changes of every picture on both
sides, of two lists that differ a little: ours is timm's, with `chance=1`; the reference's is torchvision's.

Repeats are interleaved: in each round every side loads the whole set once, in an order drawn anew. What is counted is
the process's own CPU time, so that busy neighbours cost no side anything but cache. Printed: the median over the
rounds, its spread (the middle half of the rounds), and the ratio of ours to the reference, round by round.

PHOTOS is any folder of pictures: crops of them are written as JPEGs of each size asked for. Without it they are drawn.
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

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from vitrail.data import folders, images, transforms
from vitrail.data.loader import Batches, Loader
from vitrail.data.settings import Augment, Preprocessing, RandAugment

SIZE, BATCH, ERASE = 224, 64, 0.25
SETTINGS = Preprocessing()
Epoch = Callable[[int], int]  # number of an epoch -> pictures loaded


def ours(root: Path, rand: bool) -> Epoch:
    changes = RandAugment(chance=1.0) if rand else None
    augment = Augment(crop=(0.08, 1.0), flip=0.5, rand=changes, erase=ERASE)
    change = transforms.for_training((SIZE, SIZE), SETTINGS, augment)
    loader = Loader(Batches(folders.read_classes(root), change, seed=0), BATCH, shuffle=True)
    return lambda epoch: sum(len(batch.images) for batch in loader.epoch(epoch))


def reference(root: Path, rand: bool, new: bool) -> Epoch:
    """torchvision's training preset; `new` takes the v2 classes."""
    T = v2 if new else torchvision.transforms
    bicubic = v2.InterpolationMode.BICUBIC
    change = T.Compose(
        [
            T.RandomResizedCrop(SIZE, interpolation=bicubic, antialias=True),
            T.RandomHorizontalFlip(0.5),
            *([T.RandAugment(interpolation=bicubic, magnitude=9)] if rand else []),
            T.PILToTensor(),
            T.ToDtype(torch.float32, scale=True) if new else T.ConvertImageDtype(torch.float32),
            T.Normalize(SETTINGS.mean, SETTINGS.std),
            T.RandomErasing(ERASE, scale=(0.02, 1 / 3), value="random"),
            *([T.ToPureTensor()] if new else []),
        ]
    )
    loader = DataLoader(torchvision.datasets.ImageFolder(root, change), BATCH, shuffle=True, drop_last=True)
    return lambda epoch: sum(len(batch) for batch, _ in loader)


def draw(number: int) -> Image.Image:
    """A picture of 1200 x 900 with large soft waves, edges and small texture, the same for the same number."""
    y, x = np.mgrid[:900, :1200].astype(np.float32)
    dice = np.random.default_rng(number)
    layers = []
    for _ in range(3):
        large, small = dice.uniform(0.002, 0.02, 2), dice.uniform(0.1, 0.5, 2)
        layers.append(128 + 70 * np.sin(large[0] * x + large[1] * y) + 12 * np.sin(small[0] * x + small[1] * y))
    image = Image.fromarray(np.stack(layers, -1).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(25):
        left, top, width, height = dice.integers((0, 0, 20, 20), (1100, 800, 300, 300))
        pen.ellipse((left, top, left + width, top + height), fill=tuple(dice.integers(0, 256, 3).tolist()))
    return image


def write(root: Path, photos: Path | None, size: tuple[int, int], count: int) -> None:
    """`count` JPEGs of `size` (width, height), quality 90, in two class folders."""
    sources = [images.read(path) for path in folders.picture_files(photos)] if photos else []
    dice = random.Random(0)
    for number in range(count):
        image = sources[number % len(sources)] if sources else draw(number % 16)
        share = min(image.width / size[0], image.height / size[1]) * dice.uniform(0.7, 1.0)
        width, height = share * size[0], share * size[1]
        left, top = dice.uniform(0, image.width - width), dice.uniform(0, image.height - height)
        crop = image.resize(size, Image.Resampling.LANCZOS, (left, top, left + width, top + height))
        path = root / f"class{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        crop.save(path, quality=90)


def seconds(epoch: Callable[[], int]) -> float:
    """CPU time of one picture."""
    start = time.process_time()
    count = epoch()
    return (time.process_time() - start) / count


def measure(root: Path, name: str, rand: bool, rounds: int, progress: Progress) -> list[dict]:
    """One row for each side."""
    sides = {
        "vitrail": ours(root, rand),
        "torchvision": reference(root, rand, new=False),
        "torchvision v2": reference(root, rand, new=True),
    }
    times: dict[str, list[float]] = {side: [] for side in sides}
    order = random.Random(0)
    for load in sides.values():
        load(0)  # warms up
    for number in progress.track(range(1, rounds + 1), description=f"{name}, RandAugment {'on' if rand else 'off'}"):
        for side in order.sample(list(sides), len(sides)):
            times[side].append(seconds(lambda load=sides[side], number=number: load(number)))
    rows = []
    for side, measured in times.items():
        rates = sorted(1 / t for t in measured)
        ratios = sorted(peer / t for t, peer in zip(measured, times["torchvision"], strict=True))
        quarter = len(rates) // 4
        rows.append(
            {
                "files": name,
                "rand_augment": rand,
                "loader": side,
                "images_per_second_and_core": statistics.median(rates),
                "spread": [rates[quarter], rates[-1 - quarter]],
                "ratio": statistics.median(ratios),
                "ratio_spread": [ratios[quarter], ratios[-1 - quarter]],
            }
        )
    return rows


def machine() -> str:
    cpu, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    return cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="?", help="a folder of pictures to make the JPEGs from")
    parser.add_argument("--classes", type=Path, help="class folders that are also loaded, as they are")
    parser.add_argument("--sizes", nargs="*", default=["500x375", "1000x750"], metavar="WxH")
    parser.add_argument("--count", type=int, default=128, help="JPEGs of each size; a multiple of 64")
    parser.add_argument("--rounds", type=int, default=11, help="interleaved repeats, 5 or more")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    if arguments.rounds < 5:
        parser.error("--rounds: medians want 5 repeats or more")
    if arguments.count % BATCH:
        parser.error(f"--count: wanted a multiple of {BATCH}")
    torch.set_num_threads(1)
    console = Console()
    rows: list[dict] = []
    with tempfile.TemporaryDirectory() as place, Progress(console=console, transient=True) as progress:
        sets = {"as they are": arguments.classes} if arguments.classes else {}
        for size in arguments.sizes:
            width, height = map(int, size.split("x"))
            sets[size] = Path(place, size)
            write(sets[size], arguments.photos, (width, height), arguments.count)
        for rand in (False, True):
            for name, root in sets.items():
                rows += measure(root, name, rand, arguments.rounds, progress)
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "pillow": PIL.__version__}
    said = {"machine": f"{machine()}, 1 thread", **versions, "date": date.today().isoformat(), "rows": rows}
    table = Table(title=f"img/s and core at {SIZE} x {SIZE} — {said['machine']}, {said['date']}")
    for column in ("RandAugment", "files", "loader", "img/s", "spread", "ratio", "spread"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        low, high = row["spread"]
        table.add_row(
            "on" if row["rand_augment"] else "off", row["files"], row["loader"],
            f"{row['images_per_second_and_core']:.1f}", f"{low:.1f} – {high:.1f}",
            f"{row['ratio']:.3f}", "{:.3f} – {:.3f}".format(*row["ratio_spread"]),
        )  # fmt: skip
    console.print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
