"""Other libraries' networks as backbones for dense tasks."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import vitrail
from vitrail import weights
from vitrail.errors import InputError
from vitrail.heads.small_pyramid import SmallPyramid
from vitrail.models.others_dense import OtherBackbone
from vitrail.models.others_maps import _attend
from vitrail.models.others_weights import take
from vitrail.train.optimizer import freeze, groups

SMALL: dict[str, dict[str, Any]] = {
    "timm/convnext_atto": {"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 16)},
    "timm/crossvit_tiny_240": {"embed_dim": (12, 20), "num_heads": (2, 2), "depth": ((1, 1, 0), (1, 1, 0))},
    "timm/crossvit_9_dagger_240": {"embed_dim": (12, 20), "num_heads": (2, 2), "depth": ((1, 1, 0),)},
    "timm/deit_small_distilled_patch16_224": {"embed_dim": 16, "depth": 2, "num_heads": 2},
    "timm/efficientformer_l1": {"depths": (1, 1, 1, 2), "embed_dims": (8, 8, 16, 16)},
    "timm/pvt_v2_b0": {"embed_dims": (8, 8, 10, 16), "depths": (1, 1, 1, 1)},
    "timm/resnet18": {},
    "timm/swin_tiny_patch4_window7_224": {"embed_dim": 8, "depths": (2, 2, 1, 1), "num_heads": (1, 1, 2, 2)},
    "timm/tnt_s_legacy_patch16_224": {"embed_dim": 16, "inner_dim": 4, "depth": 2, "num_heads_outer": 2},
    "timm/tnt_s_patch16_224": {"embed_dim": 16, "inner_dim": 4, "depth": 2, "num_heads_outer": 2},
    "timm/vit_small_patch14_dinov2": {"embed_dim": 16, "depth": 1, "num_heads": 2},
    "timm/vit_small_patch16_224": {"embed_dim": 16, "depth": 2, "num_heads": 2},
    "torchvision/mobilenet_v3_small": {},
    "torchvision/resnet18": {},
    "torchvision/swin_t": {},
}


def build(name: str, size: Any = None, **more: Any) -> OtherBackbone:
    torch.manual_seed(0)
    size = size or (240 if "crossvit" in name else 224)
    model = vitrail.create_model(f"dense_{name}", size=size, **{**SMALL.get(name, {}), **more})
    assert isinstance(model, OtherBackbone)
    return model


def stir(model: nn.Module) -> None:
    """Nothing stays zero or one."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


@pytest.mark.parametrize("name", sorted(SMALL))
def test_four_maps_at_a_ragged_size_and_a_gradient_in_all_that_learns(name: str) -> None:
    model = build(name).train()
    maps = model(torch.randn(2, 3, 97, 133))
    assert model.strides == (4, 8, 16, 32)
    grids = [(25, 34), (13, 17), (7, 9), (4, 5)]
    assert [tuple(m.shape) for m in maps] == [(2, c, *g) for c, g in zip(model.channels, grids, strict=True)]
    sum(m.square().mean() for m in maps).backward()
    for path, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, path
        assert parameter.grad is None or parameter.grad.isfinite().all(), path
    resting = {path for path, parameter in model.named_parameters() if not parameter.requires_grad}
    assert all("norm" in path for path in resting), resting  # the classifier's last norm, which no map passes


@pytest.mark.parametrize("name", sorted(SMALL))
def test_samples_do_not_meet(name: str) -> None:
    model = build(name).eval()
    x = torch.randn(2, 3, 70, 45)
    y = x.clone()
    y[1] = 0.0
    with torch.no_grad():
        for one, other in zip(model(x), model(y), strict=True):
            assert torch.equal(one[0], other[0]) and not torch.equal(one[1], other[1])


