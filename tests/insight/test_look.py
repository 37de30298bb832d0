"""Heat maps, features, fields and windows against what they must be by hand; and models that stay as they were."""

from __future__ import annotations

import io
import itertools
import json
import re
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

import tiny
import vitrail
from vitrail import weights
from vitrail.errors import InputError
from vitrail.geometry.windows import membership
from vitrail.insight import look_sheets, opening
from vitrail.insight.cam import cam, class_map
from vitrail.insight.features import components, features, stage_of
from vitrail.insight.field import field, fields, numbers
from vitrail.insight.look import KINDS, look
from vitrail.insight.look_inside import block_numbers
from vitrail.insight.rollout import rollout
from vitrail.insight.watching import noting, still
from vitrail.insight.window_groups import window_groups
from vitrail.mixers import WindowAttention

SMALL = {"depths": (1, 2), "heads": (1, 2), "dim": 8, "window": 3, "mlp_ratio": 2.0}
MORE = {
    "iwin_nano": {"kernels": (3, 3)},
    "scalablevit_nano": {"ratios": (1.5, 1.0), "reductions": (2, 1)},
    "swin_nano": {},
}


def small(name: str, **overrides: object) -> vitrail.models.assemble.Network:
    """A network of two stages with weights at which differences show."""
    torch.manual_seed(0)
    model = vitrail.create_model(name, 5, (24, 28), **{**SMALL, **MORE[name], **overrides}).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


class Tiny(nn.Module):
    """A convolution, the mean over positions, a linear map."""

    num_classes = 2

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).mean((2, 3)))


def pictures(batch: int = 2, size: tuple[int, int] = (24, 28)) -> Tensor:
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(3))


# heat maps of a class


@pytest.mark.parametrize("name", sorted(MORE))
@pytest.mark.parametrize("size", [(24, 28), (19, 30)])
def test_cam_of_a_linear_head_is_the_class_activation_map(name: str, size: tuple[int, int]) -> None:
    model, x = small(name), pictures(size=size)
    with torch.no_grad():
        last = model.norm(model.trunk(x)[-1])
        by_hand = (last @ model.head.weight[[1, 4]].T).permute(0, 3, 1, 2)
    expected = torch.stack([by_hand[0, 0], by_hand[1, 1]]).relu()
    assert expected.any()
    expected = expected / expected.amax((1, 2), keepdim=True).clamp_min(1e-30)
    torch.testing.assert_close(class_map(model, x, [1, 4]), expected, rtol=1e-4, atol=1e-5)
    heat = cam(model, x, torch.tensor([1, 4]))
    assert heat.shape == (2, *size)
    assert heat.min() >= 0 and heat.max() <= 1
    best = model(x).argmax(1)
    assert torch.equal(cam(model, x), cam(model, x, best))
    assert not torch.equal(cam(model, x), cam(model, x, (best + 1) % 5))


