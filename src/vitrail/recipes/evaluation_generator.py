"""A generator measured: how far its samples are from real pictures, and whether they are of the class asked for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from vitrail.data.generation_batches import adm_crop
from vitrail.data.randomness import mix
from vitrail.draw.mosaic import mosaic
from vitrail.errors import InputError
from vitrail.flow.sampling import Sampling
from vitrail.metrics import features
from vitrail.recipes import asking, sources, use
from vitrail.recipes.asking import Asked
from vitrail.recipes.measured import Table, percent
from vitrail.recipes.overrides import read_pairs
from vitrail.recipes.recipe import Data, Digits, Folder
from vitrail.recipes.reference import Reference, open_reference
from vitrail.recipes.sample_pictures import SAMPLER, sampling_of
from vitrail.recipes.seeing import ByClassifier, ByInception, Eye, Seen, see_all
from vitrail.recipes.use_classes import Trained
from vitrail.recipes.use_generator import BATCH, WHO, TrainedGenerator, images, with_autoencoder
from vitrail.recipes.wanted import Wanted
from vitrail.train.files import replacing
from vitrail.train.record import track, write_text

TAKES = ("features", "inception", "reference", "count", "sampling", "vae", "batch", "out")
COUNT, SHOWN, FEWEST = 50_000, (8, 16), 4  # samples as the papers measure, rows and columns of samples.png


@dataclass(frozen=True)
class GeneratorEvaluation:
    """numbers: Of the samples.     real: The same of held-out real pictures, which show what can be reached here.

    said: How they were made and measured.     pictures: The first samples, for a drawing.
    """

    numbers: dict[str, float]
    real: dict[str, float]
    said: dict[str, Any]
    unreadable: tuple[str, ...] = ()
    pictures: tuple[Image.Image, ...] = field(default=(), repr=False)

    def document(self) -> dict[str, Any]:
        """As JSON has it: the numbers, those of real pictures, and every choice."""
        return {**self.numbers, "held_out": self.real or None, **self.said, "unreadable": list(self.unreadable)}

    def tables(self, worst: int | None = None) -> list[Table]:
        rows = tuple(
            (name.replace("_", " "), _shown(name, value), _shown(name, self.real.get(name)))
            for name, value in self.numbers.items()
        )
        return [Table(("", "samples", "held-out pictures"), rows)]

    def line(self) -> str:
        numbers = ", ".join(f"{name.replace('_', ' ')} {_shown(name, value)}" for name, value in self.numbers.items())
        against = f"{self.said.get('real')} pictures"
        if "reference" in self.said:
            against = f"{self.said['reference']}, which is of {self.said['reference_seen_by']}"
        return f"{numbers} of {self.said['count']} samples against {against}"

    def write(self, out: Path, title: str) -> None:
        """Writes evaluation.json, and samples.png with the first ones."""
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "evaluation.json", json.dumps(self.document()) + "\n")
        columns = SHOWN[1]
        rows = [("", self.pictures[start : start + columns]) for start in range(0, len(self.pictures), columns)]
        with replacing(out / "samples.png") as file:
            mosaic(rows).save(file, "PNG")


def measured(
    trained: TrainedGenerator, path: Path, data: str | None, said: Data | None, asked: Asked, setting: asking.Setting
) -> GeneratorEvaluation:
    """What `vitrail eval` measures of a generator; arguments as `evaluations.Evaluate` has them.

    A classifier that knows all the classes also says how often it agrees with the one that was asked for.
    Samples are of labels drawn evenly, which follow, as their noise, from the sampler's seed and the sample's number.
    Real pictures are the training part, made as large as the samples, as the papers compare; or a file of their
    statistics, to which FID and sFID are the distances.
    Raises: InputError for a choice that is not for generators, data without pictures, or no network to see with.
    """
    asked.only(TAKES, WHO)
    if setting.processes.world > 1:
        raise InputError("Generators are measured in one process: start vitrail eval without torchrun.")
    sampling = _sampling(trained, asked)
    count = asked.count or COUNT
    if count < FEWEST:
        raise InputError(f"--count {count}: wanted {FEWEST} samples or more.")
    reference = _reference(asked, data)
    eye = _eye(asked, setting)
    chosen = None if reference else _pictures_of(trained, path, data, said)
    trained = with_autoencoder(trained, asked.vae)
    side = trained.autoencoder.stride if trained.autoencoder else 1
    size = (trained.size[0] * side, trained.size[1] * side)
    labels = [mix(sampling.seed, number) % len(trained.classes) for number in range(count)]
    first: list[Image.Image] = []
    about = {
        **eye.said,
        "count": count,
        "labels": "even, by seed and number",
        "size": list(size),
        "sampling": dataclasses.asdict(sampling),
    }
    if reference:
        reference.fits(eye.see([Image.new("RGB", (size[1], size[0]))]))
        seen = see_all(eye, _made(trained, sampling, labels, asked.batch or BATCH, first), count, "sampling")
        assert seen
        numbers = compare_reference(eye, reference, seen)
        return GeneratorEvaluation(numbers, {}, {**about, **reference.said}, (), tuple(first))
    assert chosen
    training, held_out = sources.open_split(chosen)
    skipped: list[str] = []
    real = see_all(eye, _real(training, size, skipped), len(training), "real pictures")
    if real is None or len(real.vectors) < FEWEST:
        raise InputError(f"{FEWEST} real pictures or more are wanted to measure against; {len(training)} are there.")
    missing = len(skipped)
    rest = see_all(eye, _real(held_out, size, skipped), len(held_out), "held-out pictures")
    seen = see_all(eye, _made(trained, sampling, labels, asked.batch or BATCH, first), count, "sampling")
    assert seen
    rest = rest if rest and len(rest.vectors) >= FEWEST else None
    numbers, others = compare(eye, real, seen), compare(eye, real, rest) if rest else {}
    if isinstance(eye, ByClassifier) and {*trained.classes} <= {*eye.trained.classes}:
        numbers["agreement"] = agreement(eye.trained, seen, [trained.classes[label] for label in labels])
        if rest and len(skipped) == missing:
            names = [held_out.classes[target] for target in held_out.targets]
            others["agreement"] = agreement(eye.trained, rest, names)
    about |= {"real": len(real.vectors), "data": data or dataclasses.asdict(chosen)}
    return GeneratorEvaluation(numbers, others, about, tuple(dict.fromkeys(skipped)), tuple(first))


def compare(eye: Eye, real: Seen, made: Seen) -> dict[str, float]:
    """The five numbers under the names that the network gives them; of many vectors they take minutes."""
    steps: tuple[Callable[[], tuple[float, ...]], ...] = (
        lambda: (features.frechet(real.vectors, made.vectors),),
        lambda: (features.frechet(real.spatial, made.spatial),),
        lambda: (features.score(made.shares),),
        lambda: features.precision_recall(real.vectors, made.vectors),
    )
    values = [value for step in track(steps, len(steps), "comparing") for value in step()]
    return dict(zip(eye.names, values, strict=True))


def compare_reference(eye: Eye, reference: Reference, made: Seen) -> dict[str, float]:
    """The distances to a file of statistics, and the score, which wants no real pictures.

    Precision and recall are of single vectors, which such a file does not have.
    """
    distance, spatial, score, *_ = eye.names
    numbers = {distance: features.distance(reference.vectors, features.moments(made.vectors))}
    if reference.spatial:
        numbers[spatial] = features.distance(reference.spatial, features.moments(made.spatial))
    return {**numbers, score: features.score(made.shares)}


def agreement(judge: Trained, seen: Seen, names: Sequence[str]) -> float:
    """The share of pictures that the judge takes for the class of that name."""
    answers = [judge.classes[best] for best in seen.shares.argmax(1).tolist()]
    return sum(answer == name for answer, name in zip(answers, names, strict=True)) / len(names)


def _sampling(trained: TrainedGenerator, asked: Asked) -> Sampling:
    """The model's own sampler with `--sampling scale=2,steps=100`."""
    texts = [part for part in (asked.sampling or "").split(",") if part]
    values = {**read_pairs(texts)}
    own, interval = trained.model.sampling, None
    if {"start", "end"} & values.keys():
        interval = (values.pop("start", own.start), values.pop("end", own.end))
    fitting = [name for name in SAMPLER if name != "interval"]
    wrong = sorted(values.keys() - set(fitting))
    if wrong:
        raise InputError(f"--sampling {wrong[0]}: no choice of the sampler; wanted {', '.join(fitting)}, start or end.")
    return sampling_of(trained, Wanted(interval=interval, **values))


