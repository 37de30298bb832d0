"""Which parameters learn, how fast, and which decay."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from vitrail.errors import InputError
from vitrail.models.catalogue import create_model
from vitrail.train import optimizer as optimizers


class Table(nn.Module):
    """A linear map, a norm and a table that the model itself exempts."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 2), nn.LayerNorm(2)
        self.table = nn.Parameter(torch.zeros(4, 4))
        self.frozen = nn.Parameter(torch.zeros(2, 2), requires_grad=False)

    def no_weight_decay(self) -> set[str]:
        return {"table"}


def test_only_matrices_that_the_model_does_not_exempt_decay() -> None:
    model = Table()
    decayed, free = optimizers.groups(model, 0.05)
    assert [id(p) for p in decayed["params"]] == [id(model.linear.weight)]
    assert decayed["weight_decay"] == 0.05
    exempt = (model.linear.bias, *model.norm.parameters(), model.table)
    assert {id(p) for p in free["params"]} == {id(p) for p in exempt}
    assert free["weight_decay"] == 0.0
    assert len(optimizers.groups(nn.LayerNorm(3), 0.05)) == 1


def decays(model: nn.Module, exempt: tuple[str, ...]) -> set[str]:
    found = {
        id(p) for group in optimizers.groups(model, 0.05, exempt) for p in group["params"] if group["weight_decay"]
    }
    return {name for name, parameter in model.named_parameters() if id(parameter) in found}


def test_what_decays_is_the_recipes_choice() -> None:
    learning = {"linear.weight", "linear.bias", "norm.weight", "norm.bias", "table"}
    assert decays(Table(), ()) == learning  # a classic ResNet's
    assert decays(Table(), ("norm", "named")) == {"linear.weight", "linear.bias"}  # the detection codes'
    assert decays(Table(), ("vector",)) == {"linear.weight", "table"}
    assert decays(Table(), ("n*m.bias", "t*r")) == learning - {"norm.bias"}


def scales(model: nn.Module, **options: Any) -> dict[str, float]:
    found = {id(p): group["scale"] for group in optimizers.groups(model, 0.05, **options) for p in group["params"]}
    return {name: found[id(parameter)] for name, parameter in model.named_parameters() if id(parameter) in found}


def test_the_longest_part_of_a_path_decides_the_rate() -> None:
    said = scales(Table(), rates={"n": 0.5, "norm": 0.1, "norm.bias": 2.0})
    assert said == {"linear.weight": 0.5, "linear.bias": 0.5, "norm.weight": 0.1, "norm.bias": 2.0, "table": 1.0}
    with pytest.raises(InputError, match="no parameter's path holds 'backbone'"):
        scales(Table(), rates={"backbone": 0.1})


def test_each_layer_learns_slower_than_the_one_above() -> None:
    model = create_model("swin_nano", 3, (32, 32), dim=8, depths=(1, 2, 1, 1), heads=(1, 1, 2, 2), window=2)
    said = scales(model, layer_decay=0.5)
    assert said["head.weight"] == said["norm.weight"] == 1.0
    assert said["trunk.stem.project.weight"] == 0.5**6
    blocks = {name: scale for name, scale in said.items() if ".blocks." in name or ".down." in name}
    expected = {(0, 0): 5, (1, 0): 4, (1, 1): 3, (2, 0): 2, (3, 0): 1}
    for name, scale in blocks.items():
        words = name.split(".")
        assert scale == 0.5 ** expected[int(words[2]), int(words[4]) if words[3] == "blocks" else 0], name
    with pytest.raises(InputError, match="does not say its layers"):
        scales(Table(), layer_decay=0.5)


def test_frozen_parts_stay_as_they_are() -> None:
    model = create_model("iwin_nano", 3, (32, 32), dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 2, 2), drop_path=0.5)
    optimizers.freeze(model, 2)
    model.train()
    assert not model.trunk.stem.training and not any(m.training for m in model.trunk.stages[0].modules())
    assert all(m.training for m in model.trunk.stages[1].modules())
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {n for n, _ in model.named_parameters() if n.startswith(("trunk.stem.", "trunk.stages.0."))}
    with pytest.raises(InputError, match="has 5 parts"):
        optimizers.freeze(model, 6)
    with pytest.raises(InputError, match="Table has 0 parts"):
        optimizers.freeze(Table(), 1)
    with pytest.raises(InputError, match="nothing to learn"):
        optimizers.groups(model.requires_grad_(False), 0.1)


def test_batch_norms_of_the_backbone_keep_their_statistics_and_learn() -> None:
    model = create_model("semantic_fpn_torchvision/resnet18", 3, (64, 64), pyramid=8, channels=8)
    optimizers.freeze(model, 2, still=True)
    model.train()
    body = model.backbone.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items() if "running" in name}
    model(torch.randn(2, 3, 64, 64)).square().mean().backward()
    after = model.state_dict()
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert moved and all(not name.startswith("backbone.") for name in moved)  # the head's own go on
    norms = [module for module in body.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 20 and not any(norm.training for norm in norms)
    frozen = {name for name, parameter in body.named_parameters() if not parameter.requires_grad}
    assert frozen == {n for n, _ in body.named_parameters() if n.startswith(("conv1.", "bn1.", "layer1."))}
    assert all(p.grad is not None for n, p in body.named_parameters() if n not in frozen)  # weights of norms too
    assert body.get_submodule("layer2.0.conv1").training and not body.get_submodule("layer1.0.conv1").training
    with torch.device("meta"):
        without = create_model("retinanet_iwin_nano", 3, (64, 64))
    with pytest.raises(InputError, match="backbone of retinanet_iwin_nano has no batch norm"):
        optimizers.freeze(without, 0, still=True)


def test_optimizers_hand_on_what_they_are_given() -> None:
    adamw = optimizers.adamw(optimizers.groups(Table(), 0.05), 1e-3, (0.8, 0.9), 1e-7)
    assert [adamw.param_groups[1][name] for name in ("lr", "betas", "eps")] == [1e-3, (0.8, 0.9), 1e-7]
    sgd = optimizers.sgd(optimizers.groups(Table(), 1e-4, rates={"norm": 0.1}), 0.1, 0.9)
    assert (sgd.param_groups[0]["momentum"], sgd.param_groups[0]["weight_decay"]) == (0.9, 1e-4)
    optimizers.set_rate(sgd, 0.5)
    assert sorted({group["lr"] for group in sgd.param_groups}) == [0.05, 0.5]
