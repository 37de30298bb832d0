"""A network of ours from anybody's tensors: what shapes do not show is asked for, in one line that names candidates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from math import prod
from typing import Any

import torch
from torch import Tensor

from vitrail.errors import InputError, nearest
from vitrail.layers.embed import PositionTable
from vitrail.layers.relative import RelativeBias
from vitrail.mixers import WindowMLP
from vitrail.models import swin
from vitrail.models.assemble import Network
from vitrail.models.assembled import Assembled
from vitrail.models.catalogue import DENSE, KINDS, ROWS, WEIGHTS, build
from vitrail.models.generator import LATENT, GeneratorSpec
from vitrail.weights import heads
from vitrail.weights.heads import TRACKED, Above
from vitrail.weights.load import load_weights
from vitrail.weights.recognise import (
    SIZES,
    Found,
    Shown,
    candidates,
    differing_fields,
    family,
    name_of,
    recognise,
    show,
    unknown,
)

Size = tuple[int, int]
# tensors that a library's class holds and never uses, or uses for its own pretraining alone
UNUSED = re.compile(r"(^|\.)(swin\.layernorm\.(weight|bias)|mask_token|num_batches_tracked)$")
# of ours, what a file of the toolboxes may lack
BEGUN = re.compile(rf"^(backbone\.)?norms\.|{TRACKED}$")
# what a file decides, whatever network was named
FROM_FILE = ("in_channels", "conv_stages", "kernels", "rule")


@dataclass(frozen=True)
class Restored:
    """The network, and what became of the file's keys.

    left_out: The file's names that stand in no network here: heads that are not known or were not wanted.
    begun: Our names that the file does not have, as they begin: output norms of stages that a detector did not read,
        and counts of batches.
    known: Whether something showed the size that the weights were trained at.
    """

    model: Network
    found: Found
    loaded: int
    left_out: tuple[str, ...]
    begun: tuple[str, ...]
    known: bool


def restore(
    state: Mapping[str, Tensor],
    named: str | None = None,
    fields: Mapping[str, Any] | None = None,
    size: Size | None = None,
) -> Restored:
    """Build the network that a state dict holds, and load it.

    Args:
        named: A row of weights (`iwin_small.in1k_224`) or an architecture, where shapes do not tell or to be sure;
            `dense_NAME` for the backbone of a detector or segmenter alone.
        fields: Of its spec, or of its head's and its backbone's, laid over all else.
        size: (H, W) that it was trained at, where neither the file nor its row says it; where its tables do not fit
            that, the usual size for its window.
    Raises: InputError for keys that nobody's layout has, another family or structure than `named`, or heads that
        nothing tells.
    """
    found = recognise(state)
    if found is None:
        raise unknown(state)
    above, named = heads.chosen(found, named)
    shown = show(found) if above is None else replace(show(found), dense=True, classes=0)
    name, base, trained_at = _named(found, shown, named)
    own, said = _apart(above, dict(fields or {}))
    generates = issubclass(found.kind, GeneratorSpec)
    if generates and said.get("label_drop") == 0:  # then no row of labels is that of none
        shown = replace(shown, classes=shown.classes + 1)
    asked = [key for key in shown.hidden if key not in said]
    if name is None and asked:
        raise InputError(_ask(found, shown, asked))
    chosen = {**base, **_settled(found, shown, name, base, said), **said}
    name = name or name_of(found.kind, chosen, shown.dense)
    known = shown.size or trained_at
    usual = LATENT if generates else (SIZES.get(shown.window or 7, 224),) * 2
    sizes = [each for each in (known, size, usual) if each]  # what the file or its row says, before what was asked for
    at, spec = _fitted(found, shown, name, chosen, list(dict.fromkeys(sizes)))
    model = build(name, shown.classes, at, **spec) if above is None else _whole(found, above, name, at, spec, own)
    report = load_weights(model, state, trained_as=model, partial=True)
    part = "" if above else found.prefix
    strange = [key for key in report.unexpected if key.startswith(part) and not UNUSED.search(key)]
    begun = tuple(key for key in report.missing if BEGUN.search(key))
    if (strange and (above or not _beside(found, strange))) or len(begun) < len(report.missing):
        lacked = [key for key in report.missing if key not in begun]
        what = f"it lacks {lacked[0]}" if lacked else f"{strange[0]} has no place in it"
        raise InputError(f"The file is not a whole {model.name} in {found.layout.says} names: {what}.")
    return Restored(model, found, len(report.loaded), report.unexpected, begun, known is not None)


def _named(found: Found, shown: Shown, named: str | None) -> tuple[str | None, dict[str, Any], Size | None]:
    """The name of the builder, the fields of the spec that was named, and the size its row was trained at."""
    if named is None:
        return None, {}, None
    if named not in WEIGHTS and named not in ROWS:
        raise InputError(f"No model or weights row is called {named!r}.{nearest(named, [*ROWS, *WEIGHTS])}")
    arch = named.partition(".")[0].removeprefix("dense_")
    spec = WEIGHTS[named].spec if named in WEIGHTS else ROWS[arch].spec
    if not isinstance(spec, found.kind):
        raise InputError(
            f"The file is {family(found.kind)} in {found.layout.says} names; {named} is {family(type(spec))}."
        )
    name = f"dense_{arch}" if shown.dense else arch
    spec_of_row = {key: getattr(spec, key) for key in differing_fields(spec, arch)}
    return name, spec_of_row, WEIGHTS[named].size if named in WEIGHTS else None


def _settled(found: Found, shown: Shown, name: str | None, base: dict, said: dict) -> dict[str, Any]:
    """The fields that the file decides. Raises: InputError where its shapes are not those of the named network."""
    if name is None:
        return shown.fields
    row = ROWS[name].spec
    for key, value in shown.fields.items():
        wanted = said.get(key, base.get(key, getattr(row, key)))
        wanted = tuple(wanted) if isinstance(wanted, list) else wanted
        if key not in FROM_FILE and value != wanted:
            raise InputError(f"The file's shapes show {key}={value}; {name} has {key}={wanted}.")
    return {key: value for key, value in shown.fields.items() if key in FROM_FILE}


def _apart(above: Above | None, said: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields that a caller gave: those of the head's spec, and the others."""
    own = {field.name for field in fields_of(KINDS[above.kind].spec)} if above else set()
    return {k: v for k, v in said.items() if k in own}, {k: v for k, v in said.items() if k not in own}