def test_cam_by_hand_and_with_its_channels_in_another_order() -> None:
    torch.manual_seed(0)
    model, x = Tiny(), pictures()
    with torch.no_grad():
        maps = model.conv(x)
        expected = torch.einsum("bchw,c->bhw", maps, model.head.weight[1]).relu()
        other, order = Tiny(), torch.tensor([2, 0, 3, 1])
        other.conv.weight.copy_(model.conv.weight[order])
        other.conv.bias.copy_(model.conv.bias[order])
        other.head.weight.copy_(model.head.weight[:, order])
        other.head.bias.copy_(model.head.bias)
    found = cam(model, x, [1, 1])
    torch.testing.assert_close(found, expected / expected.amax((1, 2), keepdim=True), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(cam(other, x, [1, 1]), found)


def test_cam_is_cold_where_nothing_speaks_for_the_class() -> None:
    model = Tiny()
    with torch.no_grad():
        model.conv.weight.zero_()
        model.conv.bias.fill_(1)
        model.head.weight.fill_(-1)
    assert cam(model, pictures()).count_nonzero() == 0


def test_cam_of_other_libraries() -> None:
    pytest.importorskip("timm")
    for name in ("timm/resnet10t", "timm/test_vit", "torchvision/shufflenet_v2_x0_5"):
        torch.manual_seed(0)
        model = vitrail.create_model(name, 3, (64, 96))
        heat = cam(model, pictures(size=(64, 96)), [0, 2])
        assert heat.shape == (2, 64, 96) and heat.max() <= 1
    torch.manual_seed(0)
    swin = vitrail.create_model("timm/swin_tiny_patch4_window7_224", 3, (64, 96), embed_dim=12, depths=(1, 1, 1, 1))
    with noting([swin.model.norm]) as noted:
        swin.eval()(pictures(1, (64, 96)))
    expected = (noted[swin.model.norm] @ swin.model.head.fc.weight[1]).relu()  # channels last
    torch.testing.assert_close(
        class_map(swin, pictures(1, (64, 96)), [1]), expected / expected.max(), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "classes", "message"),
    [
        ("iwin_nano", [1], "wanted one class"),
        ("iwin_nano", [1, 5], "of 0 to 4"),
        ("dense_iwin_nano", None, "no classes"),
    ],
)
def test_cam_refuses(name: str, classes: list[int] | None, message: str) -> None:
    model = small(name) if name in MORE else vitrail.create_model(name, size=(24, 28))
    with pytest.raises(InputError, match=message):
        cam(model, pictures(), classes)


# maps of blocks


@pytest.mark.parametrize("name", sorted(MORE))
def test_features_are_what_a_hook_gives(name: str) -> None:
    model, x, seen = small(name), pictures(), []
    handle = model.trunk.stages[1].blocks[0].register_forward_hook(lambda module, given, found: seen.append(found))
    with torch.no_grad():
        maps = model.features(x)
    handle.remove()
    found = features(model, x, [3, 2, 1])
    assert torch.equal(found[1], seen[0].movedim(-1, 1))
    assert torch.equal(found[0], maps[1]) and torch.equal(found[2], maps[0])
    assert [stage_of(model, number) for number in (1, 2, 3)] == [1, 2, 2]
    assert block_numbers(model, None) == [1, 3] and block_numbers(model, ("2", "last")) == [2, 3]
    with pytest.raises(InputError, match="blocks 1 to 3, and no block 4"):
        features(model, x, [4])
    with pytest.raises(InputError, match="does not know its blocks"):
        features(Tiny(), x, [1])


