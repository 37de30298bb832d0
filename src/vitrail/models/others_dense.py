"""Backbones of other libraries for dense tasks, `dense_timm/NAME` and `dense_torchvision/NAME`: four maps, any size."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.heads.small_pyramid import SmallPyramid
from vitrail.models.others import Other, make, without_numbers
from vitrail.models.others_maps import STRIDES, Maps, resized, timm_maps, torchvision_maps

DENSE = "dense_"
PREFIXES = ("dense_timm/", "dense_torchvision/")
WISHED = {"dynamic_img_size": True, "strict_img_size": False}  # timm's ways to say "any size"
RAGGED = ((97, 133), (70, 102))


class OtherBackbone(Other):
    """Another library's network as a backbone: (B, 3, H, W) -> (B, C_s, ceil(H/s), ceil(W/s)) for s = 4, 8, 16, 32.

    Its parameters have the names that the library's classifier gives them, below `model.`. Those that no map depends
    on, such as the last step of a class token, do not learn (`requires_grad` is False).

    Where the library's own maps are of these sizes, pictures go in as they are. Else zeros are added at the bottom and
    the right up to `multiple`, and the maps are cropped. A network that takes nothing but the size it was built for
    has that as its `multiple`, and pictures up to that size.

    Attributes:
        multiple: (H, W), of which the sides of what the network sees are multiples.
        given: Strides of the maps that the network itself gives.
        fixed: It takes one size only.
        pyramid: Makes four maps of one; None where the network gives four.
    """

    def __init__(self, maps: Maps, heads: tuple[str, ...]) -> None:
        super().__init__(maps.model, heads)
        self.read, self.given, self.paths = maps.read, maps.strides, maps.parts
        self.multiple, self.fixed = (maps.multiple, maps.multiple), False
        self.strides = STRIDES
        self.pyramid: SmallPyramid | None = None

    def features(self, x: Tensor) -> list[Tensor]:
        """As `forward`."""
        return self(x)

    def forward(self, x: Tensor) -> list[Tensor]:  # type: ignore[override]  # maps, where a classifier gives logits
        """(B, 3, H, W) -> four maps, (B, C_s, ceil(H/s), ceil(W/s)). Raises: InputError for a size it cannot take."""
        height, width = x.shape[-2:]
        maps = self.maps(x)
        if self.pyramid is not None:
            maps = self.pyramid(maps[0])
        sizes = [(-(-height // stride), -(-width // stride)) for stride in STRIDES]
        return [one[..., :rows, :columns] for one, (rows, columns) in zip(maps, sizes, strict=True)]

    def maps(self, x: Tensor) -> list[Tensor]:
        """What the network itself gives for the padded picture: four maps, or one at stride 16."""
        height, width = x.shape[-2:]
        if self.fixed and (height > self.multiple[0] or width > self.multiple[1]):
            raise InputError(
                f"{self.name} takes pictures up to the size it was built for, {self.multiple[0]}x{self.multiple[1]}; "
                f"{height}x{width} came. Build it with size=({height}, {width}) or more."
            )
        bottom, right = -height % self.multiple[0], -width % self.multiple[1]
        if bottom or right:
            x = F.pad(x, (0, right, 0, bottom))
        maps = self.read(self.model, x)
        if self.pyramid is not None:
            maps = [resized(maps[0], (-(-x.shape[-2] // 16), -(-x.shape[-1] // 16)))]
        return maps

    def parts(self) -> list[list[nn.Module]]:
        """From the front: the stem, then stages or blocks, as timm groups them; torchvision's up to each map."""
        groups = _in_parts(self.model, self.paths) if self.paths else _timm_layers(self.model, coarse=True)
        count = max(groups.values(), default=-1) + 1
        return [_holders(self.model, {name for name, part in groups.items() if part == n}) for n in range(count)]

    def layer_of(self, path: str) -> int:
        """The layer of a parameter, as timm groups them: 0 in the stem; the small pyramid is above them all."""
        layers = {} if self.paths else _timm_layers(self.model, coarse=False)
        if not layers:
            return super().layer_of(path)
        return layers.get(path.removeprefix("model."), max(layers.values()) + 1)

    def try_out(self, batch: int = 1, training: bool = False) -> None:
        """Nothing: it was tried when it was built."""


def build(name: str, size: tuple[int, int], options: dict[str, Any]) -> OtherBackbone:
    """The backbone with random weights; nothing is downloaded.

    Args:
        name: `dense_` and a classifier's name.
        size: (H, W) for which tables of positions are built, as weights trained at that size have them.
        options: Of the library's constructor.
    Raises: InputError for what the library does not know, or a network whose maps are not four, nor one that four can
        be made of.
    """
    inner = name.removeprefix(DENSE)
    is_timm = inner.startswith("timm/")
    model, heads = make(inner, 0 if is_timm else 1, size, options, WISHED)
    names = set(model.state_dict())
    maps = timm_maps(model, inner) if is_timm else torchvision_maps(model, without_numbers(model), size, inner)
    gone = sorted({name.rpartition(".")[0] for name in names - set(maps.model.state_dict())})
    backbone = OtherBackbone(maps, (*dict.fromkeys(head.partition(".")[0] for head in heads), *gone))
    backbone.name, backbone.spec, backbone.size, backbone.num_classes = name, dict(options), size, 0
    _measure(backbone, options.get("in_chans", 3))
    return backbone


