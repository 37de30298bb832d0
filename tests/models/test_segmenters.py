from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

import vitrail
from vitrail.models.segmenters import Segmenter, pixel_loss
from vitrail.weights import open_model, save

TINY = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "channels": 16}
SEGMENTERS = {
    "upernet_iwin_nano": {**TINY, "auxiliary_channels": 8},
    "semantic_fpn_scalablevit_nano": {**TINY, "pyramid": 16},
    "upernet_swin_nano": {**TINY, "auxiliary": 0.0},
}


def built(name: str, **more) -> Segmenter:
    torch.manual_seed(0)
    return vitrail.create_model(name, 3, (64, 64), **{**SEGMENTERS[name], **more})  # type: ignore[return-value]


def picture() -> tuple[torch.Tensor, torch.Tensor]:
    """Two rectangles on a ground; a stripe has no label."""
    labels = torch.zeros(2, 64, 64, dtype=torch.long)
    labels[:, 8:40, 8:32], labels[0, 36:60, 40:60] = 1, 2
    colours = torch.tensor([[-1.0, 0.0, 0.5], [1.0, 0.2, -0.5], [-0.3, 1.0, 0.6]])
    images = colours[labels].movedim(-1, 1).contiguous()
    labels[:, :, :3] = 255
    return images, labels


@pytest.mark.parametrize("name", sorted(SEGMENTERS))
def test_learns_two_pictures(name):
    images, labels = picture()
    model = built(name, dropout=0.0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    seen = []
    for _ in range(80):
        losses = model.loss(images, labels)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        seen.append(losses["pixels"].item())  # the auxiliary one reads 4 x 4 positions, which cannot say it all
    assert seen[-1] < seen[0] / 5
    right = model.eval().predict(images).argmax(1) == labels
    assert right[labels != 255].float().mean() > 0.9


@pytest.mark.parametrize("name", sorted(SEGMENTERS))
def test_gradients_and_names_of_the_losses(name):
    images, labels = picture()
    model = built(name, dropout=0.0).train()
    losses = model.loss(images, labels)
    assert sorted(losses) == (["auxiliary", "pixels"] if name == "upernet_iwin_nano" else ["pixels"])
    torch.stack(list(losses.values())).sum().backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, path


def test_the_auxiliary_loss_weighs_four_tenths():
    images, labels = picture()
    model = built("upernet_iwin_nano").eval()
    maps = model.backbone(images)
    expected = pixel_loss(model.auxiliary(maps[2]), labels)
    torch.testing.assert_close(model.loss(images, labels)["auxiliary"], 0.4 * expected)


def test_ignored_pixels_count_for_nothing():
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    labels = torch.randint(0, 3, (2, 8, 10))
    labels[0, :5], labels[1, :, 7:] = 255, 255
    whole = F.interpolate(logits, size=(8, 10), mode="bilinear", align_corners=False).log_softmax(1)
    expected = [-whole[b, labels[b, y, x], y, x] for b in range(2) for y in range(8) for x in range(10)
                if labels[b, y, x] != 255]  # fmt: skip
    torch.testing.assert_close(pixel_loss(logits, labels), torch.stack(expected).mean())
    nothing = pixel_loss(logits, torch.full_like(labels, 9), ignored=9)
    assert nothing.item() == 0
    nothing.backward()
    assert math.isfinite(logits.grad.sum())


@pytest.mark.parametrize("name", sorted(SEGMENTERS))
@torch.no_grad()
def test_any_size_comes_back_at_its_size_and_compiles_to_the_same(name):
    model = built(name).eval()
    for size in ((61, 75), (33, 40)):
        assert model.predict(torch.randn(1, 3, *size)).shape == (1, 3, *size)
    images = torch.randn(2, 3, 61, 75)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(images), model(images), rtol=1e-4, atol=1e-4)


def test_save_and_open(tmp_path):
    model = built("semantic_fpn_scalablevit_nano").eval()
    save(tmp_path / "m.safetensors", model)
    again, _ = open_model(tmp_path / "m.safetensors")
    x = torch.randn(1, 3, 64, 64)
    assert again.spec == model.spec and torch.equal(again(x), model(x))


def test_norms_become_shared_ones():
    model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(built("upernet_iwin_nano"))
    kinds = [type(m) for m in model.modules() if "BatchNorm" in type(m).__name__]
    assert len(kinds) == 4 + 1 + 3 + 3 + 1 + 1 and set(kinds) == {torch.nn.SyncBatchNorm}
