from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.errors import InputError
from vitrail.models.decode import generate, pick, stream


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
    found = generate(lm, PROMPT, 9, 0.8, top_k, torch.Generator().manual_seed(4))
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
    both = generate(lm, PROMPT, 7, temperature=0)
    assert torch.equal(both, torch.cat([generate(lm, PROMPT[i : i + 1], 7, temperature=0) for i in (0, 1)]))
    assert torch.equal(both, generate(lm, PROMPT, 7, top_k=1))
    assert torch.equal(both, torch.stack(list(stream(lm, PROMPT, 7, temperature=0)), 1))
    assert torch.equal(both[:, :3], generate(lm, PROMPT, 3, temperature=0, length=12))


def test_training_mode_is_left_as_it_was():
    lm = model(dropout=0.5).train()
    first, second = (generate(lm, PROMPT, 6, temperature=0) for _ in range(2))
    assert torch.equal(first, second)
    assert lm.training


def test_draws_follow_the_probabilities():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).expand(20000, -1)
    drawn = pick(logits, 1.0, None, torch.Generator().manual_seed(0)).bincount(minlength=4) / 20000
    torch.testing.assert_close(drawn, torch.tensor([0.5, 0.3, 0.15, 0.05]), atol=0.015, rtol=0)
    cold = pick(logits, 0.5, 2, torch.Generator().manual_seed(0)).bincount(minlength=4) / 20000
    torch.testing.assert_close(cold, torch.tensor([25 / 34, 9 / 34, 0, 0]), atol=0.015, rtol=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"prompt": PROMPT[:, :0]}, r"prompt of shape \(2, 0\)"),
        ({"prompt": PROMPT[0]}, r"prompt of shape \(5,\)"),
        ({"prompt": PROMPT.float()}, "torch.float32"),
        ({"prompt": PROMPT + 1}, "tokens from 1 to 9 came; the model knows 0 to 8"),
        ({"count": 0}, "count=0"),
        ({"temperature": -1.0}, "temperature=-1.0"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"top_k": 0}, "top_k=0"),
        ({"length": 7}, "length=7: prompt and continuation have 9 tokens"),
    ],
)
def test_wrong_values_get_one_line(values, message):
    with pytest.raises(InputError, match=message) as caught:
        stream(**{"model": model(), "prompt": PROMPT, "count": 4} | values)
    assert "\n" not in str(caught.value)
