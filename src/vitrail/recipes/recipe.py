"""A recipe: everything that decides a training run, in plain values, frozen and checked. No torch here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    WrapValidator,
)
from pydantic.dataclasses import dataclass

from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing
from vitrail.data.generation_settings import GenerationAugment, GenerationPreprocessing
from vitrail.data.pixel_settings import PixelAugment, PixelPreprocessing
from vitrail.data.settings import (
    STRICT,
    Amount,
    Augment,
    DetectionAugment,
    DetectionPreprocessing,
    Preprocessing,
)
from vitrail.data.text_settings import TextAugment, TextPreprocessing
from vitrail.errors import InputError
from vitrail.models.spec import Share

Seed = Annotated[int, Field(ge=0, lt=2**63)]


def _tuples(value: Any) -> Any:
    """JSON knows lists only; specs hold tuples."""
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else _tuples(value)


def _size(value: Any, inner: Any) -> Any:
    """A pair, or () of a model that has no size."""
    return () if value in ((), []) else inner(_pair(value))


@dataclass(frozen=True, config=STRICT)
class Model:
    """name: An architecture, as `vitrail models` lists them, or `timm/NAME`, `torchvision/NAME`; "auto" is that of the
    recipe's weights, with their size. size: (H, W) in pixels; one number means a square; () of models of language.

    overrides: Fields of the architecture's spec, as `create_model` takes them.
    """

    name: str
    size: Annotated[tuple[PositiveInt, PositiveInt], WrapValidator(_size), PlainSerializer(list)] = (224, 224)
    overrides: Annotated[dict[str, Any], BeforeValidator(_tuples)] = Field(default_factory=dict)


@dataclass(frozen=True, config=STRICT)
class Folder:
    """Pictures at `path` with train and val parts, or one set of which the share `held_out` of each class is held out.

    layout: How they lie there; "auto" looks. "classes": a folder a class. "zip": train.zip with train_map.txt, val
        likewise. "shards": WebDataset tar files. "table": parquet files, or what Hugging Face `datasets` saved.
        "idx": files like MNIST's.
    """

    path: str | None = None
    layout: Literal["auto", "classes", "zip", "shards", "table", "idx"] = "auto"
    held_out: Share = 0.2
    seed: Seed = 0
    kind: Literal["folder"] = "folder"


@dataclass(frozen=True, config=STRICT)
class Digits:
    """scikit-learn's handwritten digits, of which the share `held_out` is held out."""

    held_out: Share = 0.2
    seed: Seed = 0
    kind: Literal["digits"] = "digits"


@dataclass(frozen=True, config=STRICT)
class Boxes:
    """Pictures with boxes, and masks where there are any, at `path`; parts and shares as `Folder` has them.

    layout: How they lie there; "auto" looks. "coco": a COCO json a part. "voc": Pascal VOC's xml files. "yolo": a text
        file a picture.
    empty: Train on pictures without a thing, too; the papers' toolbox leaves them out.
    """

    path: str | None = None
    layout: Literal["auto", "coco", "voc", "yolo"] = "auto"
    empty: bool = False
    held_out: Share = 0.2
    seed: Seed = 0
    kind: Literal["boxes"] = "boxes"


@dataclass(frozen=True, config=STRICT)
class Pixels:
    """Pictures with a label map each, at `path`; parts and shares as `Folder` has them.

    layout: How they lie there; "auto" looks. docs/segmentation_data.md shows them.
    reduce: 0 stands for no class and the classes count from 1, as in ADE20K's own files.
    """

    path: str | None = None
    layout: Literal["auto", "ade20k", "cityscapes", "coco_stuff", "folders"] = "auto"
    reduce: bool = False
    held_out: Share = 0.2
    seed: Seed = 0
    kind: Literal["pixels"] = "pixels"


@dataclass(frozen=True, config=STRICT)
class Videos:
    """Videos at `path` with train and val parts, or one set of which the share `held_out` of each class is held out.

    layout: How they lie there; "auto" looks. "lists": text files of paths and classes, as Kinetics has them.
        "videos": a folder a class. "something": Something-Something's json files.
    """

    path: str | None = None
    layout: Literal["auto", "lists", "videos", "something"] = "auto"
    held_out: Share = 0.2
    seed: Seed = 0
    kind: Literal["clips"] = "clips"


@dataclass(frozen=True, config=STRICT)
class Moving:
    """`count` drawn clips of shapes whose motion only the order of the frames shows, the share `held_out` held out."""

    count: Annotated[int, Field(ge=12)] = 1200
    frames: Annotated[int, Field(ge=2)] = 16
    size: Annotated[int, Field(ge=8)] = 32
    held_out: Share = 0.2
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    kind: Literal["moving"] = "moving"