def _whole(found: Found, above: Above, name: str, size: Size, spec: dict[str, Any], own: dict[str, Any]) -> Network:
    """The detector or segmenter on the backbone `name`. Raises: InputError where the file's heads are not its."""
    usual = ROWS[name].spec
    below = {key: value for key, value in spec.items() if getattr(usual, key) != value}
    called = f"{above.kind}_{name.removeprefix(DENSE)}"
    model = build(called, above.classes, size, backbone=below, **above.fields, **own)
    assert isinstance(model, Assembled)
    heads.check(model, found)
    return model


def _fitted(
    found: Found, shown: Shown, name: str, chosen: dict[str, Any], sizes: list[Size]
) -> tuple[Size, dict[str, Any]]:
    """The first size for which the network's tables have the file's shapes, and the fields of its spec there."""
    for size in sizes:
        for window in _windows(found, shown, chosen, size):
            fields = chosen | window
            draft = _draft(name, shown, size, fields)
            if not _fits(found, draft):
                continue
            usual = fields | {"conv_stages": getattr(ROWS[name].spec, "conv_stages", None)}
            if "conv_stages" in fields and _convs(_draft(name, shown, size, usual)) == _convs(draft):
                fields = usual  # the rule of its name, which another size follows
            return size, fields
    tried = " and ".join("x".join(map(str, size)) for size in sizes)
    raise InputError(
        f"The windows in the file are not those of a {name} at {tried}: say the size that it was made for, --size, "
        "or window=M."
    )


def _draft(name: str, shown: Shown, size: Size, fields: dict[str, Any]) -> Network:
    with torch.device("meta"):
        return build(name, shown.classes, size, **fields)


def _windows(found: Found, shown: Shown, chosen: dict[str, Any], size: Size) -> list[dict[str, Any]]:
    """The windows that a Swin may have had: that of its name, the largest that a table shows, or one a stage."""
    if found.kind is not swin.SwinSpec or "window" in chosen or shown.window is None:
        return [{}]
    usual = swin.window_for(size) == shown.window
    return [{}, {"window": shown.window}] if usual else [{"window": shown.window}]


def _fits(found: Found, model: Network) -> bool:
    """Whether tables of bias and position, and Swin-MLP's maps over tokens, are as large in the file."""
    for path, module in model.named_modules():
        if isinstance(module, RelativeBias) and (found.shape(f"{path}.table") or (0,))[0] != module.table.shape[0]:
            return False
        if isinstance(module, PositionTable) and prod(found.shape(f"{path}.table") or ()) != module.table.numel():
            return False
        if isinstance(module, WindowMLP) and (found.shape(f"{path}.weight") or (0, 0))[1] != module.weight.shape[1]:
            return False
    return True


def _convs(model: Network) -> set[str]:
    return {name for name, _ in model.named_parameters() if ".mix.body.conv." in name}


def _beside(found: Found, strange: list[str]) -> bool:
    """Whether keys are those of heads beside a backbone, where nothing stands before the backbone's own."""
    own = re.compile(r"^(layers|stages|encoder|features|patch_embeds?|embeddings|pos_block|norm\d*|absolute_pos\w+)\b")
    return not any(own.search(key.removeprefix(found.prefix)) for key in strange)


def _ask(found: Found, shown: Shown, asked: list[str]) -> str:
    dim, depths = shown.fields["dim"], shown.fields.get("depths") or (shown.fields["depth"],)
    rows = candidates(found.kind, dim, depths)
    stages = ",".join("N" for _ in depths)
    choice = f"--as one of {rows}" if rows else " ".join(f"{key}={stages}" for key in asked)
    return (
        f"No shape shows the {' and '.join(asked)} of this {family(found.kind)} (dim {dim}, depths "
        f"{', '.join(map(str, depths))}); say what it was trained as: {choice}."
    )
