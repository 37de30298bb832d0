"""A checkpoint in LDM's names becomes a folder of diffusers' AutoencoderKL that encodes and decodes as it did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from slow_ldm import LATENT, WIDTHS, ldm
from vitrail.errors import InputError
from vitrail.models.autoencoder import open_autoencoder
from vitrail.weights.autoencoder import convert_autoencoder
from vitrail.weights.formats.ldm import to_diffusers


def checkpoint(path: Path) -> Path:
    """As training writes it: with a discriminator and VA-VAE's map to features beside the autoencoder."""
    beside = {"loss.logvar": torch.zeros(()), "linear_proj.weight": torch.zeros(2, 2)}
    torch.save({"epoch": 3, "state_dict": {**ldm().state_dict(), **beside}}, path)
    return path


def test_every_tensor_finds_a_place_of_its_own(tmp_path: Path) -> None:
    done = convert_autoencoder(checkpoint(tmp_path / "vavae.pt"), tmp_path / "out")
    assert (done["taken"], done["channels"], done["stride"]) == ("state_dict", LATENT, 4)
    assert sorted(done["left_out"]) == ["linear_proj.weight", "loss.logvar"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "vavae.pt"]
    written = load_file(tmp_path / "out" / "diffusion_pytorch_model.safetensors")
    before = sorted(tensor.flatten().tolist() for tensor in ldm().state_dict().values())
    assert sorted(tensor.flatten().tolist() for tensor in written.values()) == before
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["down_block_types"] == ["DownEncoderBlock2D"] * 2 + ["AttnDownEncoderBlock2D"]
    assert config["up_block_types"] == ["AttnUpDecoderBlock2D"] + ["UpDecoderBlock2D"] * 2
    assert (config["block_out_channels"], config["layers_per_block"]) == (list(WIDTHS), 1)


def test_diffusers_encodes_and_decodes_the_same(tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="diffusers, of the extra `generation`, is not installed")
    convert_autoencoder(checkpoint(tmp_path / "vavae.pt"), tmp_path / "out")
    found, slow = open_autoencoder(tmp_path / "out"), ldm()
    assert (found.channels, found.stride) == (LATENT, 4)
    drawn = torch.Generator().manual_seed(1)
    colours = torch.rand(2, 3, 20, 12, generator=drawn)
    for ours, theirs in zip(found.encode(colours), slow.encode(colours * 2 - 1), strict=True):
        assert ours.shape == (2, LATENT, 5, 3)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    latents = torch.randn(2, LATENT, 5, 3, generator=drawn)
    torch.testing.assert_close(found.decode(latents), slow.decode(latents) / 2 + 0.5, rtol=1e-5, atol=1e-5)


def test_names_may_stand_in_a_larger_model_and_without_maps_around_the_latent() -> None:
    own = {name: tensor for name, tensor in ldm().state_dict().items() if "quant" not in name}
    found = to_diffusers(
        {f"first_stage_model.{name}": tensor for name, tensor in own.items()} | {"betas": torch.ones(2)}
    )
    assert not found.config["use_quant_conv"] and found.left_out == ("betas",) and len(found.tensors) == len(own)
    assert found.tensors["encoder.mid_block.attentions.0.to_q.weight"].shape == (WIDTHS[-1],) * 2


def changed(**changes: Any) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in (ldm().state_dict() | changes).items() if tensor is not None}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (lambda: {"head.weight": torch.ones(2)}, "no autoencoder in LDM's names"),
        (lambda: changed(**{"decoder.up.2.attn.1.q.bias": None}), r"it lacks decoder\.up\.2\.attn\.1\.q\.bias"),
        (lambda: changed(**{"encoder.mid.attn_1.norm.weight": None}), r"it lacks encoder\.mid\.attn_1\.norm\.weight"),
        (lambda: changed(**{"encoder.down.0.extra.weight": torch.ones(1)}), r"down\.0\.extra\.weight has no place"),
        (lambda: changed(**{"quant_conv.weight": torch.ones(12, 8, 1, 1)}), "latents of 6 channels are made of 4"),
        (
            lambda: changed(**{"encoder.down.1.block.0.conv1.weight": torch.ones(40, 32, 3, 3)}),
            "a level has 40 channels",
        ),
    ],
)
def test_what_is_no_such_autoencoder_is_said_and_nothing_written(tmp_path: Path, state, said: str) -> None:
    save_file({name: tensor.contiguous() for name, tensor in state().items()}, tmp_path / "in.safetensors")
    with pytest.raises(InputError, match=said) as error:
        convert_autoencoder(tmp_path / "in.safetensors", tmp_path / "out")
    assert "\n" not in str(error.value) and [path.name for path in tmp_path.iterdir()] == ["in.safetensors"]


def test_a_folder_that_is_not_empty_stays_as_it_is(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "vavae.pt")
    for target, said in (
        (tmp_path, "is not empty"),
        (source, "is a file, wanted a folder"),
        (tmp_path / "no" / "out", "no folder"),
    ):
        with pytest.raises(InputError, match=said):
            convert_autoencoder(source, target)
    assert [path.name for path in tmp_path.iterdir()] == ["vavae.pt"]