@dataclass(frozen=True, config=STRICT)
class Latents:
    """Latents of pictures at `path`, as `vitrail latents` writes them, of each class the share `held_out` held out."""

    path: str | None = None
    held_out: Share = 0.002
    seed: Seed = 0
    kind: Literal["latents"] = "latents"


@dataclass(frozen=True, config=STRICT)
class Text:
    """Text files, a folder of them, or one of packed shards, at `path`.

    tokens: "bytes"; "characters", those that occur; or the path of a `tokenizer.json`. Shards bring their own.
    held_out: The last share of the text, where no file is called val or test.
    """

    path: str | None = None
    tokens: str = "bytes"
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    kind: Literal["texts"] = "texts"


Data = Folder | Digits | Boxes | Pixels | Videos | Moving | Latents | Text
SMOOTHED = ("pictures", "clips")
GOES_WITH = {
    "folder": ("pictures", "generation"),
    "digits": ("pictures", "generation"),
    "moving": ("clips",),
    "latents": ("generation",),
}  # kind of data -> kinds of settings, where they differ


@dataclass(frozen=True, config=STRICT)
class AdamW:
    """`lr` is the highest learning rate reached, for the recipe's batch as it is; nothing scales it."""

    lr: PositiveFloat = 1e-3
    weight_decay: Amount = 0.05
    betas: tuple[Share, Share] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    kind: Literal["adamw"] = "adamw"


@dataclass(frozen=True, config=STRICT)
class SGD:
    """`lr` as for AdamW."""

    lr: PositiveFloat = 0.1
    weight_decay: Amount = 1e-4
    momentum: Share = 0.9
    kind: Literal["sgd"] = "sgd"


Epochs = Amount
Rate = Amount
Times = Literal["step", "epoch"]


@dataclass(frozen=True, config=STRICT)
class Cosine:
    """From `start` to the optimizer's lr in a line over `warmup` epochs, then half a cosine to `end`.

    by: How often the rate changes.     warmup_in: What the warm-up counts, where it is not epochs.
    within: The cosine is counted from the first epoch, so that the warm-up hides its beginning, and a rate by epoch is
        that of the epoch before: DeiT's scheduler. Else it begins after the warm-up: Swin's.
    warmup_as: "line": as above. "factor": the cosine is counted from the first epoch, and over the warm-up it is
        multiplied, at every step whatever `by` says, by a factor that rises in a line from start / lr to 1: mmcv's.
    """

    warmup: Epochs = 0.0
    start: Rate = 0.0
    end: Rate = 0.0
    by: Times = "step"
    warmup_in: Times = "epoch"
    within: bool = False
    warmup_as: Literal["line", "factor"] = "line"
    kind: Literal["cosine"] = "cosine"

    def __post_init__(self) -> None:
        if self.within and self.warmup_as == "factor":
            raise ValueError(
                "within is for a warm-up in a line; warmup_as='factor' counts from the first epoch already"
            )


@dataclass(frozen=True, config=STRICT)
class Polynomial:
    """As Cosine, but after the warm-up `end + (lr - end) (1 - way)^power`; a power of 1 is a line.

    within: The way is counted from the first step, and the warm-up is a factor that rises from start / lr to 1: mmcv's.
    """

    warmup: Epochs = 0.0
    start: Rate = 0.0
    end: Rate = 0.0
    power: PositiveFloat = 1.0
    by: Times = "step"
    warmup_in: Times = "epoch"
    within: bool = False
    kind: Literal["polynomial"] = "polynomial"


@dataclass(frozen=True, config=STRICT)
class Steps:
    """After the warm-up the optimizer's lr, multiplied by `factor` at the end of each epoch in `at`."""

    at: tuple[Epochs, ...] = ()
    factor: PositiveFloat = 0.1
    warmup: Epochs = 0.0
    start: Rate = 0.0
    by: Times = "step"
    warmup_in: Times = "epoch"
    kind: Literal["steps"] = "steps"


