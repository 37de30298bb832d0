"""Attention rollout for networks of windows and steps down: which tokens of the first stage the last map comes from.

Of every block the mixer's matrix and the identity, for the residual path, count alike: A' = (A + I) / 2, where the
rows of A, averaged over heads, sum to one. Rollout is the product of all A' from the last block to the first, with the
steps down between the stages as matrices of their own. It is a row of this product that is asked for, so relevance is
handed from above, block by block, and no (T, T) matrix exists: memory is that of one block's windows.

What is not attention: a convolution beside it (Iwin's, LIM, LEM) is a matrix of its own, its kernel without signs, and
counts as much as the attention; one that stands alone (PEG, Iwin's S3) is a mixer; so are the steps down, 3 x 3
convolutions and patch merging, by their absolute weights. SSA's keys hand what they get to the positions they were
reduced from. MLPs and norms mix no positions.

Source: Abnar and Zuidema (arXiv 2005.00928), attention rollout, for transformers of one resolution and a class token.
Differs: all of the above, and the mean over positions of the last map, which classes are read from, stands for the
class token. Values are not looked at, so a token with much weight and a small value counts in full.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.geometry.links import Linked
from vitrail.insight.attention_share import RULES, Noted, hand_down
from vitrail.insight.kernel_share import step_down
from vitrail.insight.watching import noting, still
from vitrail.mixers import DepthwiseConv, Sum
from vitrail.models.assemble import Network
from vitrail.pyramid import Block, Pyramid, Residual, Stage


def refusal(model: nn.Module) -> str | None:
    """Why rollout cannot follow a network, in one line; None when it can."""
    name = getattr(model, "name", type(model).__name__)
    trunk = getattr(model, "trunk", None)
    if not isinstance(model, Network) or not isinstance(trunk, Pyramid):
        return f"{name}: rollout follows the attention of vitrail's own networks; cam and field take others too."
    if len(model.input_size) != 2:
        return f"{name} is a model of clips; rollout follows those of pictures."
    kinds = tuple(kind for kind, _ in RULES)
    linked = [m for block in model.blocks() for m in block.modules() if isinstance(m, Linked)]
    leaves = [m for m in linked if not isinstance(m, (Block, Residual, Sum, *kinds))]
    other = next((m for m in leaves if not any(isinstance(child, Linked) for child in m.children())), None)
    if other is not None:
        return f"{name} has {type(other).__name__}, which is no attention, so rollout has nothing to follow; cam does."
    if not any(isinstance(m, kinds) and not isinstance(m, DepthwiseConv) for m in linked):
        return f"{name} has no attention, so rollout has nothing to follow; cam and field look at it."
    return None


@torch.no_grad()
def rollout(model: nn.Module, pictures: Tensor, start: Tensor | None = None) -> Tensor:
    """Where the last map comes from, by attention alone.

    Args:
        model: A network of iwin, swin or scalablevit, as `create_model` gives it; it is left as it was.
        pictures: (B, C_in, H, W), any H and W.
        start: Relevance of the last map's positions, (B, h_last, w_last); by default 1 / (h_last w_last) each.
    Returns:
        (B, h, w) of the first stage's tokens, 0 or more; each picture's sum is that of its start, 1 by default.
    Raises: InputError for a network whose mixers are no attention, or another library's.
    """
    reason = refusal(model)
    if reason:
        raise InputError(reason)
    assert isinstance(model, Network)
    trunk = model.trunk
    kinds = tuple(kind for kind, _ in RULES)
    mixers = [m for m in trunk.modules() if isinstance(m, kinds)]
    stages = [stage for stage in trunk.stages if isinstance(stage, Stage)]
    downs = [stage.down for stage in stages if stage.down is not None]
    at = next(trunk.parameters())
    with still(model), noting([*mixers, *downs], inputs=True) as noted:
        last = trunk(pictures.to(at.device, at.dtype))[-1]
        relevance = last.new_full(last.shape[:3], 1 / last[0, ..., 0].numel(), dtype=torch.float32)
        if start is not None:
            if start.shape != relevance.shape:
                raise InputError(
                    f"start is {tuple(start.shape)}, wanted that of the last map, {tuple(last.shape[:3])}."
                )
            relevance = start.to(relevance)
        for stage in reversed(stages):
            for block in reversed(list(stage.blocks)):
                relevance = through(block, noted, relevance)
            if stage.down is not None:
                before = noted[stage.down].shape
                relevance = step_down(stage.down, (before[1], before[2]), relevance)
    return relevance


def through(block: nn.Module, noted: Noted, relevance: Tensor) -> Tensor:
    """Relevance of a block's outputs handed to its inputs, (B, H, W) -> (B, H, W): residual path and mixer alike."""
    for branch in reversed(list(block.children())):
        body = branch.body if isinstance(branch, Residual) else branch
        if isinstance(body, Linked):  # what states no links, an MLP, mixes no positions
            assert isinstance(body, nn.Module)
            relevance = (relevance + hand_down(body, noted, relevance)) / 2
    return relevance
