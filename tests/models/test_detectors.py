from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

import vitrail
from vitrail.data import rle
from vitrail.data.detections import Instances
from vitrail.errors import InputError
from vitrail.models.catalogue import FAMILIES, KINDS, list_models
from vitrail.models.detectors import Detector
from vitrail.train.optimizer import freeze
from vitrail.weights import open_model, save

TINY = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2)}
REGIONS = {
    "width": 32, "regions": 32, "train_before": 60, "train_proposals": 60, "test_before": 60, "test_proposals": 60,
}  # fmt: skip
DETECTORS = {
    "retinanet_iwin_nano": TINY,
    "retinanet_scalablevit_nano": TINY,
    "faster_rcnn_scalablevit_nano": TINY | REGIONS,
    "mask_rcnn_iwin_nano": TINY | REGIONS,
    "cascade_rcnn_swin_nano": TINY | REGIONS,
    "cascade_mask_rcnn_iwin_nano": TINY | REGIONS,
}
SIZE = (64, 64)
COLOURS = torch.tensor([[1.0, 0.2, -0.5], [-0.3, 1.0, 0.6]])


def built(name: str, **more) -> Detector:
    torch.manual_seed(0)
    return vitrail.create_model(name, 2, SIZE, **{**DETECTORS[name], "channels": 16, **more})  # type: ignore[return-value]


def picture(boxes: list[list[int]], classes: list[int], size: tuple[int, int] = SIZE) -> tuple[Tensor, Instances]:
    """Rectangles of their class's colour on a plain ground."""
    image, masks = torch.full((1, 3, *size), -1.0), torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (x1, y1, x2, y2), colour in zip(masks, boxes, classes, strict=True):
        mask[y1:y2, x1:x2] = True
        image[0, :, y1:y2, x1:x2] = COLOURS[colour][:, None, None]
    found = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return image, Instances(found, torch.tensor(classes, dtype=torch.long), size, masks)


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(losses.values())).sum()


@pytest.mark.parametrize("name", sorted(set(DETECTORS) - {"retinanet_scalablevit_nano"}))
def test_learns_one_picture(name):
    """In a cascade the loss of boxes begins near 0, with nothing but the truth among its regions: classes fall."""
    image, target = picture([[8, 10, 40, 34], [36, 38, 60, 60]], [1, 0])
    torch.manual_seed(0)
    model = built(name).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    seen = []
    for _ in range(150):
        losses = model.loss(image, [SIZE], [target])
        loss = total(losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(sum(value.item() for key, value in losses.items() if "cascade" not in name or "boxes" not in key))
    assert sum(seen[-10:]) / 10 < seen[0] / 5
    (found,) = model.eval().predict(image, [SIZE])
    for box, label, mask in zip(target.boxes, target.classes, target.masks, strict=True):
        index = int((found.classes == label).nonzero()[0, 0])
        x1, y1 = torch.maximum(found.boxes[index, :2], box[:2]).tolist()
        x2, y2 = torch.minimum(found.boxes[index, 2:], box[2:]).tolist()
        both, sides = (x2 - x1) * (y2 - y1), found.boxes[index, 2:] - found.boxes[index, :2]
        assert both / (sides.prod() + (box[2:] - box[:2]).prod() - both) > 0.7
        if found.masks is not None:
            shape = rle.decode((found.masks[index],), SIZE)[0]
            assert (shape & mask).sum() / (shape | mask).sum() > 0.7


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_gradients_with_boxes_and_without(name):
    """The second picture has no box; then neither has. Without a border, or no anchor of a larger map would learn."""
    model = built(name, **({"border": None} if "rcnn" in name else {})).train()
    for parameter in model.parameters():
        parameter.data += torch.randn_like(parameter) * 0.05
    image, target = picture([[0, 0, 40, 34], [36, 38, 64, 64]], [1, 0])
    empty, nothing = picture([], [])
    images, sizes = torch.cat([image, empty]), [SIZE, (50, 61)]
    nothing = Instances(nothing.boxes, nothing.classes, (50, 61), torch.zeros(0, 50, 61, dtype=torch.bool))
    losses = model.loss(images, sizes, [target, nothing])
    assert all(value.ndim == 0 and value.isfinite() for value in losses.values())
    total(losses).backward()
    for path, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), path
            assert parameter.grad.abs().max() > 0, path
    still = [path for path, parameter in model.named_parameters() if not parameter.requires_grad]
    unread = ["backbone.norms.0.weight", "backbone.norms.0.bias"]
    assert still == (unread if name == "retinanet_iwin_nano" else [])
    model.zero_grad()
    losses = model.loss(torch.cat([empty, empty]), sizes, [picture([], [])[1], nothing])
    total(losses).backward()
    for path, parameter in model.named_parameters():
        assert not parameter.requires_grad or (parameter.grad is not None and parameter.grad.isfinite().all()), path


