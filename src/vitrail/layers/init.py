"""The starting values of each family of models."""

from __future__ import annotations

import math

from torch import nn


def init_linear(module: nn.Module) -> None:
    """Linear maps normal with deviation 0.02, cut at an absolute 2, biases 0; norms 1 and 0. For `Module.apply`.

    Source: the releases of Swin, Iwin and ScalableViT. Convolutions are left as PyTorch makes them.
    """
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def init_conv_kaiming(module: nn.Module) -> None:
    """2-D convolutions Kaiming-normal by fan-in with gain sqrt(2), biases 0. Source: Iwin's release for dense tasks."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def init_clip_conv(module: nn.Module) -> None:
    """3-D convolutions Kaiming-normal by fan-out with gain sqrt(2), biases 0. Source: Iwin's release for video."""
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def init_conv_fan_out(module: nn.Module) -> None:
    """2-D convolutions normal with deviation sqrt(2 / (k·k·C_out / groups)), biases 0. Source: ScalableViT."""
    if isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
