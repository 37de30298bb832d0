from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.errors import InputError
from vitrail.models.decode import Choice, generate, stream


def model(**more):
    torch.manual_seed(0)
    made = vitrail.create_model(
        "iwin_lm_nano", vocabulary=9, **({"dim": 8, "heads": 2, "depth": 2, "stride": 3} | more)
    )
    for parameter in made.parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    return made


PROMPT = torch.tensor([[1, 2, 3, 4, 0], [8, 0, 0, 7, 7]])


@pytest.mark.parametrize("more", [{}, {"stride": "sqrt", "kernel": 2}, {"stride": 1, "kernel": 0, "position": "rope"}])
@pytest.mark.parametrize("top_k", [None, 3])
def test_the_same_draws_without_a_cache(more, top_k):
    """The slow way: the whole line is read again for each token."""
    lm = model(**more)
    found = generate(lm, PROMPT, 9, Choice(0.8, top_k), torch.Generator().manual_seed(4))
    line, generator = PROMPT, torch.Generator().manual_seed(4)
    with torch.no_grad():
        for _ in range(9):
            probabilities = (lm.eval()(line, length=14)[:, -1] / 0.8).softmax(-1)
            if top_k:
                probabilities[probabilities < probabilities.sort(-1).values[:, -top_k, None]] = 0
            line = torch.cat([line, torch.multinomial(probabilities, 1, generator=generator)], 1)
    assert torch.equal(found, line[:, 5:])


def test_the_likeliest_token_and_a_batch_of_lines():
    lm = model()
    both = generate(lm, PROMPT, 7, Choice(0))
    assert torch.equal(both, torch.cat([generate(lm, PROMPT[i : i + 1], 7, Choice(0)) for i in (0, 1)]))
    assert torch.equal(both, generate(lm, PROMPT, 7, Choice(top_k=1)))
    assert torch.equal(both, torch.stack(list(stream(lm, PROMPT, 7, Choice(0))), 1))
    assert torch.equal(both[:, :3], generate(lm, PROMPT, 3, Choice(0), length=12))


def test_training_mode_is_left_as_it_was():
    lm = model(dropout=0.5).train()
    first, second = (generate(lm, PROMPT, 6, Choice(0)) for _ in range(2))
    assert torch.equal(first, second)
    assert lm.training


def test_draws_follow_the_probabilities():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).expand(20000, -1)
    drawn = Choice().pick(logits, torch.Generator().manual_seed(0)).bincount(minlength=4) / 20000
    torch.testing.assert_close(drawn, torch.tensor([0.5, 0.3, 0.15, 0.05]), atol=0.015, rtol=0)
    cold = Choice(0.5, 2).pick(logits, torch.Generator().manual_seed(0)).bincount(minlength=4) / 20000
    torch.testing.assert_close(cold, torch.tensor([25 / 34, 9 / 34, 0, 0]), atol=0.015, rtol=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"prompt": PROMPT[:, :0]}, r"prompt of shape \(2, 0\)"),
        ({"prompt": PROMPT[0]}, r"prompt of shape \(5,\)"),
        ({"prompt": PROMPT.float()}, "torch.float32"),
        ({"prompt": PROMPT + 1}, "tokens from 1 to 9 came; the model knows 0 to 8"),
        ({"count": 0}, "count=0"),
        ({"length": 7}, "length=7: prompt and continuation have 9 tokens"),
    ],
)
def test_wrong_values_get_one_line(values, message):
    with pytest.raises(InputError, match=message) as caught:
        stream(**{"model": model(), "prompt": PROMPT, "count": 4} | values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": -1.0}, "temperature=-1.0: 0 or more"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"temperature": float("inf")}, "temperature=inf"),
        ({"top_k": 0}, "top_k=0: 1 or more"),
        ({"top_p": 0.0}, "top_p=0.0: a share above 0"),
        ({"top_p": 1.5}, "top_p=1.5"),
        ({"top_p": float("nan")}, "top_p=nan"),
    ],
)
def test_choices_out_of_range_get_one_line(values, message):
    with pytest.raises(InputError, match=message) as caught:
        Choice(**values)
    assert "\n" not in str(caught.value)


def reference(line: torch.Tensor, top_k: int | None, top_p: float | None) -> set[int]:
    """Tokens that may be drawn, one by one: the likeliest first, until k of them or the share p is there."""
    order = sorted(range(len(line)), key=lambda token: -float(line[token]))[:top_k]
    whole, taken, share = sum(float(line[token]) for token in order), set(), 0.0
    for token in order:
        if top_p is None or share < top_p:
            taken.add(token)
        share += float(line[token]) / whole
    return taken


@pytest.mark.parametrize("top_k", [None, 4])
@pytest.mark.parametrize("top_p", [None, 0.001, 0.5, 0.81, 1.0])
def test_only_the_likeliest_are_drawn(top_k, top_p):
    probabilities = torch.randn(3, 9, generator=torch.Generator().manual_seed(2)).mul(1.5).softmax(-1)
    choice, generator = Choice(top_k=top_k, top_p=top_p), torch.Generator().manual_seed(0)
    drawn = torch.stack([choice.pick(probabilities.log(), generator) for _ in range(600)], 1)
    for line, found in zip(probabilities, drawn, strict=True):
        allowed = reference(line, top_k, top_p)
        assert set(found.tolist()) <= allowed
        likely = {token for token in allowed if line[token] > 0.05}
        assert likely <= set(found.tolist())


@pytest.mark.parametrize("temperature", [1e-300, 1e-40, 1e-6])
def test_the_coldest_draw_is_the_likeliest_token(temperature):
    logits = torch.tensor([[-3.0, 2.0, 1.0], [1e4, -1e4, 0.0]])
    assert Choice(temperature).pick(logits).tolist() == [1, 0]


def test_of_tokens_that_are_alike_no_more_are_drawn():
    logits, generator = torch.zeros(400, 6), torch.Generator().manual_seed(0)
    assert len(Choice(top_k=2).pick(logits, generator).unique()) == 2
    assert len(Choice(top_p=0.5).pick(logits, generator).unique()) == 3


@pytest.mark.parametrize("more", [{}, {"stride": 64}, {"kernel": 0, "window": "stride"}])
def test_a_line_of_any_length_goes_on(more):
    """One token, fewer than G, no multiple of G, and far past any length of training."""
    lm = model(**more)
    for length, count in ((1, 1), (2, 3), (7, 60)):
        line = torch.randint(9, (1, length), generator=torch.Generator().manual_seed(length))
        for token in generate(lm, line, count, Choice(0))[0]:
            with torch.no_grad():
                assert int(lm.eval()(line)[0, -1].argmax()) == int(token)
            line = torch.cat([line, token[None, None]], 1)
