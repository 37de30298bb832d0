"""Iwin in one dimension: causality to the last bit, reach as in theory, cached generation, and what the models cost."""

from __future__ import annotations

import json

import pytest
import torch

import vitrail
from oracle import reads
from vitrail.count import parameters
from vitrail.errors import InputError
from vitrail.geometry.sequence import blocks_until_reached
from vitrail.models import iwin_lm
from vitrail.pyramid import Block

SMALL = {"dim": 8, "heads": 2, "depth": 2, "vocabulary": 11}
WINDOWS = {"kernel": 0, "window": "stride"}
FORMS = {
    "conv": {"stride": 4},
    "conv_of_three": {"stride": 5, "kernel": 3},
    "conv_sqrt": {"stride": "sqrt", "kernel": 3},
    "window": {"stride": 4, **WINDOWS},
    "window_sqrt": {"stride": "sqrt", **WINDOWS},
    "both": {"stride": 3, "kernel": 2, "window": 5},
    "full": {"stride": 1, "kernel": 0},
    "rope": {"stride": 1, "kernel": 0, "position": "rope"},
}


def built(form: str, **more) -> iwin_lm.LanguageModel:
    """Weights large enough for a wrong connection to show."""
    torch.manual_seed(0)
    model = vitrail.create_model("iwin_lm_nano", **(SMALL | FORMS[form] | more)).eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def text(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(11, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("form", sorted(FORMS))
def test_no_later_token_changes_a_bit(form, gradients):
    model = built(form)
    for length in (2, 13, 17):
        tokens, others = text(2, length), text(2, length, seed=2)
        with torch.set_grad_enabled(gradients):
            whole = model(tokens)
            for i in range(length):
                changed = torch.cat([tokens[:, : i + 1], (others[:, i + 1 :] + 1) % 11], 1)
                assert torch.equal(model(changed)[:, : i + 1], whole[:, : i + 1]), (length, i)
                if i + 1 < length:
                    one = tokens.clone()
                    one[:, i + 1] = (one[:, i + 1] + 1) % 11
                    after = model(one)
                    assert torch.equal(after[:, : i + 1], whole[:, : i + 1])
                    assert not torch.equal(after[:, i + 1], whole[:, i + 1])


@pytest.mark.parametrize("form", sorted(FORMS))
@torch.no_grad()
def test_no_later_token_changes_a_bit_over_many_blocks_of_a_kernel(form):
    model = built(form, dim=64, stride={"conv": 4, "window": 4, "both": 3}.get(form, FORMS[form]["stride"]))
    tokens, length = text(1, 1301), 1301
    whole = model(tokens)
    for i in (0, 63, 511, 700, 1299):
        changed = tokens.clone()
        changed[:, i + 1 :] = text(1, length - i - 1, seed=3)
        assert torch.equal(model(changed)[:, : i + 1], whole[:, : i + 1]), i


@pytest.mark.parametrize("form", sorted(FORMS))
@torch.no_grad()
def test_a_longer_line_leaves_what_came_before(form):
    """Not to the last bit: products of matrices choose their order of addition by the shape."""
    tokens = text(2, 41)
    for dtype, tolerance in ((torch.float32, 3e-6), (torch.float64, 1e-13)):
        model = built(form).to(dtype)
        whole = model(tokens, length=50)
        for length in (1, 4, 9, 16, 30, 40):
            torch.testing.assert_close(model(tokens[:, :length], length=50), whole[:, :length], atol=tolerance, rtol=0)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_reach_of_one_and_two_blocks_is_theory(form):
    """By autograd through the blocks of the model, against sums of steps."""
    model = built(form).double()
    first, second = model.blocks()
    for length in (5, 14):
        stride = next(g for g in range(1, 99) if g * g >= length) if model.spec.stride == "sqrt" else model.spec.stride
        window = stride if model.spec.window == "stride" else model.spec.window
        near = max(window, model.spec.taps, 1)
        steps = {d for d in range(length) if d % stride == 0 or d < near}
        for blocks, distances in (
            ((first,), steps),
            ((first, second), {a + b for a in steps for b in steps if a + b < length}),
        ):
            expected = torch.tensor([[i - j in distances for j in range(length)] for i in range(length)])
            assert torch.equal(reads(torch.nn.Sequential(*blocks), (length,), SMALL["dim"]), expected)
            links = blocks[0].links((length,))
            for block in blocks[1:]:
                links = links.then(block.links((length,)))
            assert torch.equal(links.dense(), expected)
        assert model.reached(length) == blocks_until_reached(stride, near, length)
        assert (model.reached(length) <= 2) == (distances == set(range(length)))


@pytest.mark.parametrize("form", sorted(FORMS))
def test_cached_steps_equal_the_whole_at_each_of_them(form):
    model = built(form, depth=3)
    for length, room in ((1, 1), (13, 13), (27, 40)):
        tokens = text(2, length)
        expected = model(tokens, length=room)
        cache = model.cache(2, room)
        for t in range(length):
            torch.testing.assert_close(model.step(tokens[:, t], cache), expected[:, t], atol=1e-5, rtol=1e-5)
        for prompt in (1, length // 2 + 1, length):
            cache = model.cache(2, room)
            after = model.prefill(tokens[:, :prompt], cache)
            torch.testing.assert_close(after, expected[:, prompt - 1], atol=1e-5, rtol=1e-5)
            for t in range(prompt, length):
                torch.testing.assert_close(model.step(tokens[:, t], cache), expected[:, t], atol=1e-5, rtol=1e-5)


def test_what_a_step_reads_and_what_is_held():
    """N = 1000, G = 16: 63 of 1000 keys at most, and K - 1 = 15 inputs; full attention reads all that it holds."""
    ours, full = (vitrail.create_model(name, vocabulary=65).cache(2, 1000) for name in ("iwin_lm_nano", "full_lm_nano"))
    assert [ours.reads(t) for t in (0, 15, 16, 999)] == [1, 1 + 15, 2 + 15, 63 + 15]
    assert [full.reads(t) for t in (0, 999)] == [1, 1000]
    assert (ours.tokens, full.tokens) == (63 * 16 + 15, 1000)
    assert full.bytes == 4 * 2 * 2 * 1000 * 128 * 4  # layers, lines, a key and a value, tokens, channels, float32
    assert ours.bytes == 4 * 2 * (2 * 1008 + 15) * 128 * 4
    windowed = vitrail.create_model("iwin_lm_nano", stride="sqrt", kernel=0, window="stride").cache(1, 1000)
    assert max(windowed.reads(t) for t in range(1000)) == 32 + 32
    assert windowed.tokens == 32 * 32 + 32


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_parameter_learns(form):
    model = built(form).double().train()
    logits = model(text(2, 13))
    assert logits.shape == (2, 13, 11)
    (logits * torch.randn_like(logits)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 1e-9, name


def test_a_model_learns_a_text_by_heart():
    torch.manual_seed(0)
    model = vitrail.create_model("iwin_lm_nano", vocabulary=11, dim=32, heads=2, depth=2, stride=4)
    tokens = text(4, 24)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.3 < 2.3  # ln 11 = 2.4 at the start; the first token of each line cannot be known from nothing


def test_starting_loss_is_that_of_a_guess():
    for name in ("iwin_lm_nano", "rope_lm_nano"):
        torch.manual_seed(0)
        model = vitrail.create_model(name, vocabulary=65)
        tokens = torch.randint(65, (4, 65))
        loss = torch.nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        assert abs(loss.item() - 4.17) < 0.15


def test_recomputed_blocks_have_the_same_gradients():
    gradients = []
    for again in (False, True):
        model = built("conv", checkpoint=again).train()
        model(text(2, 9)).square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain)


def test_a_cache_is_filled_where_blocks_are_recomputed():
    model, tokens = built("conv", checkpoint=True).train(), text(2, 9)
    cache = model.cache(2, 9)
    model.prefill(tokens[:, :8], cache)
    torch.testing.assert_close(model.step(tokens[:, 8], cache), model(tokens)[:, 8], atol=1e-5, rtol=1e-5)


def test_dropout_acts_in_training_alone():
    model, plain, tokens = built("conv", dropout=0.5), built("conv"), text(2, 9)
    assert torch.equal(model(tokens), plain(tokens))
    assert not torch.equal(model.train()(tokens), plain(tokens))


@pytest.mark.parametrize("form", ["both", "rope", "window_sqrt"])
@torch.no_grad()
def test_compiles_in_one_graph_and_in_bfloat16(form):
    model, tokens = built(form), text(2, 13)
    expected = model(tokens)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(tokens), expected, rtol=1e-4, atol=1e-4)
    narrow = model.bfloat16()(tokens)
    assert narrow.dtype == torch.bfloat16
    assert (narrow - expected).abs().mean() < 0.05 * expected.abs().mean()


@pytest.mark.parametrize(("size", "least", "most"), [
    ("nano", 0.8e6, 0.9e6), ("tiny", 4.5e6, 5.5e6), ("small", 40e6, 60e6), ("base", 290e6, 310e6),
])  # fmt: skip
def test_sizes_and_baselines_of_equal_size(size, least, most):
    with torch.device("meta"):
        ours, full, rope, windows = (
            parameters(vitrail.create_model(f"{kind}_{size}", **more))
            for kind, more in (("iwin_lm", {}), ("full_lm", {}), ("rope_lm", {}), ("iwin_lm", WINDOWS))
        )
    assert least < full <= ours < most
    assert ours / full < 1.011 and full == rope == windows
    spec = iwin_lm.VARIANTS[f"iwin_lm_{size}"]
    # queries, keys, values, output and an MLP of 4C; biases 3 + 1 + 4 + 1, two norms; 16 taps and a bias; then the rest
    block = 12 * spec.dim**2 + 13 * spec.dim
    assert full == spec.depth * block + (256 + 2) * spec.dim
    assert ours == full + spec.depth * 17 * spec.dim


def test_descriptions_are_plain_values_at_a_length():
    row = vitrail.describe("iwin_lm_nano", vocabulary=65, length=64, stride=8)
    assert json.loads(json.dumps(row)) == row
    assert (row["num_classes"], row["spec"]["vocabulary"], row["size"]) == (65, 65, [])
    assert row["stages"][0]["mixers"] == ["CausalAttention", "CausalConv"]
    assert row["stages"][0]["map"] == [64]
    linear = 64 * 4 * 12 * 128**2
    far, conv, head = 4 * 2 * 64 * 8 * 128, 4 * 64 * 8 * 128, 64 * 65 * 128
    assert row["multiply_adds"] == linear + far + conv + head  # both halves of a causal square are counted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "iwin_lm_tinny"}, "No model is called 'iwin_lm_tinny'. Nearest: iwin_lm_tiny"),
        ({"name": "iwin_lm_nano", "size": 224}, "reads lines of tokens, of any length: leave size=224 out"),
        ({"name": "iwin_lm_nano", "vocabulary": 0}, "vocabulary=0"),
        ({"name": "iwin_lm_nano", "num_classes": 5, "vocabulary": 6}, "vocabulary=6 and num_classes=5 are the same"),
        ({"name": "iwin_lm_nano", "heads": 5}, "heads=5 does not divide dim=128"),
        ({"name": "iwin_lm_nano", "stride": "root"}, "stride='root'"),
        ({"name": "iwin_lm_nano", "stride": "sqrt"}, "a convolution cannot grow with stride='sqrt'"),
        ({"name": "iwin_lm_nano", "kernel": -1}, "kernel=-1"),
        ({"name": "iwin_lm_nano", "windw": 7}, "LanguageSpec has no field 'windw'. Nearest: window"),
        ({"name": "rope_lm_nano", "heads": 128}, "heads of 1 channels: turning by place"),
    ],
)
def test_wrong_names_and_values_get_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        vitrail.create_model(**arguments)
    assert "\n" not in str(caught.value)


