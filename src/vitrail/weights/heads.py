"""Which detector or segmenter of OpenMMLab stands on a recognised backbone, by its names and shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vitrail.errors import InputError, nearest
from vitrail.models.assemble import Network
from vitrail.models.assembled import Assembled
from vitrail.models.catalogue import DENSE, KINDS, ROWS, kind_of, list_models
from vitrail.weights.formats import body
from vitrail.weights.recognise import Found, family

LABELS = {
    "retinanet": "RetinaNet",
    "faster_rcnn": "Faster R-CNN",
    "mask_rcnn": "Mask R-CNN",
    "cascade_rcnn": "Cascade R-CNN",
    "cascade_mask_rcnn": "Cascade Mask R-CNN",
    "upernet": "UperNet",
    "semantic_fpn": "Semantic FPN",
}
INNER = "backbone."  # before the backbone's names in these files
ANCHORS = 9  # of a position in RetinaNet
TRACKED = "num_batches_tracked"  # files written by old versions of PyTorch lack it
_RPN = (r"^neck\.", r"^rpn_head\.rpn_")
_BOX, _MASK = r"^roi_head\.bbox_head\.{}fc_", r"^roi_head\.mask_head\.{}(convs|upsample|conv_logits)\b"
# the first of which every pattern is there; of a head that another toolbox or paper has, one is not
_SIGNS: Mapping[str, tuple[str, ...]] = {
    "retinanet": (r"^neck\.", r"^bbox_head\.retina_"),
    "cascade_mask_rcnn": (*_RPN, _BOX.format(r"\d+\."), _MASK.format(r"\d+\.")),
    "cascade_rcnn": (*_RPN, _BOX.format(r"\d+\.")),
    "mask_rcnn": (*_RPN, _BOX.format(""), _MASK.format("")),
    "faster_rcnn": (*_RPN, _BOX.format("")),
    "upernet": (r"^decode_head\.psp_modules\.", r"^decode_head\.(lateral|fpn)_convs\."),
    "semantic_fpn": (r"^neck\.", r"^decode_head\.scale_heads\."),
}


@dataclass(frozen=True)
class Above:
    """What stands on a backbone: its kind, its classes, and the fields of its spec that differ from the kind's."""

    kind: str
    classes: int
    fields: dict[str, Any]


def label(model: Network) -> str:
    """What a model is, in a sentence."""
    below = family(type(body(model).spec))
    return f"{LABELS[kind]} on {below}" if (kind := kind_of(model.name)) and isinstance(model, Assembled) else below


def chosen(found: Found, named: str | None) -> tuple[Above | None, str | None]:
    """What stands on the file's backbone, None for a backbone alone, and the name of that backbone, None for any.

    Args:
        named: A detector or segmenter, whose heads the file then must hold; `dense_NAME` for the backbone alone; or a
            network or row of weights, that the backbone is like.
    Raises: InputError for another head than was named, or one that is not ours.
    """
    kind = kind_of(named) if named else None
    if named and named.startswith(DENSE):
        return None, named
    above = show(found)
    if kind is None:
        return above, named
    inner = DENSE + str(named).removeprefix(f"{kind}_")
    if inner not in ROWS:
        raise InputError(f"No model is called {named!r}.{nearest(str(named), list_models(f'{kind}_*'))}")
    if above is None or above.kind != kind:
        came = f"a {LABELS[above.kind]}" if above else "no head that is known"
        raise InputError(f"The file holds {came}; {named} is a {LABELS[kind]}.")
    return above, inner


def show(found: Found) -> Above | None:
    """The head whose parts the file has, with what its shapes show; None where no known one has all its parts there.

    Raises: InputError for one whose shapes none of ours has.
    """
    if not found.prefix.endswith(INNER):
        return None
    before = found.prefix.removesuffix(INNER)
    shapes = {
        key.removeprefix(before): tuple(value.shape)
        for key, value in found.state.items()
        if key.startswith(before) and not key.startswith(found.prefix)
    }
    for kind, patterns in _SIGNS.items():
        if all(any(re.search(pattern, name) for name in shapes) for pattern in patterns):
            reader = {"retinanet": _retinanet, "upernet": _upernet, "semantic_fpn": _semantic_fpn}.get(kind, _rcnn)
            classes, fields = reader(_Shapes(kind, shapes))
            usual = KINDS[kind].spec
            return Above(kind, classes, {key: v for key, v in fields.items() if getattr(usual, key) != v})
    return None


