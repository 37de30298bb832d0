"""The moving average, against torch's."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vitrail.train.average import Average


def test_it_is_torchs() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    theirs.update_parameters(model)  # the first call copies
    ours = Average(model, 0.9)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(5):
        model(torch.randn(8, 3)).square().sum().backward()
        optimizer.step()
        ours.update()
        theirs.update_parameters(model)
    live = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with ours.applied():
        for name, tensor in theirs.module.state_dict().items():
            if tensor.is_floating_point():
                torch.testing.assert_close(model.state_dict()[name], tensor)
        assert not torch.equal(model[0].weight, live["0.weight"])
    assert all(torch.equal(tensor, live[name]) for name, tensor in model.state_dict().items())
    ours.take()
    assert torch.equal(ours.tensors["0.weight"], live["0.weight"])
