"""FlashDiT and LightningDiT: sizes as published, options against the slow way, any grid, and the release's defects."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import vitrail
from oracle import reads
from vitrail.errors import InputError
from vitrail.flow.loss import loss
from vitrail.flow.noise import noise
from vitrail.flow.sample import follow_noise, sample
from vitrail.flow.sampling import Sampling
from vitrail.layers.adaln import Modulation
from vitrail.mixers import window
from vitrail.models import flashdit, generator, lightningdit
from vitrail.models.generator import Generator
from vitrail.models.spec import override
from vitrail.weights import load_weights, open_model, save

SMALL = {"dim": 16, "depth": 2, "heads": 2, "in_channels": 3}
FLASH, LIGHTNING = "flashdit_nano_1", "lightningdit_nano_1"

# every switch, at width 16 and depth 2
MODELS = {
    "flash": (FLASH, {"window": 2}),
    "flash_gelu_layer": (FLASH, {"window": 2, "mlp": "gelu", "norm": "layer"}),
    "flash_no_shifts": (FLASH, {"window": 2, "shifts": False}),
    "flash_oblong": (FLASH, {"window": (2, 3)}),
    "flash_qk_norm": (FLASH, {"window": 2, "qk_norm": True}),
    "flash_qk_layer_norm": (FLASH, {"window": 2, "qk_norm": True, "norm": "layer"}),
    "flash_seen": (FLASH, {"window": 3, "padding": "seen"}),
    "flash_sigma": (FLASH, {"window": 2, "learn_sigma": True, "patch": 2}),
    "lightning": (LIGHTNING, {}),
    "lightning_no_rope": (LIGHTNING, {"rope": False}),
    "lightning_no_sines": (LIGHTNING, {"sines": False, "shifts": False}),
    "lightning_patch": (LIGHTNING, {"patch": 2}),
    "lightning_qk_norm": (LIGHTNING, {"qk_norm": True}),
}
GRID, CLASSES = (4, 6), 5


def built(name: str, **more) -> Generator:
    row, fields = MODELS[name]
    torch.manual_seed(0)
    model = vitrail.create_model(row, CLASSES, GRID, **{**SMALL, **fields, **more})
    with torch.no_grad():
        for parameter in model.parameters():  # adaLN begins at 0, where nothing would show
            parameter.add_(torch.randn_like(parameter) * 0.2)
    assert isinstance(model, Generator)
    return model


def asked(size: tuple[int, int] = GRID, batch: int = 2, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, SMALL["in_channels"], *size, generator=drawn)
    return x, torch.rand(batch, generator=drawn), torch.arange(batch) % CLASSES


# parameters of the release's classes, and multiply-adds of a latent of 16 x 16 in 10^9, attention included
PUBLISHED = [
    ("flashdit_1p0b_1", {}, 1_086_036_512, 174.76),
    ("flashdit_1p0b_2", {}, 1_086_331_520, None),
    ("flashdit_1p6b_1", {}, 1_721_775_696, 277.39),
    ("flashdit_1p6b_2", {}, 1_722_119_856, None),
    ("flashdit_b_1", {}, 137_538_848, 21.90),
    ("flashdit_b_2", {}, 137_686_400, 5.52),
    ("flashdit_l_2", {}, 483_523_680, 19.59),
    ("flashdit_xl_1", {}, 712_475_552, 114.77),
    ("flashdit_xl_1", {"mlp": "gelu", "norm": "layer"}, 712_366_880, None),
    ("flashdit_xl_1", {"qk_norm": True}, 712_479_584, None),
    ("flashdit_xl_1", {"shifts": False}, 638_093_216, None),
    ("flashdit_xl_1_released", {}, 712_475_552, 115.57),
    ("flashdit_xl_2", {}, 712_696_832, 28.91),
    ("lightningdit_xl_1", {}, 674_961_824, None),
]


@pytest.mark.parametrize(("name", "fields", "parameters", "giga"), PUBLISHED, ids=lambda value: str(value))
def test_sizes_as_published(name, fields, parameters, giga):
    with torch.device("meta"):
        model = vitrail.create_model(name, **fields)
    assert sum(p.numel() for p in model.parameters()) == parameters
    if giga is not None:  # every block costs the same
        one, two = (vitrail.describe(name, depth=depth, **fields)["multiply_adds"] for depth in (1, 2))
        assert round((one + (model.spec.depth - 1) * (two - one)) / 1e9, 2) == giga


def test_lightningdit_by_hand():
    """XL/1, layer by layer; the release counts 294 912 fixed sines among its parameters."""
    d, classes, channels, hidden = 1152, 1000, 32, 3072
    linear = lambda a, b: a * b + b  # noqa: E731
    block = 2 * d + linear(d, 3 * d) + linear(d, d) + linear(d, 2 * hidden) + linear(hidden, d) + linear(d, 6 * d)
    total = linear(channels, d) + linear(256, d) + linear(d, d) + (classes + 1) * d
    total += 28 * block + d + linear(d, 2 * d) + linear(d, channels)
    assert total == 674_961_824
    tokens, giga = 256, 0
    giga += tokens * (channels * d + d * channels) + 256 * d + d * d + 2 * d * d
    giga += 28 * (tokens * (4 * d * d + 3 * d * hidden) + 6 * d * d + 2 * tokens * tokens * d)
    assert vitrail.describe("lightningdit_xl_1")["multiply_adds"] == giga


def test_names_and_what_they_stand_for():
    names = vitrail.list_models("*dit_*")
    assert {"flashdit_l_1", "flashdit_nano_2", "lightningdit_1p6b_2", "lightningdit_nano_1"} <= set(names)
    with torch.device("meta"):
        paper, released = (vitrail.create_model(f"flashdit_xl_1{end}") for end in ("", "_released"))
        baseline = vitrail.create_model("lightningdit_xl_1_released")
    assert (paper.spec.window, paper.sampling.channels, paper.sampling.scale) == (4, None, 1.0)
    assert (released.spec.window, released.sampling.channels, released.sampling.start) == (8, 3, 0.11)
    assert (released.sampling.steps, released.sampling.shift, released.sampling.scale) == (249, 0.3, 10.0)
    assert replace(baseline.sampling, start=0.11) == released.sampling
    assert paper.size == (16, 16) and paper.num_classes == 1000


def test_descriptions_are_plain_values():
    row = vitrail.describe(FLASH, 10, (8, 12), patch=2)
    assert row["stages"] == [
        {
            "blocks": 6,
            "map": [4, 6],
            "mixers": ["WindowAttention (interleaved)", "DepthwiseConv"],
            "heads": 4,
            "windows": [[4, 4]],
            "shifts": [],
        }
    ]
    assert vitrail.describe(LIGHTNING, 10)["stages"][0]["mixers"] == ["RotaryAttention"]


# ---- the slow way


def slow_norm(x: Tensor, norm: nn.Module) -> Tensor:
    if isinstance(norm, nn.RMSNorm):
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight
    centred = x - x.mean(-1, keepdim=True)
    y = centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt()
    return y if norm.weight is None else y * norm.weight + norm.bias


def slow_turn(vector: Tensor, place: tuple[int, int]) -> Tensor:
    """RoPE of one head's vector as a product with a rotation for each pair of channels."""
    width = len(vector)
    turned = vector.clone()
    for pair in range(width // 2):
        axis, k = divmod(pair, width // 4)
        angle = torch.tensor(place[axis] * 10000.0 ** (-2 * k / (width / 2)), dtype=torch.float64)
        rotation = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
        turned[2 * pair : 2 * pair + 2] = rotation @ vector[2 * pair : 2 * pair + 2]
    return turned


def slow_attention(attention: nn.Module, x: Tensor, window: tuple[int, int] | None, rope: bool, seen: bool) -> Tensor:
    """(H, W, C), token by token: over everything, or over the tokens of an interleaved window."""
    height, width, dim = x.shape
    d = dim // attention.heads
    full = (height, width)
    if window:
        full = tuple(-(-side // m) * m for side, m in zip(full, window, strict=True))
    count = tuple(side // m for side, m in zip(full, window, strict=True)) if window else (1, 1)
    qkv = {}
    for i in range(full[0]):
        for j in range(full[1]):
            real = i < height and j < width
            if real or seen:
                qkv[i, j] = attention.qkv.weight @ (x[i, j] if real else torch.zeros_like(x[0, 0])) + attention.qkv.bias
    out = torch.zeros_like(x)
    for (i, j), own in qkv.items():
        if i >= height or j >= width:
            continue
        peers = [p for p in qkv if p[0] % count[0] == i % count[0] and p[1] % count[1] == j % count[1]]
        heads = []
        for head in range(attention.heads):
            part = lambda vector, kind: vector[kind * dim + head * d : kind * dim + (head + 1) * d]  # noqa: B023, E731
            q, keys = part(own, 0), [part(qkv[p], 1) for p in peers]
            if attention.q_norm is not None:
                q, keys = slow_norm(q, attention.q_norm), [slow_norm(k, attention.k_norm) for k in keys]
            if rope:
                q, keys = slow_turn(q, (i, j)), [slow_turn(k, p) for k, p in zip(keys, peers, strict=True)]
            logits = torch.stack([q @ k for k in keys]) / d**0.5
            weights = logits.exp() / logits.exp().sum()
            heads.append(sum(w * part(qkv[p], 2) for w, p in zip(weights, peers, strict=True)))
        out[i, j] = attention.proj.weight @ torch.cat(heads) + attention.proj.bias
    return out


def slow_conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    height, width, _ = x.shape
    out = conv.bias.expand_as(x).clone()
    for i in range(height):
        for j in range(width):
            for a in (-1, 0, 1):
                for b in (-1, 0, 1):
                    if 0 <= i + a < height and 0 <= j + b < width:
                        out[i, j] += conv.weight[:, 0, a + 1, b + 1] * x[i + a, j + b]
    return out


def slow_mlp(mlp: nn.Module, x: Tensor) -> Tensor:
    if hasattr(mlp, "w12"):
        hidden = x @ mlp.w12.weight.T + mlp.w12.bias
        a, b = hidden[..., : hidden.shape[-1] // 2], hidden[..., hidden.shape[-1] // 2 :]
        return (a / (1 + (-a).exp()) * b) @ mlp.w3.weight.T + mlp.w3.bias
    h = x @ mlp.fc1.weight.T + mlp.fc1.bias
    h = 0.5 * h * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (h + 0.044715 * h**3)))
    return h @ mlp.fc2.weight.T + mlp.fc2.bias


def slow_model(model: Generator, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
    """One latent (C_in, H, W) by SPEC's formulas: no batch, no windows cut, chunks taken by number."""
    spec, trunk = model.spec, model.trunk
    p, d = spec.patch, spec.dim
    flash = isinstance(spec, flashdit.FlashDiTSpec)
    silu = lambda v: v / (1 + (-v).exp())  # noqa: E731
    channels, height, width = x.shape
    grid = (-(-height // p), -(-width // p))
    padded = torch.zeros(channels, grid[0] * p, grid[1] * p, dtype=x.dtype)
    padded[:, :height, :width] = x
    kernel = trunk.stem.project.weight.flatten(1)
    tokens = torch.zeros(*grid, d, dtype=x.dtype)
    for i in range(grid[0]):
        for j in range(grid[1]):
            patch = padded[:, i * p : (i + 1) * p, j * p : (j + 1) * p].flatten()
            tokens[i, j] = kernel @ patch + trunk.stem.project.bias
            if not flash and spec.sines:
                frequencies = 10000.0 ** (-torch.arange(d // 4, dtype=x.dtype) / (d // 4))
                tokens[i, j] += torch.cat([f(s * frequencies) for s in (j, i) for f in (torch.sin, torch.cos)])
    k = torch.arange(128).float()
    angles = t.view(1) * torch.exp(-torch.log(torch.tensor(10000.0)) * k / 128)
    wave = torch.cat([angles.cos(), angles.sin()])
    c = silu(wave @ trunk.time.fc1.weight.T + trunk.time.fc1.bias) @ trunk.time.fc2.weight.T + trunk.time.fc2.bias
    c = c + trunk.labels.weight[label]
    for block in trunk.blocks:
        mod = silu(c) @ block.modulation.linear.weight.T + block.modulation.linear.bias
        parts = list(mod.split(d))
        if not spec.shifts:
            parts.insert(0, torch.zeros_like(c))
            parts.insert(3, torch.zeros_like(c))
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = parts[:6]
        u = slow_norm(tokens, block.norm1) * (1 + scale) + shift
        if flash:
            sides = (spec.window, spec.window) if isinstance(spec.window, int) else spec.window
            attention = slow_attention(block.attention, u, sides, False, spec.padding == "seen")
            tokens = tokens + (1 + parts[6]) * slow_conv(block.conv.conv, u) + (1 + gate) * attention
        else:
            tokens = tokens + gate * slow_attention(block.attention, u, None, spec.rope, False)
        u = slow_norm(tokens, block.norm2) * (1 + scale_mlp) + shift_mlp
        tokens = tokens + (gate_mlp + (1 if flash else 0)) * slow_mlp(block.mlp, u)
    final = model.final
    shift, scale = (silu(c) @ final.modulation.linear.weight.T + final.modulation.linear.bias).split(d)
    y = (slow_norm(tokens, final.norm) * (1 + scale) + shift) @ final.linear.weight.T + final.linear.bias
    out = torch.zeros_like(padded)
    made = channels * (2 if spec.learn_sigma else 1)
    for i in range(padded.shape[1]):
        for j in range(padded.shape[2]):
            at = ((i % p) * p + j % p) * made
            out[:, i, j] = y[i // p, j // p, at : at + channels]
    return out[:, :height, :width]


@pytest.mark.parametrize("size", [GRID, (5, 3)], ids=str)
@pytest.mark.parametrize("name", sorted(MODELS))
@torch.no_grad()
def test_against_the_slow_way(name, size):
    model = built(name).double().eval()
    x, t, labels = asked(size)
    found = model(x.double(), t.double(), labels)
    for i in range(2):
        expected = slow_model(model, x[i].double(), t[i].double(), labels[i])
        torch.testing.assert_close(found[i], expected, rtol=1e-8, atol=1e-8)


# ---- what every model has to keep


@pytest.mark.parametrize("name", sorted(MODELS))
def test_gradients(name):
    model = built(name).double().train()
    x, t, labels = asked()
    x = x.double().requires_grad_()
    y = model(x, t.double(), labels)
    (y * torch.randn_like(y)).sum().backward()
    assert x.grad.flatten(1).any(1).all()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), path
        # softmax does not see a constant that is added to every key
        assert parameter.grad.abs().max() > 1e-9 or path.endswith("k_norm.bias"), path
    assert model.trunk.labels.weight.grad[2:].abs().max() == 0  # labels that nobody had


@pytest.mark.parametrize("name", ["flash", "lightning"])
@torch.no_grad()
def test_samples_do_not_see_each_other(name):
    model = built(name).eval()
    x, t, labels = asked()
    before = model(x, t, labels)
    for other in (
        (torch.stack([x[0], x[0] * 3]), t, labels),
        (x, t * torch.tensor([1, 0.5]), labels),
        (x, t, labels * 4),
    ):
        after = model(*other)
        assert torch.equal(after[0], before[0]) and not torch.allclose(after[1], before[1])


@pytest.mark.parametrize("name", ["flash_qk_norm", "lightning_qk_norm"])
@torch.no_grad()
def test_compiles_in_one_graph(name):
    model = built(name).eval()
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(*asked()), model(*asked()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(MODELS))
@torch.no_grad()
def test_bfloat16(name):
    model = built(name).eval()
    x, t, labels = asked()
    expected = model(x, t, labels)
    y = model.bfloat16()(x.bfloat16(), t, labels)
    assert y.dtype == torch.bfloat16
    assert (y - expected).abs().mean() < 0.05 * expected.abs().mean()


@pytest.mark.parametrize("name", ["flash_qk_norm", "lightning_qk_norm"])
def test_autocast(name):
    """Losses and gradients of a step in 16 bits are near those in 32."""
    x, _, labels = asked((4, 6), batch=4)
    found = []
    for enabled in (False, True):
        model = built(name).train()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses = loss(model, x, labels, torch.Generator().manual_seed(0), model.null)
        losses.total.backward()
        assert losses.total.dtype == torch.float32
        found.append([losses.total, *(p.grad for p in model.parameters())])
    torch.testing.assert_close(found[1][0], found[0][0], rtol=0.05, atol=0)
    for exact, rough in zip(*(f[1:] for f in found), strict=True):
        assert torch.isfinite(rough).all() and (rough - exact).norm() <= 0.2 * exact.norm() + 1e-2


@pytest.mark.parametrize("name", ["flash", "flash_seen", "lightning"])
@torch.no_grad()
def test_links_of_blocks_against_autograd(name):
    model = built(name).double().eval()
    block, condition = model.blocks()[0], torch.randn(1, 16, dtype=torch.float64)
    for grid in ((4, 4), (3, 5)):
        with torch.enable_grad():
            assert torch.equal(block.links(grid).dense(), reads(lambda x: block(x, condition), grid, 16))


def test_flashdit_reads_everything_after_four_blocks():
    """At 16 x 16 with windows of 4 x 4, as the exact table of Iwin's reach has it; one block of LightningDiT's does."""
    block = flashdit.FlashBlock(flashdit.FlashDiTSpec(**SMALL))
    links = block.links((16, 16))
    shares = [links.share()]
    for _ in range(3):
        links = links.then(block.links((16, 16)))
        shares.append(links.share())
    assert shares[2] < 1 and shares[3] == 1
    assert lightningdit.LightningBlock(lightningdit.LightningDiTSpec(**SMALL)).links((16, 16)).everywhere


@pytest.mark.parametrize("name", ["flash", "lightning_qk_norm"])
@torch.no_grad()
def test_save_and_open(name, tmp_path):
    model = built(name).eval()
    save(tmp_path / "model.safetensors", model, classes=list("abcde"))
    again, document = open_model(tmp_path / "model.safetensors")
    assert (again.name, again.spec, again.size, document["classes"]) == (model.name, model.spec, GRID, list("abcde"))
    assert again.null == CLASSES and again.sampling == model.sampling
    assert torch.equal(again(*asked((5, 7))), model(*asked((5, 7))))
    fresh = built(name, window=4) if name == "flash" else built(name)
    assert len(load_weights(fresh, tmp_path / "model.safetensors", new_window=True).loaded) == len(model.state_dict())


@pytest.mark.parametrize("name", ["flash", "lightning"])
def test_recomputed_blocks_have_the_same_gradients(name):
    gradients = []
    for recompute in (False, True):
        model = built(name, checkpoint=recompute).train()
        model(*asked()).square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(again, plain)


@pytest.mark.parametrize("name", ["flash", "lightning"])
def test_it_learns(name):
    torch.manual_seed(0)
    model = vitrail.create_model(MODELS[name][0], 2, (4, 4), **{**SMALL, **MODELS[name][1]})
    optimizer, drawn = torch.optim.AdamW(model.parameters(), 0.02, (0.9, 0.95)), torch.Generator().manual_seed(1)
    labels = torch.tensor([0, 1] * 16)
    data = (labels * 4.0 - 2).view(-1, 1, 1, 1).expand(-1, 3, 4, 4)
    for _ in range(80):
        optimizer.zero_grad()
        found = loss(model, data, labels, drawn, model.null)
        found.total.backward()
        optimizer.step()
    made = sample(model, torch.tensor([0, 1]), (3, 4, 4), Sampling(steps=10, scale=1.2), model.null)
    assert (made[0].mean() + 2).abs() < 0.6 and (made[1].mean() - 2).abs() < 0.6
    wide = sample(model, torch.tensor([0, 1]), (3, 6, 8), Sampling(steps=10), model.null)
    assert wide.shape == (2, 3, 6, 8) and wide[0].mean() < 0 < wide[1].mean()


# ---- grids


@pytest.mark.parametrize("name", ["flash", "flash_sigma", "lightning", "lightning_patch"])
@torch.no_grad()
def test_any_grid_without_a_change(name):
    model = built(name).eval()
    before = {path: value.clone() for path, value in model.state_dict().items()}
    for size in ((4, 6), (6, 9), (8, 12), (5, 3), (1, 7)):
        x, t, labels = asked(size)
        assert model(x, t, labels).shape == x.shape
        assert model.features(x, t, labels)[0].shape == (2, 16, *(-(-s // model.strides[0]) for s in size))
    assert all(torch.equal(value, before[path]) for path, value in model.state_dict().items())
    assert [m.windows.size for m in model.modules() if hasattr(m, "windows")] == [(2, 2)] * (
        2 if "flash" in name else 0
    )


@torch.no_grad()
def test_a_window_larger_than_the_grid_is_global_and_padding_is_seen_by_nobody():
    wide, whole = built("flash", window=8).eval(), built("flash", window=(4, 6)).eval()
    torch.testing.assert_close(wide(*asked()), whole(*asked()))


# ---- the release's defects, each in its own way gone


@pytest.mark.parametrize("module", [flashdit, generator, lightningdit, window])
def test_the_models_import_without_undefined_names_or_fairscale(module, monkeypatch):
    monkeypatch.setitem(sys.modules, "fairscale", None)  # an import of it would fail
    spec = importlib.util.spec_from_file_location(f"again_{module.__name__.rpartition('.')[2]}", module.__file__)
    again = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, again)
    spec.loader.exec_module(again)
    assert {name for name in vars(module) if not name.startswith("__")} <= set(vars(again))


def test_there_is_no_ignored_switch():
    with pytest.raises(InputError, match="FlashDiTSpec has no field 'use_rope'"):
        vitrail.create_model(FLASH, use_rope=True)
    x, t, labels = asked()
    assert not torch.allclose(built("lightning")(x, t, labels), built("lightning_no_rope")(x, t, labels))


@pytest.mark.parametrize("came", ["(8,8)", "8", (8,), 0, (4, 0), 2.5, "reach", True], ids=repr)
def test_a_window_that_is_no_window_is_refused(came):
    with pytest.raises(InputError, match="window="):
        vitrail.create_model(FLASH, window=came)


@torch.no_grad()
def test_windows_are_what_was_asked_for():
    """The release's scripts never pass a window on."""
    model = vitrail.create_model("flashdit_nano_1", 3, window=8)
    assert {m.windows.size for m in model.modules() if hasattr(m, "windows")} == {(8, 8)}
    x, t, labels = asked()
    assert not torch.allclose(built("flash")(x, t, labels), built("flash", window=4)(x, t, labels))


def test_no_method_is_compiled_behind_ones_back():
    for block in (flashdit.FlashBlock, lightningdit.LightningBlock, Generator, Modulation):
        assert not hasattr(block.forward, "_torchdynamo_orig_callable")


@pytest.mark.parametrize("name", ["flash", "lightning"])
def test_labels_are_brought_to_the_models_device(name):
    """Labels and times on the CPU, the model elsewhere: the meta device stands for any other."""
    with torch.device("meta"):
        model = built_plain(name)
    x = torch.empty(2, 3, *GRID, device="meta")
    assert model(x, torch.rand(2), torch.tensor([0, 1])).device.type == "meta"
    assert model(x, torch.rand(2), None).device.type == "meta"


def built_plain(name: str) -> nn.Module:
    return vitrail.create_model(MODELS[name][0], CLASSES, GRID, **{**SMALL, **MODELS[name][1]})


@pytest.mark.parametrize("classes", [1, 10, 1000])
@torch.no_grad()
def test_the_null_label_is_the_number_of_classes(classes):
    model = vitrail.create_model(FLASH, classes, GRID, **SMALL)
    assert model.null == classes and model.trunk.labels.num_embeddings == classes + 1
    x, t, _ = asked()
    assert torch.equal(model(x, t, None), model(x, t, torch.full((2,), classes)))
    made = sample(model, torch.zeros(2, dtype=torch.long), (3, 4, 4), Sampling(steps=2, scale=3.0), model.null)
    assert torch.isfinite(made).all()


@torch.no_grad()
def test_without_dropped_labels_there_is_no_null_and_without_classes_nothing_else():
    x, t, labels = asked()
    told = built("flash", label_drop=0.0)
    assert told.null is None and told.trunk.labels.num_embeddings == CLASSES
    with pytest.raises(ValueError, match="label_drop=0 left no label for none"):
        told(x, t)
    free = vitrail.create_model(FLASH, 0, GRID, **SMALL)
    assert free.null == 0 and torch.equal(free(x, t), free(x, t, labels * 0))
    with pytest.raises(InputError, match="num_classes=0 with label_drop=0"):
        vitrail.create_model(FLASH, 0, GRID, **SMALL, label_drop=0.0)


def test_a_head_that_cannot_be_turned_is_refused():
    with pytest.raises(InputError, match="heads of 6 channels: turning by row and column needs a multiple of 4"):
        vitrail.create_model(LIGHTNING, dim=12, heads=2)
    with pytest.raises(InputError, match="heads=5 does not divide dim=16"):
        vitrail.create_model(FLASH, dim=16, heads=5)


# ---- how they start


def test_starting_values():
    torch.manual_seed(0)
    model = vitrail.create_model(FLASH, 200, dim=64, depth=1, heads=4, in_channels=8, patch=2)
    trunk, block = model.trunk, model.trunk.blocks[0]
    bound = lambda fan_in, fan_out: (6 / (fan_in + fan_out)) ** 0.5  # noqa: E731
    for weight, limit in (
        (block.attention.qkv.weight, bound(64, 192)),
        (block.conv.conv.weight, bound(9, 9 * 64)),
        (trunk.stem.project.weight, bound(8 * 4, 64)),
        (block.mlp.w3.weight, bound(170, 64)),
    ):
        assert 0.97 * limit < weight.abs().max() <= limit
        assert weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.1)
    for weight in (trunk.labels.weight, trunk.time.fc1.weight, trunk.time.fc2.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    for linear in (block.modulation.linear, model.final.modulation.linear, model.final.linear):
        assert not linear.weight.any() and not linear.bias.any()
    assert all(not m.bias.any() for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d))


@torch.no_grad()
def test_lightning_blocks_begin_as_the_identity_and_flash_blocks_do_not():
    x, condition = torch.randn(1, 4, 4, 16), torch.randn(1, 16)
    for name, same in (("flash", False), ("lightning", True)):
        torch.manual_seed(0)
        block = built_plain(name).blocks()[0]
        assert torch.equal(block(x, condition), x) == same
    assert not built_plain("flash")(*asked()).any()  # the last map begins at 0


def test_the_front_is_frozen_first_and_layers_are_counted():
    model = built("flash")
    assert [model.layer_of(path) for path in ("trunk.labels.weight", "trunk.blocks.1.norm1.weight")] == [0, 2]
    assert model.layer_of("final.linear.weight") == 3
    assert sum(p.numel() for part in model.parts() for m in part for p in m.parameters()) == sum(
        p.numel() for p in model.trunk.parameters()
    )


@pytest.mark.parametrize("solver", ["dopri5", "euler", "heun"])
@pytest.mark.parametrize("name", ["flash", "lightning"])
def test_samples_are_the_same_in_any_batch(name, solver):
    model = built(name).eval()
    sampling = Sampling(solver=solver, steps=6, scale=2.0, channels=2, start=0.2, seed=5)
    labels = torch.tensor([4, 0, 3, 1])
    whole = sample(model, labels, (3, *GRID), sampling, model.null)
    assert torch.equal(sample(model, labels, (3, *GRID), sampling, model.null), whole)
    limit = 1e-2 if solver == "dopri5" else 1e-4  # a rounding may make it try a step again
    for batch in (1, 3):
        parts = [
            sample(model, labels[i : i + batch], (3, *GRID), sampling, model.null, range(i, min(i + batch, 4)))
            for i in range(0, 4, batch)
        ]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=limit, atol=limit)
    free = replace(sampling, scale=1.0)
    without = replace(free, channels=None, start=0.0)
    assert torch.equal(
        sample(model, labels, (3, *GRID), free, model.null), sample(model, labels, (3, *GRID), without, None)
    )


@pytest.mark.parametrize("solver", ["dopri5", "euler"])
def test_samples_are_the_same_in_any_batch_but_for_rounding(solver):
    """In double precision, where roundings decide nothing."""
    model = built("flash").double().eval()
    sampling = Sampling(solver=solver, steps=6, scale=2.0, start=0.2)
    labels, x = torch.tensor([4, 0, 3]), noise(5, range(3), (3, *GRID)).double()
    whole = follow_noise(model, x, labels, sampling, model.null)
    alone = [follow_noise(model, x[i : i + 1], labels[i : i + 1], sampling, model.null) for i in range(3)]
    torch.testing.assert_close(torch.cat(alone), whole, rtol=1e-9, atol=1e-9)


def test_choices_of_sampling_are_overridden_as_fields_of_a_spec_are():
    base = flashdit.SAMPLING["flashdit_xl_1_released"]
    assert override(base, scale=4.0) == replace(base, scale=4.0)
    with pytest.raises(InputError, match="Sampling has no field 'cfg_scale'. Nearest: scale"):
        override(base, cfg_scale=4.0)
    with pytest.raises(InputError, match="start=0.9 to end=0.5: the start is after the end"):
        override(base, start=0.9, end=0.5)
