"""Weights from one file into another, both ways: recognised by keys, checked, changed only as asked, and said.

In: a .pth file of anybody's (read as `pickles` says), or .safetensors in any layout, ours among them.
Out: our file, or the tensors under somebody else's names, as .safetensors or .pth. Whole or not at all.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save as serialize
from torch import Tensor

from vitrail.errors import InputError, nearest
from vitrail.models.assemble import Backbone, Network
from vitrail.models.assembled import Assembled
from vitrail.models.catalogue import ROWS, WEIGHTS, kind_of
from vitrail.models.others import Other
from vitrail.models.spec import to_dict
from vitrail.train.files import replacing
from vitrail.weights import files, labels, origins
from vitrail.weights.change import by, changed
from vitrail.weights.formats import LAYOUTS, Layout, body
from vitrail.weights.heads import INNER, label
from vitrail.weights.load import unwrap
from vitrail.weights.pickles import read_pickle
from vitrail.weights.recognise import family
from vitrail.weights.restore import UNUSED, Restored, restore

OURS = "vitrail"
DESCRIBED = {"format", "name", "size", "num_classes", "spec"}


@dataclass(frozen=True)
class Wanted:
    """What is asked of a conversion.

    to: `vitrail`, or the name of a layout.     prefix: Before its names, instead of the layout's usual one.
    named, fields: What the weights were trained as, where no shape shows it.
    size, window: The network is built for these; tables are resized where that makes others of them.
    rows: Of the head, the ones that stay, in this order.     rows_from: How the file that says so is called.
    classes: Names of the head's classes.
    """

    to: str = OURS
    prefix: str | None = None
    named: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    window: int | None = None
    rows: Sequence[int] | None = None
    rows_from: str = ""
    classes: Sequence[str] | None = None
    licence: str | None = None


def convert(source: str | Path, target: str | Path, wanted: Wanted | None = None) -> dict[str, Any]:
    """Convert a file of weights; what was recognised and done, as plain values.

    Raises: InputError with one line for a file that cannot be read or recognised, that names code, that is another
        network than was named, or where IN and OUT are one file. Nothing is written then.
    """
    wanted, source, target = wanted or Wanted(), Path(source), Path(target)
    _check_target(source, target, wanted)
    tensors, document, taken, names = _opened(source)
    beside = {name: value for name, value in tensors.items() if name.startswith(files.BESIDE)}
    report: dict[str, Any] = {"in": str(source), "out": str(target), "taken": taken, "left_out": [], "notes": []}
    changes = list(document.get("changes", []))
    if document:
        model = _ours(source, wanted)
        report |= {"layout": OURS, "tensors": len(tensors)}
        said = {key: value for key, value in document.items() if key not in DESCRIBED}
        origin = dict(document.get("source") or {})
    else:
        restored = restore(tensors, wanted.named, wanted.fields, wanted.size)
        model, found = restored.model, restored.found
        beside = {files.BESIDE + name: tensors[name] for name in restored.left_out if UNUSED.search(name)}
        left_out = [name for name in restored.left_out if files.BESIDE + name not in beside]
        report |= {"layout": found.layout.name, "tensors": restored.loaded, "left_out": left_out}
        if restored.begun:
            changes.append(f"{len(restored.begun)} tensors that the file does not have begin anew: {restored.begun[0]}")
        if not (restored.known or wanted.size or isinstance(model, Backbone | Assembled)):
            report["notes"].append(f"nothing shows the size it was trained at; built for {by(model.size)}")
        said = {} if isinstance(model, Assembled) else _row(wanted.named)
        said["classes"] = names
        origin = _provenance(source, restored, taken)
        if origin["dtype"] == "float64":
            changes.append("float64 -> float32")
    found_changes = len(changes)
    report["recognised"] = f"{label(model)} ({model.name})"
    model = changed(model, wanted.size, wanted.window, wanted.rows, wanted.rows_from, changes)
    if len(changes) > found_changes:  # what was measured was another network
        said.pop("measured", None)
    said |= _names(model, wanted, said)
    if wanted.licence is not None:
        said["licence"] = wanted.licence
    if wanted.to == OURS:
        files.save(target, model, model.state_dict() | beside, **{**said, "source": origin, "changes": changes})
    else:
        report["written"] = _write_foreign(target, model, wanted, origin, beside)
    spec, below = to_dict(model.spec), to_dict(body(model).spec)
    return {
        **report,
        "to": wanted.to,
        "name": model.name,
        "size": list(model.size),
        "classes": model.num_classes,
        "rule": {key: below[key] for key in ("rule", "clamp", "padding") if key in below},
        "spec": spec,
        "changes": changes,
        "licence": said.get("licence"),
    }


def _check_target(source: Path, target: Path, wanted: Wanted) -> None:
    if wanted.to != OURS and wanted.to not in LAYOUTS:
        raise InputError(f"No layout is called {wanted.to!r}.{nearest(wanted.to, LAYOUTS)} Known: {_known()}.")
    endings = {".safetensors"} if wanted.to == OURS else {".safetensors", ".pth"}
    if target.suffix.lower() not in endings:
        raise InputError(f"{target}: wanted a name that ends in {' or '.join(sorted(endings))}.")
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(f"{target}: " + ("is a folder." if target.is_dir() else f"no folder {target.parent}."))
    if source.exists() and target.exists() and source.samefile(target):
        raise InputError(f"{target} is the file that is read; take another name for OUT.")


def _known() -> str:
    return ", ".join([OURS, *LAYOUTS])


class Opened(NamedTuple):
    """A file: tensors by name, our document or {}, the keys under which the tensors lay, and names of classes."""

    tensors: dict[str, Tensor]
    document: dict[str, Any]
    taken: str = ""
    names: tuple[str, ...] = ()


def _opened(path: Path) -> Opened:
    if path.suffix.lower() in files.PICKLES:
        held = read_pickle(path)
        tensors, taken = unwrap(held)
        return Opened(tensors, {}, taken, labels.beside(held))
    tensors, document = files.read(path, beside=True)
    if document:
        return Opened(tensors, document)
    tensors, taken = unwrap(tensors)
    return Opened(tensors, {}, taken)


def _ours(path: Path, wanted: Wanted) -> Network:
    """The network of our own file; other heads or another family than were named are refused."""
    model, _ = files.open_model(path)
    if isinstance(body(model), Other):
        raise InputError(f"{path} holds {model.name}, which has the names of its own library; it stays as it is.")
    if wanted.fields:
        raise InputError(f"{path} says itself what it is; {next(iter(wanted.fields))} cannot be given with it.")
    if wanted.named is not None:
        kind, own = kind_of(wanted.named), body(model).spec
        if kind and kind != kind_of(model.name):
            raise InputError(f"{path} holds {label(model)}, {model.name}; {wanted.named} is another network.")
        row = WEIGHTS.get(wanted.named) or ROWS.get(wanted.named.removeprefix(f"{kind}_"))
        if row is None:
            raise InputError(f"No model or weights row is called {wanted.named!r}.")
        spec = row.spec
        if type(spec) is not type(own):
            raise InputError(f"{path} holds {family(type(own))}; {wanted.named} is {family(type(spec))}.")
        for key in ("dim", "depths", "heads"):
            if getattr(spec, key) != getattr(own, key):
                came, named = getattr(own, key), getattr(spec, key)
                raise InputError(f"{path} was trained with {key}={came}; {wanted.named} has {key}={named}.")
    return model


def _names(model: Network, wanted: Wanted, said: Mapping[str, Any]) -> dict[str, Any]:
    """The classes' names as given; those that a file had stay while their number does."""
    if wanted.classes is not None:
        if len(wanted.classes) != model.num_classes:
            raise InputError(f"{len(wanted.classes)} names for {model.num_classes} classes.")
        return {"classes": list(wanted.classes)}
    kept = list(said.get("classes", ()))
    return {"classes": kept if len(kept) == model.num_classes and wanted.rows is None else []}