def _reference(asked: Asked, data: str | None) -> Reference | None:
    """The statistics that are asked for. Raises: InputError for them beside something that they do not go with."""
    if asked.reference is None:
        return None
    if asked.inception is None:
        raise InputError("--reference is of what Inception sees: --inception FILE goes with it.")
    if data is not None:
        raise InputError("--reference stands in place of --data: leave one out.")
    return open_reference(asked.reference)


def _eye(asked: Asked, setting: asking.Setting) -> Eye:
    if asked.inception and asked.features:
        raise InputError("--inception or --features, not both.")
    if asked.inception:
        return ByInception(asked.inception, setting.device)
    if asked.features is None:
        raise InputError(
            "Samples are seen with Inception, --inception FILE, or with a classifier of the same kind of pictures, "
            "--features RUN."
        )
    judge = use.load(asked.features, setting.device)
    if not isinstance(judge, Trained) or not hasattr(judge.model, "features"):
        raise InputError(f"{asked.features}: wanted a classifier of pictures, holds {judge.model.name}.")
    return ByClassifier(judge, str(asked.features))


def _pictures_of(trained: TrainedGenerator, path: Path, data: str | None, said: Data | None) -> Folder | Digits:
    chosen = said if data is None else sources.named(data, said if isinstance(said, Folder | Digits) else None)
    if not isinstance(chosen, Folder | Digits):
        raise InputError(f"{path} says no real pictures to measure against: --data FOLDER names class folders.")
    return chosen


def _real(pictures: Any, size: tuple[int, int], skipped: list[str]) -> Iterator[Image.Image]:
    """The pictures that can be read, at the size of the samples."""
    for index in range(len(pictures)):
        try:
            yield adm_crop(pictures[index].image, size)
        except InputError as error:
            skipped.append(str(error))


def _made(
    trained: TrainedGenerator, sampling: Sampling, labels: Sequence[int], batch: int, first: list[Image.Image]
) -> Iterator[Image.Image]:
    """A sample of each label, a batch at a time; `first` gets those that are shown."""
    for start in range(0, len(labels), batch):
        some = labels[start : start + batch]
        for image in images(trained.sample(some, sampling, range(start, start + len(some)), batch=batch)):
            if len(first) < SHOWN[0] * SHOWN[1]:
                first.append(image)
            yield image


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return ""
    shares = ("precision", "recall", "agreement")
    return percent(value, 1) if name.endswith(shares) else f"{value:.3f}"
