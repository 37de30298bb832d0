"""A KL autoencoder written plainly under LDM's names, attention in its last level as in VA-VAE's; B, C, h, w."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS, LAYERS, LATENT = (32, 32, 64), 1, 4  # norms have 32 groups, so no level is narrower


def norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, width, eps=1e-6)


class Resnet(nn.Module):
    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm(given), nn.Conv2d(given, made, 3, padding=1)
        self.norm2, self.conv2 = norm(made), nn.Conv2d(made, made, 3, padding=1)
        if given != made:
            self.nin_shortcut = nn.Conv2d(given, made, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return y + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = norm(width)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        q, k, v = (map_(y).flatten(2) for map_ in (self.q, self.k, self.v))  # (B, C, h·w)
        shares = torch.softmax(q.transpose(1, 2) @ k / x.shape[1] ** 0.5, dim=-1)
        return x + self.proj_out((v @ shares.transpose(1, 2)).unflatten(2, x.shape[2:]))


class Changed(nn.Module):
    """Half or twice the size; LDM pads below and to the right before it halves."""

    def __init__(self, width: int, down: bool) -> None:
        super().__init__()
        self.down, self.conv = down, nn.Conv2d(width, width, 3, stride=2 if down else 1, padding=0 if down else 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)) if self.down else F.interpolate(x, scale_factor=2, mode="nearest"))


class Level(nn.Module):
    def __init__(self, given: int, made: int, layers: int, attended: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList(Resnet(made if number else given, made) for number in range(layers))
        self.attn = nn.ModuleList(Attention(made) for _ in range(layers * attended))

    def forward(self, x: Tensor) -> Tensor:
        for number, block in enumerate(self.block):
            x = block(x)
            x = self.attn[number](x) if len(self.attn) else x
        for name in ("downsample", "upsample"):
            x = getattr(self, name)(x) if hasattr(self, name) else x
        return x


def middle(width: int) -> nn.Module:
    found = nn.Module()
    found.block_1, found.attn_1, found.block_2 = Resnet(width, width), Attention(width), Resnet(width, width)
    return found


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        last = len(WIDTHS) - 1
        self.conv_in = nn.Conv2d(3, WIDTHS[0], 3, padding=1)
        given = (WIDTHS[0], *WIDTHS)
        self.down = nn.ModuleList(Level(given[n], WIDTHS[n], LAYERS, n == last) for n in range(last + 1))
        for level, width in zip(self.down[:-1], WIDTHS, strict=False):
            level.downsample = Changed(width, True)
        self.mid, self.norm_out = middle(WIDTHS[-1]), norm(WIDTHS[-1])
        self.conv_out = nn.Conv2d(WIDTHS[-1], 2 * LATENT, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        x = self.mid.block_2(self.mid.attn_1(self.mid.block_1(x)))
        return self.conv_out(F.silu(self.norm_out(x)))


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        last = len(WIDTHS) - 1
        self.conv_in, self.mid = nn.Conv2d(LATENT, WIDTHS[-1], 3, padding=1), middle(WIDTHS[-1])
        given = (*WIDTHS[1:], WIDTHS[-1])
        self.up = nn.ModuleList(Level(given[n], WIDTHS[n], LAYERS + 1, n == last) for n in range(last + 1))
        for level, width in zip(self.up[1:], WIDTHS[1:], strict=True):
            level.upsample = Changed(width, False)
        self.norm_out, self.conv_out = norm(WIDTHS[0]), nn.Conv2d(WIDTHS[0], 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        z = self.conv_in(z)
        z = self.mid.block_2(self.mid.attn_1(self.mid.block_1(z)))
        for level in reversed(self.up):
            z = level(z)
        return self.conv_out(F.silu(self.norm_out(z)))


class LDM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()
        self.quant_conv, self.post_quant_conv = nn.Conv2d(2 * LATENT, 2 * LATENT, 1), nn.Conv2d(LATENT, LATENT, 1)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures in [-1, 1] -> mean and deviation."""
        mean, logarithm = self.quant_conv(self.encoder(x)).chunk(2, dim=1)
        return mean, torch.exp(logarithm.clamp(-30, 20) / 2)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(z))


def ldm() -> LDM:
    """The same each time, and no parameter at a value that hides it."""
    torch.manual_seed(0)
    model = LDM().eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    return model