@pytest.mark.parametrize("channels", [2, 5, 40])
def test_components_against_the_singular_values(channels: int) -> None:
    maps = torch.randn(2, channels, 3, 4) * torch.linspace(3, 1, channels).view(-1, 1, 1)
    found, shares = components(maps)
    rows = maps.movedim(1, -1).reshape(-1, channels).double()
    left, values, _ = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    expected = (left * values)[:, :3]
    count = min(channels, 3)
    rows = found.movedim(1, -1).reshape(-1, 3).double()
    torch.testing.assert_close(rows[:, :count].abs(), expected.abs(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(shares[:count], values[:count] ** 2 / (values**2).sum())
    assert rows[:, count:].count_nonzero() == 0 and shares.sum() <= 1 + 1e-9
    assert components(torch.ones(1, 4, 2, 2))[1].tolist() == [0, 0, 0]


# receptive fields


def reach(model: nn.Module, size: tuple[int, int], stage: int) -> Tensor:
    """Pixels that the middle of a stage's map can read, from the blocks' links and the steps' own reach."""
    grids = [(-(-size[0] // s), -(-size[1] // s)) for s in model.strides]
    wanted = torch.zeros(grids[stage - 1], dtype=torch.bool)
    wanted[grids[stage - 1][0] // 2, grids[stage - 1][1] // 2] = True
    for number in reversed(range(stage)):
        body = model.trunk.stages[number]
        for block in reversed(body.blocks):
            wanted = block.links(grids[number]).dense()[wanted.flatten()].any(0).view(grids[number])
        if number:
            below = torch.zeros(grids[number - 1], dtype=torch.bool)
            for row, column in wanted.nonzero().tolist():
                below[2 * row : 2 * row + 3, 2 * column : 2 * column + 3] = True
            wanted = below
    return wanted.repeat_interleave(4, 0).repeat_interleave(4, 1)[: size[0], : size[1]]


def test_fields_stay_within_the_reach_of_the_links() -> None:
    model = small("iwin_nano")
    size = (54, 75)
    for stage, (found, at) in zip((1, 2), fields(model, size, (1, 2), samples=3), strict=True):
        possible = reach(model, size, stage)
        assert at == ((7, 9), (3, 5))[stage - 1]
        assert found.shape == size
        assert found.sum() == pytest.approx(1)
        assert torch.equal(found > 0, possible)
    one = reach(model, size, 1)
    assert 0 < one.sum() < one.numel()
    elsewhere = field(model, size, 1, samples=1, at=(0, 0)) > 0
    assert elsewhere[0, 0] and not torch.equal(elsewhere, one)


def test_fields_average_over_pictures_and_repeat() -> None:
    model, x = small("swin_nano"), pictures(3)
    assert torch.equal(field(model, (24, 28), 2, samples=2), field(model, (24, 28), 2, samples=2))
    assert not torch.equal(field(model, (24, 28), 2, samples=2), field(model, (24, 28), 2, samples=2, seed=1))
    assert field(model, (24, 28), 2, x).shape == (24, 28)
    with pytest.raises(InputError, match="stages 1 to 2, and no stage 3"):
        field(model, (24, 28), 3, x)
    with pytest.raises(InputError, match="without 9, 0"):
        field(model, (24, 28), 1, x, at=(9, 0))
    with pytest.raises(InputError, match="gives no maps"):
        field(Tiny(), (24, 28), 1)


def test_numbers_of_a_field() -> None:
    square = torch.zeros(8, 10)
    square[2:6, 3:7] = 1
    found = numbers(square, (4, 5))
    assert found["reached"] == pytest.approx(16 / 80)
    half, most, _ = found["holds"]
    assert (half["area"], half["side"]) == (pytest.approx(8 / 80), pytest.approx(8**0.5))
    assert most["area"] == pytest.approx(15 / 80)  # 14.4 pixels
    assert half["radius"] == pytest.approx(2.5**0.5)
    assert most["radius"] == pytest.approx(4.5**0.5)
    alone = torch.zeros(3, 3)
    alone[1, 1] = 1
    assert [row["radius"] for row in numbers(alone, (1.5, 1.5))["holds"]] == [0, 0, 0]


# windows


@pytest.mark.parametrize("name", sorted(MORE))
def test_windows_are_who_reads_whom(name: str) -> None:
    size = (46, 60)
    model = small(name, **({"rule": "timm"} if name == "swin_nano" else {}))
    found = window_groups(model, size)
    blocks = [block for block in model.blocks() if any(isinstance(m, WindowAttention) for m in block.modules())]
    assert sum(len(groups.blocks) for groups in found) == len(blocks)
    for groups in found:
        block = model.blocks()[groups.blocks[0] - 1]
        mixer = next(m for m in block.modules() if isinstance(m, WindowAttention))
        grid = tuple(groups.members.shape)
        with torch.no_grad():
            assert grid == tuple(model.features(pictures(1, size))[groups.stage - 1].shape[2:])
        flat = groups.members.flatten()
        mixer.lim = None  # which reads beyond its window
        assert torch.equal(flat[:, None] == flat, mixer.links(grid).dense())
        assert sorted(flat.unique().tolist()) == list(range(groups.count))
        if groups.kind != "shifted":
            assert torch.equal(groups.members, membership(mixer.windows, grid))
    with pytest.raises(InputError, match="no windows to draw"):
        window_groups(small("iwin_nano", attention="none"), size)


def test_what_is_alike_is_drawn_once() -> None:
    model = vitrail.create_model("swin_nano", 5, (64, 64), window=4, depths=(5, 1), heads=(1, 1), dim=8)
    (even, odd, last) = window_groups(model, (64, 64))
    assert (even.blocks, even.kind, odd.blocks, odd.kind, last.blocks) == ((1, 3, 5), "block", (2, 4), "shifted", (6,))
    assert (even.count, odd.count, last.count) == (16, 25, 4)


# models as they were


def test_a_model_is_left_as_it_was() -> None:
    model = small("scalablevit_nano", drop_path=0.5)
    model.train()
    model.trunk.stages[1].eval()
    next(model.parameters()).requires_grad_(False)
    modes = [m.training for m in model.modules()]
    wishes = [p.requires_grad for p in model.parameters()]
    values = [p.clone() for p in model.parameters()]
    x = pictures().requires_grad_(False)
    calls = [
        lambda: cam(model, x),
        lambda: rollout(model, x),
        lambda: features(model, x, [1]),
        lambda: field(model, (24, 28), 1, samples=1),
        lambda: cam(model, x, [1, 9]),
    ]
    for number, call in enumerate(calls):
        if number == len(calls) - 1:
            with pytest.raises(InputError):
                call()
        else:
            found = call()
            assert not (found[0] if isinstance(found, list) else found).requires_grad
    assert [m.training for m in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == wishes
    assert all(p.grad is None for p in model.parameters()) and x.grad is None and not x.requires_grad
    assert all(torch.equal(p, before) for p, before in zip(model.parameters(), values, strict=True))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_hooks_go_and_modes_come_back_after_an_error() -> None:
    model = Tiny().train()
    with pytest.raises(RuntimeError), still(model), noting(model.modules(), inputs=True):
        model(torch.zeros(1, 9, 4, 4))  # as many channels as it does not take
    assert model.head.training and not model.conv._forward_pre_hooks


# pictures and numbers side by side


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[opening.Seen], list[Path]]:
    """A trained file's model, one that has no attention and one of another library; and two pictures."""
    root = tmp_path_factory.mktemp("look")
    files = sorted(tiny.folders(root / "data").rglob("*.png"))[:2]
    weights.save(root / "one.safetensors", small("iwin_nano"), classes=list("abcde"), preprocessing={"share": None})
    mlp = small("swin_nano", mixer="mlp", position="none", shift="padding")
    weights.save(root / "mlp.safetensors", mlp, classes=list("abcde"))
    names = [str(root / "one.safetensors"), str(root / "mlp.safetensors")]
    return opening.open_models(names, None, torch.device("cpu")), files


def test_all_looks_are_drawn_of_the_models_that_have_them(seen, tmp_path: Path) -> None:
    models, files = seen
    view = look_sheets.View(tuple(models), tuple(files[:1]), tmp_path / "out", samples=1)
    document = look(view)
    kinds = [each["kind"] for each in document["looks"]]
    assert sorted(set(kinds)) == sorted(KINDS)
    assert document["notes"] == [
        "rollout: swin_nano has WindowMLP, which is no attention, so rollout has nothing to follow; cam does."
    ]
    for each in document["looks"]:
        written = json.loads((view.out / each["picture"]).with_suffix(".json").read_text())
        assert written == {key: value for key, value in each.items() if key != "kind"}
        assert (view.out / each["picture"]).read_bytes()[:4] == b"\x89PNG"
    assert len(list(view.out.iterdir())) == 2 * len(kinds)
    first = document["looks"][0]["rows"]
    assert [row["label"] for row in first] == ["one", "mlp"]
    assert {len(row["map"]) for row in first} == {3} and all(row["class"] in "abcde" for row in first)
    share = next(row for row in document["looks"] if row["kind"] == "rollout")["rows"][0]
    assert 0 < share["holds_half"] <= 0.5
    assert sum(itertools.chain(*share["map"])) == pytest.approx(6 * 7, rel=1e-3)


def test_what_takes_seconds_shows_a_bar_on_a_terminal(seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models, files = seen
    said = io.StringIO()
    terminal = Console(file=said, force_terminal=True, color_system=None, width=120)
    monkeypatch.setattr("vitrail.train.record.Console", lambda **_: terminal)
    look(look_sheets.View(tuple(models[:1]), tuple(files[:1]), tmp_path, samples=1))
    for kind in sorted(KINDS):
        assert re.search(rf"{kind} ━+ 1/1 ", said.getvalue()) and f"{kind}, to be tried ━" in said.getvalue()


def test_a_class_by_name(seen, tmp_path: Path) -> None:
    models, files = seen
    view = look_sheets.View(tuple(models[:1]), tuple(files[:1]), tmp_path, class_name="c")
    (row,) = look(view, ("cam",))["looks"][0]["rows"]
    assert row["class"] == "c"
    with torch.no_grad():
        shares = models[0].model(models[0].pictures(files[:1])).softmax(1)
    assert row["probability"] == pytest.approx(shares[0, 2].item(), rel=1e-4)


def test_models_are_opened_as_what_they_are(seen, tmp_path: Path) -> None:
    models, files = seen
    assert [(m.label, m.random, m.size, m.classes) for m in models] == [
        ("one", False, (24, 28), tuple("abcde")),
        ("mlp", False, (24, 28), tuple("abcde")),
    ]
    (random,) = opening.open_models(["swin_nano"], (32, 40), torch.device("cpu"))
    assert (random.random, random.size, random.class_name(7)) == (True, (32, 40), "class 7")
    assert random.class_number("999") == 999
    assert random.pictures(files).shape == (2, 3, 32, 40)
    assert [one.shape for one in random.shown(files)] == [(320, 400, 3)] * 2
    (again,) = opening.open_models(["swin_nano"], (32, 40), torch.device("cpu"))
    assert all(map(torch.equal, random.model.parameters(), again.model.parameters()))  # the same random weights


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["swin_nano", "swin_nano"], "given twice"),
        (["./nowhere"], "no such file or folder"),
        (["swin_nono"], "No model is called"),
        (["mask_rcnn_iwin_nano"], "no classifier of pictures"),
        (["video_swin_nano"], "no classifier of pictures"),
        (["flashdit_nano_1"], "no classifier of pictures"),
    ],
)
def test_what_cannot_be_looked_at(names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        opening.open_models(names, None, torch.device("cpu"))


def test_look_refuses(seen, tmp_path: Path) -> None:
    models, files = seen
    (tmp_path / "file").touch()
    both = look_sheets.View(tuple(models), tuple(files), tmp_path / "out")
    cases = [
        (both, ("heat",), "kind 'heat' is none of"),
        (both, ("rollout",), "nothing to follow"),
        (look_sheets.View(tuple(models), (), tmp_path / "out"), ("all",), "No pictures were given"),
        (look_sheets.View(tuple(models), tuple(files), tmp_path / "file"), ("cam",), "is a file, wanted a folder"),
        (look_sheets.View(tuple(models), tuple(files), tmp_path / "out", class_name="z"), ("cam",), "no class 'z'"),
        (look_sheets.View(tuple(models), tuple(files), tmp_path / "out", blocks=("x",)), ("features",), "block 'x'"),
    ]
    for view, kinds, message in cases:
        with pytest.raises(InputError, match=message):
            look(view, kinds)
    assert not list((tmp_path / "out").glob("*.png"))


def test_the_python_of_the_page_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "look.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict = {}
    exec(compile(code, "look.md", "exec"), names)
    assert names["heat"].shape == (2, 96, 96)
    assert names["sources"].shape == (2, 24, 24)
    assert [each.shape[1:] for each in names["maps"]] == [(16, 24, 24), (128, 3, 3)]
    assert names["colours"].shape == (2, 3, 24, 24)
    assert names["pixels"].shape == (96, 96)
