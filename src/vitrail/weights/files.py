"""Our file: safetensors, with one JSON document under the metadata key "vitrail" that says what the model is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from vitrail.errors import InputError, first_line
from vitrail.models.assemble import Network
from vitrail.models.catalogue import LANGUAGE, build
from vitrail.models.spec import one_line, to_dict
from vitrail.train.files import replacing

KEY = "vitrail"
BESIDE = "beside."  # before the name, in its own layout, of a tensor that its library holds and never uses
PICKLES = {".pth", ".pt", ".pkl", ".bin", ".ckpt"}
# a header has a line a tensor and our document; 21 841 names of classes are under 1 MB
HEADER, DOCUMENT = 16 << 20, 8 << 20


def save(path: str | Path, model: Network, tensors: dict[str, Tensor] | None = None, **document: Any) -> None:
    """Write a model: its parameters under our names, and a document with its name, spec, size and classes.

    Args:
        tensors: Instead of the model's own, where those are elsewhere, as in a checkpoint.
        document: More for the document, JSON values: `classes`, `preprocessing`, `licence`, `source` (the file it came
            from, its sha256 and layout, when and by what), `measured`, `changes`.
    The file appears whole or not at all.
    Raises: InputError for a document that is too long to be read again.
    """
    said = {
        "format": 1,
        "name": model.name,
        "size": list(model.size),
        "num_classes": model.num_classes,
        "spec": to_dict(model.spec),
        **document,
    }
    text = json.dumps(said)
    if len(text) > DOCUMENT:
        raise InputError(f"{path}: its document has {len(text)} characters, wanted {DOCUMENT} at most.")
    own = model.state_dict() if tensors is None else tensors
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in own.items()}
    with replacing(path) as file:
        file.write(serialize(kept, metadata={KEY: text}))


def read(path: str | Path, beside: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a safetensors file and our document, {} where it has none.

    Args:
        beside: Also tensors that no network of ours has, kept for the way back: their names begin with `BESIDE`.
    Raises: InputError for a missing, empty, truncated or other file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"No file at {path}.")
    if path.suffix.lower() in PICKLES:
        raise InputError(
            f"{path} is a pickle, which can run code when read; weights are read from .safetensors files only, and "
            "`vitrail convert` makes one of it."
        )
    check_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY, "{}")
            if len(text) > DOCUMENT:
                raise InputError(f"{path}: its document has {len(text)} characters, wanted {DOCUMENT} at most.")
            document = json.loads(text)
            names = [name for name in file.keys() if beside or not name.startswith(BESIDE)]  # noqa: SIM118
            tensors = {name: file.get_tensor(name) for name in names}
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a whole safetensors file: {first_line(error)}.") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: its document under {KEY!r} is not a JSON object.")
    return tensors, document


def check_header(path: Path) -> None:
    """Refuse a file whose first eight bytes, the length of its header, cannot be so, before anything is parsed."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise InputError(f"{path} is not a whole safetensors file: {size} bytes, and a header of {length}.")
    if length > HEADER:
        raise InputError(f"{path}: its header has {length} bytes, wanted {HEADER} at most; it is not read.")


@dataclass(config=ConfigDict(extra="ignore"))
class Description:
    """The part of a document that says what model a file holds."""

    name: str
    size: tuple[int, int] | tuple[()]  # a model of language has none
    num_classes: int
    spec: dict[str, Any]
    classes: tuple[str, ...] = ()

    @property
    def sides(self) -> tuple[int, int]:
        """(H, W), of a model that has a size; of another (0, 0)."""
        return self.size or (0, 0)


def described(document: dict[str, Any], path: str) -> Description | None:
    """What a document says of its model; None for one that is empty. Raises: InputError if it is not sound."""
    if not document:
        return None
    try:
        found = TypeAdapter(Description).validate_python(document)
    except ValidationError as error:
        raise InputError(f"{path}: what it says of its model is not sound: {one_line(error)}") from None
    if not found.size and found.name not in LANGUAGE:
        raise InputError(f"{path}: what it says of its model is not sound: {found.name} without a size.")
    return found


def open_model(path: str | Path) -> tuple[Network, dict[str, Any]]:
    """Build the model that `save` wrote, in evaluation mode, with its document.

    Raises: InputError for a file without our document, or one that does not fit it.
    """
    tensors, document = read(path)
    said = described(document, str(path))
    if said is None:
        raise InputError(f"{path} does not say what model it holds; build it and load_weights.")
    model = build(said.name, said.num_classes, said.size, **said.spec)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(
            f"{path} does not fit the {said.name} it names: {str(error).splitlines()[1].strip()}"
        ) from None
    return model.eval(), document