def test_the_vocabulary_is_the_classes():
    assert vitrail.create_model("iwin_lm_nano", 65).spec.vocabulary == 65
    assert vitrail.create_model("iwin_lm_nano", vocabulary=65).num_classes == 65
    assert vitrail.list_models("*_lm_tiny") == ["iwin_lm_tiny", "full_lm_tiny", "rope_lm_tiny"]


def test_layers_and_parts_for_the_optimizer():
    model = built("conv")
    layers = {path: model.layer_of(path) for path, _ in model.named_parameters()}
    assert layers["trunk.stem.weight"] == 0 and layers["norm.weight"] == 3
    assert {layer for path, layer in layers.items() if ".blocks.1." in path} == {2}
    assert len(model.parts()) == 3
    assert model.features(text(2, 9))[0].shape == (2, 8, 9)
    assert not any(isinstance(block, Block) for block in model.blocks())


def test_a_line_has_the_room_it_was_given():
    model = built("conv")
    cache = model.cache(2, 5)
    with pytest.raises(ValueError, match=r"\(2, 6\) tokens came after 0; the cache was made for 2 lines of 5"):
        model.prefill(text(2, 6), cache)
    model.prefill(text(2, 5), cache)
    with pytest.raises(ValueError, match=r"\(2, 1\) tokens came after 5"):
        model.step(text(2), cache)
    with pytest.raises(ValueError, match="the cache holds 5 already"):
        model.prefill(text(2, 1), cache)
    with pytest.raises(ValueError, match="length=3 is less than the 4 tokens"):
        model(text(2, 4), length=3)