@pytest.mark.parametrize("name", ["timm/convnext_atto", "timm/pvt_v2_b0", "timm/resnet18"])
def test_maps_of_many_scales_are_the_classifiers(name: str) -> None:
    classifier: Any = vitrail.create_model(name, 5, (64, 96), **SMALL[name]).eval()
    model = build(name, (64, 96)).eval()
    left_out = take(model, classifier.state_dict()).left_out
    assert left_out and all(path.startswith(classifier.head) for path in left_out)
    x = torch.randn(1, 3, 64, 96)
    theirs = {m.shape[-1]: m for m in classifier.features(x)}
    for stride, ours in zip(model.strides, model(x), strict=True):
        torch.testing.assert_close(ours, theirs[96 // stride])


@pytest.mark.parametrize(
    "name", ["timm/tnt_s_legacy_patch16_224", "timm/tnt_s_patch16_224", "timm/vit_small_patch16_224"]
)
def test_the_one_map_is_the_classifiers_last_through_its_norm(name: str) -> None:
    classifier: Any = vitrail.create_model(name, 5, (64, 96), **SMALL[name]).eval()
    stir(classifier)
    model = build(name, (64, 96)).eval()
    taken = take(model, classifier.state_dict())
    assert taken.missing and all(path.startswith("pyramid.") for path in taken.missing)
    x = torch.randn(2, 3, 64, 96)
    normed = classifier.model.norm(classifier.features(x)[-1].movedim(1, -1)).movedim(-1, 1)
    torch.testing.assert_close(model.maps(x)[0], normed)
    assert torch.equal(model(x)[2], model.maps(x)[0])


def test_crossvits_map_is_both_branches_on_one_grid() -> None:
    name = "timm/crossvit_tiny_240"
    model = build(name, 240).eval()
    stir(model)
    x = torch.randn(1, 3, 240, 240)
    small, large = model.model.forward_intermediates(x, indices=[1, 3], norm=True, intermediates_only=True)
    assert small.shape[-1] == 20 and large.shape[-1] == 14
    both = [F.interpolate(m, size=(15, 15), mode="bilinear", align_corners=False) for m in (small, large)]
    torch.testing.assert_close(model.maps(x)[0], torch.cat(both, 1))


def test_efficientformer_at_its_own_size_is_timms() -> None:
    model = build("timm/efficientformer_l1").eval()
    stir(model)
    x = torch.randn(1, 3, 224, 224)
    theirs = model.model.forward_intermediates(x, intermediates_only=True)
    for ours, one in zip(model(x), theirs, strict=True):
        torch.testing.assert_close(ours, one, rtol=1e-4, atol=1e-5)


def test_efficientformers_attention_on_another_grid() -> None:
    """Against the sum written out, with a bias that is linear in the offset and so known on every grid."""
    attention: Any = next(m for m in build("timm/efficientformer_l1").model.modules() if hasattr(m, "attention_biases"))
    stir(attention)
    heads, (rows, columns) = attention.num_heads, (3, 5)
    offsets = torch.arange(7.0) / 6
    table = 3 * offsets[:, None] - 2 * offsets
    attention.attention_biases.data.copy_(table.flatten().expand(heads, -1))
    x = torch.randn(2, rows, columns, 16)
    qkv = attention.qkv(x.flatten(1, 2)).view(2, rows * columns, heads, -1)
    q, k, v = qkv.split([attention.key_dim, attention.key_dim, attention.val_dim], -1)
    places = [(r, c) for r in range(rows) for c in range(columns)]
    bias = torch.tensor([[3 * abs(r - s) / 2 - 2 * abs(c - d) / 4 for s, d in places] for r, c in places])
    scores = torch.einsum("bnhd,bmhd->bhnm", q, k) * attention.scale + bias
    y = attention.proj(torch.einsum("bhnm,bmhd->bnhd", scores.softmax(-1), v).flatten(2))
    torch.testing.assert_close(_attend(attention, x), y.view(2, rows, columns, -1), rtol=1e-3, atol=0.02)


def test_torchvisions_maps_are_its_own() -> None:
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.resnet import resnet18
    from torchvision.models.swin_transformer import swin_t

    x, layers = torch.randn(1, 3, 97, 133), {f"layer{n}": str(n) for n in (1, 2, 3, 4)}
    model, theirs = build("torchvision/resnet18").eval(), resnet18(num_classes=3).eval()
    assert set(take(model, theirs.state_dict()).left_out) == {"model.fc.weight", "model.fc.bias"}
    for ours, other in zip(model(x), IntermediateLayerGetter(theirs, layers)(x).values(), strict=True):
        torch.testing.assert_close(ours, other)
    swin = build("torchvision/swin_t").eval()
    peer: Any = swin_t(num_classes=2).eval()
    take(swin, peer.state_dict())
    x = torch.randn(1, 3, 64, 96)
    maps, y = [], x
    for number, stage in enumerate(peer.features):
        y = stage(y)
        maps += [y] if number % 2 else []
    maps[-1] = peer.norm(maps[-1])
    for ours, other in zip(swin(x), maps, strict=True):
        torch.testing.assert_close(ours, other.movedim(-1, 1))


def test_torchvisions_vit_at_its_own_size_and_at_others() -> None:
    model = build("torchvision/vit_b_16", image_size=48).eval()
    classifier: Any = vitrail.create_model("torchvision/vit_b_16", 2, (48, 48), image_size=48).eval()
    peer = classifier.model
    stir(peer)
    take(model, peer.state_dict())
    x = torch.randn(1, 3, 48, 48)
    tokens = peer._process_input(x)
    tokens = peer.encoder(torch.cat([peer.class_token, tokens], 1))[:, 1:]
    torch.testing.assert_close(model.maps(x)[0].flatten(2).transpose(1, 2), tokens)
    assert model(torch.randn(1, 3, 97, 133))[3].shape[-2:] == (4, 5)


def test_what_is_padded_is_zero_and_cut_off_again() -> None:
    model = build("timm/convnext_atto").eval()
    x = torch.randn(1, 3, 97, 133)
    whole = model(F.pad(x, (0, 27, 0, 31)))
    assert model.multiple == (32, 32) and build("timm/resnet18").multiple == (1, 1)
    for ours, other in zip(model(x), whole, strict=True):
        torch.testing.assert_close(ours, other[..., : ours.shape[-2], : ours.shape[-1]])


def test_a_network_for_one_size_takes_smaller_pictures_and_refuses_larger() -> None:
    with torch.device("meta"):
        model = vitrail.create_model("dense_timm/coatnet_0_rw_224")
    assert isinstance(model, OtherBackbone) and model.fixed and model.multiple == (224, 224)
    maps = model(torch.zeros(1, 3, 97, 133, device="meta"))
    assert [tuple(m.shape[2:]) for m in maps] == [(25, 34), (13, 17), (7, 9), (4, 5)]
    with pytest.raises(InputError, match=r"up to the size it was built for, 224x224; 225x97 came. Build it with size="):
        model(torch.zeros(1, 3, 225, 97, device="meta"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm/resnet55", "timm has no model 'resnet55'. Nearest: .*resnet50"),
        ("torchvision/resnet55", "torchvision has no model"),
        ("timm/volo_d1_224", "cannot be read|224"),
        ("torchvision/squeezenet1_0", r"no maps at strides 4, 8, 16, 32 \(it has"),
    ],
)
def test_what_cannot_be_had_is_one_line(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught, torch.device("meta"):
        vitrail.create_model(f"dense_{name}")(torch.zeros(1, 3, 256, 256))
    assert "\n" not in str(caught.value)


def test_parts_freeze_from_the_front() -> None:
    for name, first in (("timm/resnet18", {"conv1", "bn1"}), ("torchvision/resnet18", {"conv1", "bn1"})):
        model = build(name)
        assert len(model.parts()) == 5
        freeze(model, 2)
        still = {path for path, p in model.named_parameters() if not p.requires_grad}
        assert {path.split(".")[1] for path in still} == first | {"layer1"}
        model.train()
        assert not model.model.bn1.training and not model.model.layer1.training and model.model.layer2.training
    vit = build("timm/vit_small_patch16_224")
    freeze(vit, 1)
    still = {path for path, p in vit.named_parameters() if not p.requires_grad}
    assert {path.split(".")[1] for path in still} == {"cls_token", "pos_embed", "patch_embed"}
    every = [p for part in build("timm/swin_tiny_patch4_window7_224").parts() for m in part for p in m.parameters()]
    assert len(every) == len({id(p) for p in every})


def test_layers_are_those_that_timm_groups() -> None:
    model = build("timm/vit_small_patch16_224")
    layers = [
        model.layer_of(f"model.{name}") for name in ("cls_token", "blocks.0.norm1.weight", "blocks.1.mlp.fc1.bias")
    ]
    assert layers == [0, 1, 2]
    top = model.layer_of("pyramid.up.weight")
    assert top > model.layer_of("model.norm.weight") >= 2
    scales = {group["scale"] for group in groups(model, 0.05, layer_decay=0.5)}
    assert {1.0, 0.5**top} <= scales
    with pytest.raises(InputError, match="does not know its layers"):
        build("torchvision/resnet18").layer_of("model.conv1.weight")


def test_weights_round_trip_in_our_file(tmp_path: Path) -> None:
    for name in ("timm/crossvit_tiny_240", "torchvision/resnet18"):
        model = build(name).eval()
        stir(model)
        weights.save(tmp_path / "m.safetensors", model)
        again, document = weights.open_model(tmp_path / "m.safetensors")
        assert document["name"] == f"dense_{name}"
        x = torch.randn(1, 3, 50, 70)
        assert all(torch.equal(one, other) for one, other in zip(model(x), again(x), strict=True))


def test_published_layouts_load_and_others_do_not() -> None:
    """timm's names, the names of Swin's release as timm reads them, and what is refused leaves all as it was."""
    name = "timm/swin_tiny_patch4_window7_224"
    classifier: Any = vitrail.create_model(name, 5, **SMALL[name])
    stir(classifier)
    theirs = classifier.model.state_dict()
    release = {}
    for path, tensor in theirs.items():
        for number in (1, 2, 3):
            path = path.replace(f"layers.{number}.downsample", f"layers.{number - 1}.downsample")
        release[path.replace("head.fc.", "head.")] = tensor
    for state in (theirs, release):
        model = build(name)
        assert take(model, state).left_out
        own = model.state_dict()
        assert all(torch.equal(own[f"model.{path}"], tensor) for path, tensor in theirs.items() if "head" not in path)
    other: Any = vitrail.create_model(name, 7, **SMALL[name])
    with pytest.raises(InputError, match=r"the file has \(5,"):
        take(other, theirs)
    assert len(take(other, theirs, new_classes=True).left_out) == 2
    model = build(name)
    before = copy.deepcopy(model.state_dict())
    wrong: list[tuple[dict[str, Tensor], str]] = [
        ({k: v for k, v in theirs.items() if "layers.2" not in k}, "missing"),
        ({**theirs, "extra.weight": torch.zeros(1)}, "1 left over"),
        ({**theirs, "norm.weight": torch.zeros(3)}, r"the file has \(3,\)"),
        (build("timm/resnet18").model.state_dict(), "missing"),
    ]
    for state, said in wrong:
        with pytest.raises(InputError, match=said) as caught:
            take(model, state)
        assert "\n" not in str(caught.value)
    assert all(torch.equal(before[path], tensor) for path, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", ["timm/resnet18", "timm/tnt_s_patch16_224", "torchvision/resnet18"])
def test_they_compile_in_one_graph(name: str) -> None:
    model = build(name).eval()
    x = torch.randn(1, 3, 70, 45)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        for one, other in zip(compiled(x), model(x), strict=True):
            torch.testing.assert_close(one, other)


def test_their_cost_is_described() -> None:
    document = vitrail.describe("dense_timm/vit_small_patch16_224", size=224)
    assert document["channels"] == [96, 192, 384, 384] and document["num_classes"] == 0
    assert document["parameters"] == 21_665_664 + sum(p.numel() for p in SmallPyramid(384).parameters())