def check(model: Assembled, found: Found) -> None:
    """Raises: InputError naming a tensor of the neck or a head that the file lacks or that has another shape."""
    own = model.state_dict()
    for ours, key in found.layout.keys(model, found.prefix).items():
        if ours.startswith("backbone.") or (ours.endswith(TRACKED) and key.name not in found.state):
            continue
        if key.name not in found.state:
            raise InputError(f"The file is not a whole {model.name}: {key.name} is missing. {_alone(found)}")
        came, wanted = tuple(found.state[key.name].shape), tuple(own[ours].shape)
        if came != wanted:
            raise InputError(f"{key.name}: the file has {came}, a {model.name} {wanted}. {_alone(found)}")


def _alone(found: Found) -> str:
    """What is left to do."""
    return f"--as {DENSE}NAME takes the {family(found.kind)} alone."


class _Shapes:
    """Shapes by name; one that is missing is said."""

    def __init__(self, kind: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.kind, self.shapes = kind, shapes

    def rows(self, name: str, axis: int = 0) -> int:
        """The length of an axis. Raises: InputError."""
        shape = self.shapes.get(name)
        if shape is None or len(shape) <= axis:
            raise InputError(f"The file is not a whole {LABELS[self.kind]}: {name} is {_came(shape)}.")
        return shape[axis]

    def count(self, pattern: str) -> int:
        """How many numbers the one group of a pattern takes in the names."""
        return len({match[1] for name in self.shapes if (match := re.match(pattern, name))})


def _came(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else f"of shape {shape}"


def _retinanet(shapes: _Shapes) -> tuple[int, dict[str, Any]]:
    scores = shapes.rows("bbox_head.retina_cls.weight")
    if scores % ANCHORS:
        raise InputError(f"bbox_head.retina_cls.weight has {scores} rows, not {ANCHORS} anchors for each class.")
    tower = shapes.count(r"bbox_head\.cls_convs\.(\d+)\.")
    return scores // ANCHORS, {"channels": shapes.rows("neck.lateral_convs.0.conv.weight"), "tower": tower}


def _rcnn(shapes: _Shapes) -> tuple[int, dict[str, Any]]:
    fields: dict[str, Any] = {}
    box = "roi_head.bbox_head."
    if "cascade" in shapes.kind:
        overlaps, stages = KINDS[shapes.kind].spec.overlaps, shapes.count(r"roi_head\.bbox_head\.(\d+)\.")
        if not 2 <= stages <= len(overlaps):
            raise InputError(f"The file's cascade has {stages} stages; two or {len(overlaps)} are known here.")
        fields["overlaps"] = overlaps[:stages]
        box += "0."
    rows, offsets = shapes.rows(f"{box}fc_cls.weight"), shapes.rows(f"{box}fc_reg.weight")
    if offsets == 4 != 4 * (rows - 1):
        raise InputError(f"{box}fc_reg.weight has 4 rows, offsets that all classes share; here each class has its own.")
    fields |= {
        "channels": shapes.rows("neck.lateral_convs.0.conv.weight"),
        "width": shapes.rows(f"{box}fc_cls.weight", 1),
        "box_head": "conv" if shapes.count(re.escape(box) + r"shared_convs\.(\d+)\.") else "linear",
    }
    return rows - 1, fields  # the last row is for "nothing"


def _upernet(shapes: _Shapes) -> tuple[int, dict[str, Any]]:
    fields: dict[str, Any] = {"channels": shapes.rows("decode_head.bottleneck.conv.weight")}
    if any(name.startswith("auxiliary_head.") for name in shapes.shapes):
        fields["auxiliary_channels"] = shapes.rows("auxiliary_head.convs.0.conv.weight")
    else:
        fields["auxiliary"] = 0.0
    return shapes.rows("decode_head.conv_seg.weight"), fields


def _semantic_fpn(shapes: _Shapes) -> tuple[int, dict[str, Any]]:
    widths = {"pyramid": "neck.fpn_convs.0.conv.weight", "channels": "decode_head.scale_heads.0.0.conv.weight"}
    fields = {field: shapes.rows(name) for field, name in widths.items()}
    return shapes.rows("decode_head.conv_seg.weight"), fields