def _measure(backbone: OtherBackbone, channels: int) -> None:
    """Finds by shapes alone which sizes the network takes and what it gives; a small pyramid is added for one map.

    Raises: InputError where nothing comes of it.
    """
    twin = without_numbers(backbone.model).eval()
    dims, backbone.multiple, backbone.fixed = _taken(backbone, twin, channels)
    if len(dims) == 1:
        try:
            backbone.pyramid = SmallPyramid(dims[0])
        except ValueError as error:
            raise InputError(f"{backbone.name}: {error}") from None
        dims = backbone.pyramid.channels
    backbone.channels = dims
    _rest(backbone, twin.train(), channels)


def _taken(backbone: OtherBackbone, twin: nn.Module, channels: int) -> tuple[tuple[int, ...], tuple[int, int], bool]:
    """The maps' channels, the multiple that sides are padded to, and whether one size only is taken."""
    known = backbone.multiple
    free = [(((3 * known[0], 5 * known[1]),), known)] if known[0] else [(RAGGED, (1, 1)), (((96, 160),), (32, 32))]
    tries = [*((*one, False) for one in free), ((backbone.size,), backbone.size, True)]
    why = ""
    for sizes, multiple, fixed in tries:
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                came = [backbone.read(twin, torch.zeros(1, channels, *size, device="meta")) for size in sizes]
        except Exception as error:  # another library's code may raise anything
            why = " ".join(str(error).split()) or f"{type(error).__name__} in the library"
            continue
        if all(_fits(maps, size, backbone.given) for maps, size in zip(came, sizes, strict=True)):
            return tuple(int(m.shape[1]) for m in came[0]), multiple, fixed
        why = f"it gives maps of {', '.join(str(tuple(m.shape[1:])) for m in came[0])} for {sizes[0]}"
    raise InputError(f"{backbone.name} at {backbone.size[0]}x{backbone.size[1]} cannot be read: {why}.")


def _fits(maps: list[Tensor], size: tuple[int, int], strides: tuple[int, ...]) -> bool:
    grids = [tuple(-(-side // stride) for side in size) for stride in strides]
    return [tuple(m.shape[2:]) for m in maps] == grids


def _rest(backbone: OtherBackbone, twin: nn.Module, channels: int) -> None:
    """Parameters on which no map depends stop learning, found by a backward pass over shapes."""
    size = backbone.size if backbone.fixed else tuple(math.lcm(side, 64) for side in backbone.multiple)
    try:
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            maps = backbone.read(twin, torch.zeros(2, channels, *size, device="meta"))
            torch.stack([m.sum() for m in maps]).sum().backward()
    except Exception:  # the library needs numbers to learn: then nothing is known, and all stay as they are
        return
    used = {name for name, parameter in twin.named_parameters() if parameter.grad is not None}
    for name, parameter in backbone.model.named_parameters():
        if name not in used:
            parameter.requires_grad_(False)


def _timm_layers(model: Any, coarse: bool) -> dict[str, int]:
    """Parameter -> group, from the front, as timm says; {} where it does not."""
    matcher = getattr(model, "group_matcher", None)
    if matcher is None:
        return {}
    from timm.models import group_parameters

    groups = group_parameters(model, matcher(coarse=coarse), reverse=True)
    return {name: int(number) for name, number in groups.items()}


def _in_parts(model: nn.Module, ends: tuple[str, ...]) -> dict[str, int]:
    """Parameter -> 0 before the module that gives the first map, 1 in it, then one more up to each map."""
    order = {path: number for number, (path, _) in enumerate(model.named_modules())}
    last = [max(n for path, n in order.items() if path == end or path.startswith(f"{end}.")) for end in ends]
    places = {name: order[name.rpartition(".")[0]] for name, _ in model.named_parameters()}
    first = order[ends[0]]
    return {
        name: 0 if place < first else min(1 + sum(end < place for end in last), len(ends))
        for name, place in places.items()
    }


def _holders(model: nn.Module, names: set[str], below: str = "") -> list[nn.Module]:
    """The largest modules that hold parameters of these names only, and one list of those that stand alone."""
    found: list[nn.Module] = []
    alone = [parameter for name, parameter in model.named_parameters(recurse=False) if below + name in names]
    for path, child in model.named_children():
        inner = {f"{below}{path}.{name}" for name, _ in child.named_parameters()}
        if inner and inner <= names:
            found.append(child)
        elif inner & names:
            found += _holders(child, names, f"{below}{path}.")
    return [*found, nn.ParameterList(alone)] if alone else found
