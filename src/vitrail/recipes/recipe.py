"""A recipe: everything that decides a training run, in plain values, frozen and checked. No torch here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from vitrail.data.settings import STRICT, Augment, Preprocessing
from vitrail.errors import InputError
from vitrail.models.spec import Share


def _tuples(value: Any) -> Any:
    """JSON knows lists only; specs hold tuples."""
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else _tuples(value)


@dataclass(frozen=True, config=STRICT)
class Model:
    """name: An architecture, as `vitrail models` lists them. size: (H, W) in pixels; one number means a square.

    overrides: Fields of the architecture's spec, as `create_model` takes them.
    """

    name: str
    size: Annotated[tuple[PositiveInt, PositiveInt], BeforeValidator(_pair)] = (224, 224)
    overrides: Annotated[dict[str, Any], BeforeValidator(_tuples)] = Field(default_factory=dict)


@dataclass(frozen=True, config=STRICT)
class Folder:
    """Class folders at `path`: train/ and val/, or one set of classes of which the share `held_out` is held out."""

    path: str | None = None
    held_out: Share = 0.2
    seed: int = 0
    kind: Literal["folder"] = "folder"


@dataclass(frozen=True, config=STRICT)
class Digits:
    """scikit-learn's handwritten digits, of which the share `held_out` is held out."""

    held_out: Share = 0.2
    seed: int = 0
    kind: Literal["digits"] = "digits"


@dataclass(frozen=True, config=STRICT)
class AdamW:
    """`lr` is the highest learning rate reached, for the recipe's batch as it is; nothing scales it."""

    lr: PositiveFloat = 1e-3
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    kind: Literal["adamw"] = "adamw"


@dataclass(frozen=True, config=STRICT)
class SGD:
    """`lr` as for AdamW."""

    lr: PositiveFloat = 0.1
    weight_decay: float = 1e-4
    momentum: float = 0.9
    kind: Literal["sgd"] = "sgd"


@dataclass(frozen=True, config=STRICT)
class Cosine:
    """From `start` to the optimizer's lr in a line over `warmup` epochs, then half a cosine to `end`, step by step."""

    warmup: Annotated[float, Field(ge=0)] = 0.0
    start: Annotated[float, Field(ge=0)] = 0.0
    end: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """A training run.

    batch: Pictures per step over all processes together.
    smoothing: Share of each target given evenly to all classes.
    clip: Largest norm of all gradients together; None leaves them.
    precision: "bfloat16" computes products in it; weights and updates are float32 either way.
    seed: Decides the first weights, the order, every augmentation and drop path.
    weights: A run's folder or a weights file to begin from, of the same architecture; the head begins anew, tables of
        another window are resized. None begins from random weights.
    """

    model: Model
    data: Annotated[Folder | Digits, Field(discriminator="kind")]
    optimizer: Annotated[AdamW | SGD, Field(discriminator="kind")] = AdamW()
    schedule: Cosine = Cosine()
    epochs: PositiveInt = 100
    batch: PositiveInt = 128
    preprocessing: Preprocessing = Preprocessing()
    augment: Augment = Augment()
    smoothing: Share = 0.0
    clip: PositiveFloat | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
    weights: str | None = None


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
    field = ".".join(str(part) for part in first["loc"] if part not in ("folder", "digits", "adamw", "sgd"))
    return f"{field}: {first['msg'][0].lower() + first['msg'][1:]}; got {first['input']!r}"
