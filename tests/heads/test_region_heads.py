from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from vitrail.data.detections import Instances
from vitrail.heads.box_head import BoxHead
from vitrail.heads.boxes import clip, decode, encode
from vitrail.heads.matching import Match, Sample
from vitrail.heads.region_heads import Keep, RegionHeads, Stage

STDS = (0.1, 0.1, 0.2, 0.2)
SIZE = (48, 60)
TRUTH = Instances(torch.tensor([[4.0, 6, 24, 30], [30.0, 10, 52, 40]]), torch.tensor([2, 0]), SIZE)
PROPOSALS = torch.tensor([[5.0, 7, 25, 29], [30.0, 30, 50, 45], [0.0, 0, 9, 9], [28.0, 9, 53, 42]])


class Said(nn.Module):
    """A box head that says the same whatever it reads."""

    def __init__(self, scores: torch.Tensor, deltas: torch.Tensor):
        super().__init__()
        self.scores, self.deltas = scores, deltas

    def forward(self, x):
        return self.scores[: len(x)], self.deltas[: len(x)]


def heads(*said: nn.Module, giou: float | None = None, **keep) -> RegionHeads:
    stages = [Stage(Match(level, level), STDS, weight) for level, weight in ((0.5, 1.0), (0.6, 0.5))][: len(said)]
    return RegionHeads((4,), 3, stages, said, [], Sample(1000, 0.5), Keep(**keep), giou)


def maps() -> list[torch.Tensor]:
    return [torch.randn(1, 8, 12, 15)]


@pytest.mark.parametrize("giou", [None, 10.0])
def test_losses_equal_a_slow_loop(giou):
    """Boxes of the truth join; the sampled come positive ones first, in their order."""
    torch.manual_seed(0)
    scores, deltas = torch.randn(6, 4), torch.randn(6, 3, 4) * 0.3
    found = heads(Said(scores, deltas), giou=giou).loss(maps(), [PROPOSALS], [SIZE], [TRUTH])
    drawn = [(TRUTH.boxes[0], 0), (TRUTH.boxes[1], 1), (PROPOSALS[0], 0), (PROPOSALS[3], 1), (PROPOSALS[1], None)]
    drawn.append((PROPOSALS[2], None))
    entropy = place = 0.0
    for row, (box, thing) in enumerate(drawn):
        label = 3 if thing is None else int(TRUTH.classes[thing])
        entropy -= scores[row].log_softmax(0)[label].item()
        if thing is None:
            continue
        own, goal = deltas[row, label], TRUTH.boxes[thing]
        if giou is None:
            place += (own - encode(goal[None], box[None], STDS)[0]).abs().sum().item()
        else:
            x1, y1, x2, y2 = decode(own[None], box[None], STDS)[0].tolist()
            a1, b1, a2, b2 = goal.tolist()
            both = max(min(x2, a2) - max(x1, a1), 0) * max(min(y2, b2) - max(y1, b1), 0)
            union = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - both
            hull = (max(x2, a2) - min(x1, a1)) * (max(y2, b2) - min(y1, b1))
            place += giou * (1 - both / union + (hull - union) / hull)
    assert found["classes"].item() == pytest.approx(entropy / 6, rel=1e-4)
    assert found["boxes"].item() == pytest.approx(place / 6, rel=1e-4)


def test_the_second_stage_begins_where_the_first_ends():
    """Positive regions move by their thing's class, others by their likeliest; boxes of the truth leave and return."""
    torch.manual_seed(0)
    scores, deltas = torch.randn(6, 4), torch.randn(6, 3, 4) * 0.3
    both = heads(Said(scores, deltas), Said(scores, deltas))
    seen: list[torch.Tensor] = []
    plain = both._draw
    both._draw = lambda stage, boxes, target: seen.append(boxes) or plain(stage, boxes, target)
    losses = both.loss(maps(), [PROPOSALS], [SIZE], [TRUTH])
    assert sorted(losses) == ["boxes_1", "boxes_2", "classes_1", "classes_2"]
    order = torch.tensor([0, 3, 1, 2])  # of the proposals, as the first stage drew them behind the truth
    likeliest = scores[4:, :-1].argmax(1)
    chosen = torch.cat([torch.tensor([2, 0]), likeliest])
    expected = clip(decode(deltas[torch.arange(2, 6), chosen], PROPOSALS[order], STDS), SIZE)
    torch.testing.assert_close(seen[1], expected)


def test_the_weights_of_stages():
    torch.manual_seed(0)
    said = Said(torch.zeros(6, 4), torch.zeros(6, 3, 4))
    losses = heads(said, said).loss(maps(), [PROPOSALS], [SIZE], [TRUTH])
    assert losses["classes_1"].item() == pytest.approx(math.log(4), rel=1e-5)
    assert losses["classes_2"].item() == pytest.approx(math.log(4) / 2, rel=1e-5)


def test_what_is_found_is_the_class_that_was_said():
    scores, deltas = torch.full((2, 4), -20.0), torch.zeros(2, 3, 4)
    scores[0, 1] = scores[1, 3] = 20.0  # the second region is nothing
    deltas[0, 1, 0] = 1.0  # a tenth of the width to the right
    (found,) = heads(Said(scores, deltas)).find(maps(), [PROPOSALS[:2]], [SIZE])
    assert found.classes.tolist() == [1] and found.masks is None
    assert found.boxes[0].tolist() == pytest.approx([7, 7, 27, 29])


def test_stages_add_up_as_logits():
    first, second = torch.tensor([[4.0, 0, 0, 0]]), torch.tensor([[0.0, 2.0, 0, 0]])
    still = torch.zeros(1, 3, 4)
    (found,) = heads(Said(first, still), Said(second, still)).find(maps(), [PROPOSALS[:1]], [SIZE])
    expected = ((first + second) / 2).softmax(1)[0, :3]
    assert found.scores.tolist() == pytest.approx(sorted(expected.tolist(), reverse=True), rel=1e-5)


def test_features_are_flattened_channels_first():
    """What a checkpoint of another library depends on: channel, row, column."""
    head = BoxHead(2, 3, width=4)
    x = torch.randn(5, 2, 7, 7)
    flat = torch.stack([x[:, c, i, j] for c in range(2) for i in range(7) for j in range(7)], 1)
    hidden = flat @ head.linears[0].weight.T + head.linears[0].bias
    hidden = hidden.relu() @ head.linears[1].weight.T + head.linears[1].bias
    scores, deltas = head(x)
    torch.testing.assert_close(scores, head.scores(hidden.relu()), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(deltas.flatten(1), head.deltas(hidden.relu()), rtol=1e-4, atol=1e-5)
    assert deltas.shape == (5, 3, 4)