def _row(named: str | None) -> dict[str, Any]:
    """What the table of weights says of a row."""
    if named not in WEIGHTS:
        return {}
    origin = origins.origin(named)
    measured = {} if origin.top1 is None else {"measured": {"top1": origin.top1, "by": f"{origin.page}, as printed"}}
    return {
        "weights": named,
        "licence": origin.licence,
        "preprocessing": origins.preprocessing(named),
        **measured,
    }


def _provenance(path: Path, restored: Restored, taken: str) -> dict[str, Any]:
    from vitrail import __version__

    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return {
        "file": path.name,
        "sha256": digest.hexdigest(),
        "layout": restored.found.layout.name,
        "prefix": restored.found.prefix,
        "derived": restored.found.derived,
        "dtype": _dtype(restored.found.state),
        "taken": taken,
        "lacked": list(restored.begun),
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "by": f"vitrail {__version__}",
    }


def _dtype(state: Mapping[str, Tensor]) -> str:
    """The one type of the floating-point numbers of a file; float32 where there are several."""
    kinds = {str(value.dtype).removeprefix("torch.") for value in state.values() if value.is_floating_point()}
    return kinds.pop() if len(kinds) == 1 else "float32"


def _write_foreign(
    path: Path, model: Network, wanted: Wanted, origin: Mapping[str, Any], beside: Mapping[str, Tensor]
) -> int:
    """Under another layout's names; back in its own one, with the prefix, buffers and type that the file had."""
    layout, wrapper = _layout(wanted, model), "state_dict" if isinstance(model, Assembled) else None
    same = origin.get("layout") == layout.name
    prefix = wanted.prefix if wanted.prefix is not None else origin.get("prefix") if same else None
    written = layout.write(model, prefix, bool(origin.get("derived")) if same else None)
    if same:
        written |= {name.removeprefix(files.BESIDE): value for name, value in beside.items()}
    keys = layout.keys(model, prefix)
    lacked = {theirs for ours in (origin.get("lacked") or () if same else ()) for theirs in keys[ours].names}
    dtype = getattr(torch, str(origin.get("dtype") if same else None), torch.float32)
    tensors = {
        name: (value.to(dtype) if value.is_floating_point() else value).clone().contiguous()
        for name, value in written.items()
        if name not in lacked
    }
    with replacing(path) as file:
        if path.suffix.lower() == ".pth":
            wrapper = wrapper or layout.wrapper
            torch.save({wrapper: tensors} if wrapper else tensors, file)
        else:
            file.write(serialize(tensors, metadata={"format": "pt"}))
    return len(tensors)


def _layout(wanted: Wanted, model: Network) -> Layout:
    """The layout that was asked for. mmdetection and mmsegmentation have no Iwin and no ScalableViT of their own: the
    papers' forks put the releases' there, under the releases' names.

    Raises: InputError for a detector or segmenter that they cannot have, or under another prefix.
    """
    layout = LAYOUTS[wanted.to]
    if not isinstance(model, Assembled):
        return layout
    if model.spec.global_attention:
        raise InputError(f"{model.name} has attention over its whole last map, for which no layout but ours has names.")
    if wanted.prefix is not None and not wanted.prefix.endswith(INNER):
        raise InputError(f"--prefix {wanted.prefix}: the backbone's names in {model.name} begin with ...{INNER}")
    own = layout.name == "mm" and type(model.backbone.spec) not in layout.tables
    return LAYOUTS["release"] if own else layout