@dataclass(frozen=True, config=STRICT)
class Groups:
    """Which parameters learn, how fast, and which decay: the papers' codes differ from task to task.

    exempt: Parameters without weight decay: "vector" those of at most one axis, "named" what the model names in
        `no_weight_decay()`, any other text those whose path holds it, with `*` for whatever stands between its parts.
        ImageNet's codes exempt the three of the default.
    rates: Part of a path -> share of the learning rate; of several that a path holds the longest decides.
    layer_decay: Each layer learns at this share of the rate of the one above it; the head, and norms before it, at
        the full rate, the stem slowest. A layer is a block; a step down counts with the block after it.
    frozen: Parts from the front that do not learn and stay in eval mode: 1 the stem, 2 also the first stage, ...
    still: Batch norms of the backbone keep the statistics they came with; what they multiply and add learns on.
    """

    exempt: tuple[str, ...] = ("vector", "named", ".bias")
    rates: dict[str, Rate] = Field(default_factory=dict)
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    frozen: Annotated[int, Field(ge=0)] = 0
    still: bool = False


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """A training run.

    batch: Pictures, or windows of text, per step over all processes together.
    accumulate: Parts a batch is computed in, one after the other, to spare memory; the step is the same, but for what
        looks at a whole part: mixing and batch norm.
    steps: Steps that count as an epoch, after each of which is measured; None: as many as go once through the data.
    smoothing: Share of each target given evenly to all classes.
    clip: Largest norm of all gradients together; None leaves them.
    precision: "bfloat16" and "float16" compute products in it, float16 with the loss scaled so that small gradients
        survive; weights and updates are float32 whichever it is.
    average: Share that an exponential moving average of the weights keeps at each step, such as 0.9999; the average
        is then what is measured and kept. None keeps the weights themselves.
    unreadable: Share of the pictures of an epoch that may be damaged: each is passed over, counted and named; more
        end the run.
    seed: Decides the first weights, the order, every augmentation and drop path.
    weights: A run's folder, a weights file or a row of the weights table to begin from, of the same architecture; the
        head is kept where the classes are the same, tables of another window are resized. A detector or a segmenter
        also begins from weights of its backbone, such as a classifier's. None begins at random.
    """

    model: Model
    data: Annotated[Data, Field(discriminator="kind")]
    optimizer: Annotated[AdamW | SGD, Field(discriminator="kind")] = AdamW()
    groups: Groups = Groups()
    schedule: Annotated[Cosine | Polynomial | Steps, Field(discriminator="kind")] = Cosine()
    epochs: PositiveInt = 100
    steps: PositiveInt | None = None
    batch: PositiveInt = 128
    accumulate: PositiveInt = 1
    preprocessing: Annotated[
        Preprocessing
        | DetectionPreprocessing
        | PixelPreprocessing
        | ClipPreprocessing
        | GenerationPreprocessing
        | TextPreprocessing,
        Field(discriminator="kind"),
    ] = Preprocessing()
    augment: Annotated[
        Augment | DetectionAugment | PixelAugment | ClipAugment | GenerationAugment | TextAugment,
        Field(discriminator="kind"),
    ] = Augment()
    smoothing: Share = 0.0
    clip: PositiveFloat | None = None
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    average: Annotated[float, Field(gt=0, lt=1)] | None = None
    unreadable: Share = 0.01
    seed: Seed = 0
    weights: str | None = None

    def __post_init__(self) -> None:
        wanted = GOES_WITH.get(self.data.kind, (self.data.kind,))
        for name, came in (("preprocessing", self.preprocessing.kind), ("augment", self.augment.kind)):
            if came not in wanted:
                raise ValueError(
                    f"{name} is for {came}, data.kind={self.data.kind} wants that for {' or '.join(wanted)}"
                )
        if self.preprocessing.kind != self.augment.kind:
            raise ValueError(f"preprocessing is for {self.preprocessing.kind}, augment for {self.augment.kind}")
        if isinstance(self.preprocessing, GenerationPreprocessing):
            space = "latents" if self.data.kind == "latents" else "pixels"
            if self.preprocessing.space != space:
                raise ValueError(f"preprocessing.space={self.preprocessing.space}, data.kind={self.data.kind}")
        if self.smoothing and self.preprocessing.kind not in SMOOTHED:
            raise ValueError(f"smoothing={self.smoothing:g} is for classes of pictures, data.kind={self.data.kind}")


LONGEST = 100  # letters of what came that an error repeats
KINDS = {
    "folder",
    "digits",
    "boxes",
    "pixels",
    "clips",
    "moving",
    "latents",
    "texts",
    "pictures",
    "generation",
    "adamw",
    "sgd",
    "cosine",
    "polynomial",
    "steps",
}  # pydantic names them within a path
_ADAPTER = TypeAdapter(Recipe)


def to_json(recipe: Recipe) -> str:
    """The resolved recipe, every field written out."""
    return _ADAPTER.dump_json(recipe, indent=1).decode() + "\n"


def from_json(text: str, name: str = "recipe") -> Recipe:
    """The recipe `to_json` wrote.

    Raises: InputError in one line, calling the text `name`, where it is anything else.
    """
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        raise InputError(f"{name}: {one_line(error)}") from error


def one_line(error: ValidationError) -> str:
    """The first thing pydantic found wrong, as `field: what was wanted; got what came`."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in KINDS)
    said, came = first["msg"].removeprefix("Value error, "), repr(first["input"])
    if not field:  # the whole is wrong, and what it says names its parts
        return said
    return f"{field}: {said[0].lower() + said[1:]}; got {came if len(came) <= LONGEST else came[:LONGEST] + '…'}"