@pytest.mark.parametrize("name", ["retinanet_iwin_nano", "mask_rcnn_iwin_nano", "cascade_rcnn_swin_nano"])
@torch.no_grad()
def test_the_dense_part_compiles_to_the_same(name):
    model = built(name).eval()
    images = torch.randn(2, 3, 61, 75)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    plain, other = torch.utils._pytree.tree_leaves(model(images)), torch.utils._pytree.tree_leaves(compiled(images))
    assert len(plain) == len(other) >= 10
    for one, two in zip(plain, other, strict=True):
        torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["retinanet_iwin_nano", "mask_rcnn_iwin_nano"])
@torch.no_grad()
def test_answers_are_in_the_original_picture(name):
    """A size that 32 does not divide, padded by the batch; the original is 3 by 2 times as large."""
    model = built(name, score=0.0, keep=20).eval()
    images = torch.randn(2, 3, 70, 75)
    sizes, originals = [(50, 75), (70, 41)], [(100, 225), (140, 123)]
    plain, found = model.predict(images, sizes), model.predict(images, sizes, originals)
    for here, there, size, frame in zip(plain, found, sizes, originals, strict=True):
        assert here.size == size and there.size == frame and 0 < len(there) <= 20
        limit = torch.tensor([frame[1], frame[0]] * 2)
        assert (there.boxes >= 0).all() and (there.boxes <= limit).all()
        torch.testing.assert_close(there.boxes, here.boxes * torch.tensor([3.0, 2, 3, 2]))
        assert torch.equal(here.classes, there.classes)
        if "mask" in name:
            assert all(mask.size == frame for mask in there.masks)


def test_three_hundred_instances():
    torch.manual_seed(0)
    boxes = [[x, y, x + 3, y + 3] for y in range(0, 60, 4) for x in range(0, 60, 3)]
    image, target = picture(boxes, [n % 2 for n in range(len(boxes))])
    packed = dataclasses.replace(target, masks=rle.encode(target.masks))
    model = built("mask_rcnn_iwin_nano", regions=512, share=1.0, keep=300, score=0.0, overlap=0.99, test_proposals=400,
                  test_before=400, proposal_overlap=0.99)  # fmt: skip
    losses = model.train().loss(image, [SIZE], [packed])
    assert len(boxes) == 300 and all(value.isfinite() for value in losses.values())
    (found,) = model.eval().predict(image, [SIZE])
    assert len(found) == len(found.masks) == 300


def test_crowds_change_nothing():
    """A region that nobody counts leaves every loss as it was."""
    image, target = picture([[8, 10, 40, 34], [36, 38, 60, 60]], [1, 0])
    marked = dataclasses.replace(target, crowd=torch.tensor([False, True]))
    model = built("retinanet_iwin_nano")
    alone, with_crowd, both = (
        model.loss(image, [SIZE], [t])["boxes"] for t in (target[torch.tensor([0])], marked, target)
    )
    assert torch.equal(alone, with_crowd) and not torch.equal(alone, both)


def test_what_a_batch_adds_in_padding_is_never_an_anchor_to_learn_from():
    """Numbers are exactly those of the picture alone: nothing in an Iwin's windows or a norm crosses pictures."""
    image, target = picture([[8, 10, 40, 34]], [1])
    model = built("retinanet_iwin_nano", padding="masked").eval()
    alone = model.loss(image, [SIZE], [target])
    taller = torch.cat([image, torch.zeros(1, 3, 64, 64)], 2)
    maps = model(image)
    larger = model(taller)
    head = model.head
    assert larger.scores[0].shape[2] == 2 * maps.scores[0].shape[2]
    for level, (score, delta) in enumerate(zip(*maps, strict=True)):  # the same numbers in the part that is the picture
        rows = score.shape[2]
        larger.scores[level].data[:, :, :rows], larger.deltas[level].data[:, :, :rows] = score.data, delta.data
    both = head.loss(larger, [SIZE], [target])
    torch.testing.assert_close(both["boxes"], alone["boxes"])
    torch.testing.assert_close(both["classes"], alone["classes"])


