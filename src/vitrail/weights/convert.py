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
from typing import Any

import torch
from safetensors.torch import save as serialize
from torch import Tensor, nn

from vitrail.errors import InputError, nearest
from vitrail.models.assemble import Backbone, Network
from vitrail.models.catalogue import ROWS, WEIGHTS, build
from vitrail.models.others import Other
from vitrail.models.spec import to_dict
from vitrail.train.files import replacing
from vitrail.weights import files, origins
from vitrail.weights.formats import LAYOUTS, to_release
from vitrail.weights.load import load_weights, unwrap
from vitrail.weights.pickles import read_pickle
from vitrail.weights.recognise import differing_fields, family
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
    tensors, document, taken = _opened(source)
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
        if not (restored.known or wanted.size or isinstance(model, Backbone)):
            report["notes"].append(f"nothing shows the size it was trained at; built for {_by(model.size)}")
        said = _row(wanted.named)
        origin = _provenance(source, restored, taken)
        if origin["dtype"] == "float64":
            changes.append("float64 -> float32")
    found_changes = len(changes)
    report["recognised"] = f"{family(type(model.spec))} ({model.name})"
    model = _changed(model, wanted, changes)
    if len(changes) > found_changes:  # what was measured was another network
        said.pop("measured", None)
    said |= _names(model, wanted, said)
    if wanted.licence is not None:
        said["licence"] = wanted.licence
    if wanted.to == OURS:
        files.save(target, model, model.state_dict() | beside, **{**said, "source": origin, "changes": changes})
    else:
        report["written"] = _write_foreign(target, model, wanted, origin, beside)
    spec = to_dict(model.spec)
    return {
        **report,
        "to": wanted.to,
        "name": model.name,
        "size": list(model.size),
        "classes": model.num_classes,
        "rule": {key: spec[key] for key in ("rule", "clamp", "padding") if key in spec},
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


def _opened(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Tensors by name, our document or {}, and the keys under which the tensors lay."""
    if path.suffix.lower() in files.PICKLES:
        tensors, taken = unwrap(read_pickle(path))
        return tensors, {}, taken
    tensors, document = files.read(path, beside=True)
    if document:
        return tensors, document, ""
    tensors, taken = unwrap(tensors)
    return tensors, {}, taken


def _ours(path: Path, wanted: Wanted) -> Network:
    """The network of our own file; other heads or another family than were named are refused."""
    model, _ = files.open_model(path)
    if isinstance(model, Other):
        raise InputError(f"{path} holds {model.name}, which has the names of its own library; it stays as it is.")
    if wanted.fields:
        raise InputError(f"{path} says itself what it is; {next(iter(wanted.fields))} cannot be given with it.")
    if wanted.named is not None:
        row = WEIGHTS.get(wanted.named)
        spec = row.spec if row else ROWS[wanted.named].spec if wanted.named in ROWS else None
        if spec is None:
            raise InputError(f"No model or weights row is called {wanted.named!r}.")
        if type(spec) is not type(model.spec):
            raise InputError(f"{path} holds {family(type(model.spec))}; {wanted.named} is {family(type(spec))}.")
        for key in ("dim", "depths", "heads"):
            if getattr(spec, key) != getattr(model.spec, key):
                came, named = getattr(model.spec, key), getattr(spec, key)
                raise InputError(f"{path} was trained with {key}={came}; {wanted.named} has {key}={named}.")
    return model


def _changed(model: Network, wanted: Wanted, changes: list[str]) -> Network:
    """The network for another size or window, and with fewer rows in its head, where that was asked."""
    if wanted.size or wanted.window:
        model = _resized(model, wanted.size or model.size, wanted.window, changes)
    if wanted.rows is not None:
        model = _picked(model, list(wanted.rows), wanted.rows_from, changes)
    return model


def _resized(model: Network, size: tuple[int, int], window: int | None, changes: list[str]) -> Network:
    fields = differing_fields(model.spec, model.name) | ({"window": window} if window else {})
    other = build(model.name, model.num_classes, size, **fields)
    report = load_weights(other, to_release(model), trained_as=model, new_window=True, partial=True)
    fresh = [name for name in report.missing if ".conv." not in name]
    if fresh or report.unexpected:
        raise InputError(f"{model.name} cannot be made for {_by(size)} from {_by(model.size)}: {[*fresh, '?'][0]}.")
    if size != model.size:
        changes.append(f"size {_by(model.size)} -> {_by(size)}")
    if window and window != model.spec.window:
        changes.append(f"window {model.spec.window or 'of the size'} -> {window}")
    if report.resized:
        changes.append(f"{len(report.resized)} tables resized bicubically")
    if report.missing:
        changes.append(f"{len(report.missing)} tensors of convolutions that exist at this size alone begin anew")
    return other.eval()


def _picked(model: Network, rows: list[int], named: str, changes: list[str]) -> Network:
    last = [path for path, module in model.named_modules() if path.startswith("head") and isinstance(module, nn.Linear)]
    if not model.num_classes or not last:
        raise InputError(f"{model.name} has no classes whose rows could be picked.")
    wrong = [row for row in rows if not 0 <= row < model.num_classes]
    if wrong or not rows:
        raise InputError(
            f"{named}: " + (f"row {wrong[0]} of a head with {model.num_classes} classes." if wrong else "no rows.")
        )
    state = model.state_dict()
    for name in (f"{last[-1]}.weight", f"{last[-1]}.bias"):
        state[name] = state[name][torch.tensor(rows)]
    other = build(model.name, len(rows), model.size, **differing_fields(model.spec, model.name))
    other.load_state_dict(state)
    changes.append(f"classes {model.num_classes} -> {len(rows)}, rows picked by {named}")
    return other.eval()


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
    layout = LAYOUTS[wanted.to]
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
            torch.save({layout.wrapper: tensors} if layout.wrapper else tensors, file)
        else:
            file.write(serialize(tensors, metadata={"format": "pt"}))
    return len(tensors)


def _by(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