@pytest.mark.parametrize("name", ["mask_rcnn_iwin_nano", "retinanet_scalablevit_nano"])
def test_save_and_open(name, tmp_path):
    model = built(name, drop_path=0.1).eval()
    save(tmp_path / "m.safetensors", model, classes=["a", "b"])
    again, _ = open_model(tmp_path / "m.safetensors")
    assert (again.name, again.spec, again.size, again.num_classes) == (model.name, model.spec, model.size, 2)
    x = torch.randn(1, 3, 64, 64)
    ours, theirs = (torch.utils._pytree.tree_leaves(m(x)) for m in (model, again))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_options_go_to_the_head_or_to_the_backbone():
    with torch.device("meta"):
        model = vitrail.create_model("cascade_mask_rcnn_iwin_tiny", 3, position="relative", drop_path=0.2, keep=300)
        assert model.spec.keep == 300 and model.spec.backbone == {"position": "relative", "drop_path": 0.2}
        assert model.backbone.spec.position == "relative"
        assert any("bias.table" in path for path in model.no_weight_decay())
        assert (
            vitrail.create_model("retinanet_swin_nano", backbone={"padding": "masked"}).backbone.spec.padding
            == "masked"
        )
        wide = vitrail.create_model("mask_rcnn_swin_nano", global_attention=True)
    block = wide.backbone.blocks()[-1]
    assert block.links((3, 4)).dense().all()
    assert len(wide.blocks()) == sum(wide.backbone.spec.depths) + 1


def test_no_field_of_a_head_is_one_of_a_backbone():
    backbones = {f.name for family in FAMILIES for f in dataclasses.fields(next(iter(family.VARIANTS.values())))}
    for kind in KINDS.values():
        assert not backbones & {field.name for field in dataclasses.fields(kind.spec)}


def test_names():
    assert "mask_rcnn_iwin_tiny" in list_models("mask_rcnn_*") and "upernet_swin_base" in list_models()
    assert list_models("cascade_rcnn_iwin_nano") == ["cascade_rcnn_iwin_nano"]
    row = vitrail.describe("retinanet_scalablevit_small", size=(96, 64))
    assert row["num_classes"] == 80 and len(row["stages"]) == 4
    assert vitrail.describe("upernet_iwin_nano")["num_classes"] == 150


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mask_rcnn_iwin_tinny", {}, "Nearest: mask_rcnn_iwin_tiny"),
        ("mask_rcnn_iwin_tiny", {"num_classes": 0}, "dense_iwin_tiny is the backbone alone"),
        ("mask_rcnn_iwin_tiny", {"kep": 3}, "No field 'kep'. Nearest: keep"),
        ("mask_rcnn_iwin_tiny", {"overlaps": (0.1, 0.2, 0.3, 0.4)}, "one to 3 stages"),
        ("retinanet_iwin_tiny", {"score": 2.0}, "score=2.0"),
        ("retinanet_iwin_tiny", {"backbone": 5}, "backbone=5: fields"),
        ("retinanet_timm/resnet_18", {}, "timm has no model 'resnet_18'"),
    ],
)
def test_wrong_names_and_values_get_one_line(name, options, message):
    with torch.device("meta"), pytest.raises(InputError, match=message) as caught:
        vitrail.create_model(name, **options)
    assert "\n" not in str(caught.value)


def test_other_libraries_backbones():
    pytest.importorskip("timm")
    model = vitrail.create_model("retinanet_timm/resnet18", 3, channels=16, tower=1)
    image, target = picture([[8, 10, 40, 34]], [1])
    total(model.loss(image, [SIZE], [target])).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    model.eval().predict(image, [SIZE])
    with torch.device("meta"), pytest.raises(InputError, match="global_attention needs one of vitrail's"):
        vitrail.create_model("retinanet_timm/resnet18", global_attention=True)


def test_frozen_parts_and_layers():
    model = built("faster_rcnn_scalablevit_nano")
    freeze(model, 2)
    model.train()
    still = {path.split(".stages.")[-1][0] for path, p in model.named_parameters() if not p.requires_grad}
    assert still == {"0", "b"}  # the first stage, and the stem, "backbone..."
    assert not model.backbone.trunk.stages[0].training and model.backbone.trunk.stages[1].training
    assert model.layer_of("backbone.trunk.stem.proj.weight") == 0
    assert model.layer_of("rpn.conv.weight") == model.layer_of("backbone.norms.3.weight") == 5
