"""FID against statistics that somebody else computed: read safely, and the distance itself against the slow way."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from small_generators import kept
from vitrail.errors import InputError
from vitrail.metrics.features import frechet, score
from vitrail.recipes import evaluation_generator, use
from vitrail.recipes.asking import Asked, Setting
from vitrail.recipes.reference import open_reference
from vitrail.recipes.seeing import ByInception, Seen

WIDTHS = (6, 5)  # of vectors and of the part of the map


def vectors(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) * 3 + seed


def file(path: Path, real: tuple[torch.Tensor, torch.Tensor], **changes: object) -> Path:
    """As ADM writes it: float64 by NumPy, pictures beside the statistics."""
    held: dict[str, object] = {"arr_0": np.zeros((3, 4, 4, 3), np.uint8)}
    for (mean, spread), part in zip((("mu", "sigma"), ("mu_s", "sigma_s")), real, strict=True):
        held |= {mean: part.double().numpy().mean(0), spread: np.cov(part.double().numpy(), rowvar=False)}
    held |= changes
    np.savez(path, **{name: value for name, value in held.items() if value is not None})  # type: ignore[arg-type]
    return path


class Eye:
    """Stands for Inception: fixed maps of pixels."""

    names = ByInception.names

    def see(self, pictures) -> Seen:
        x = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).flatten(1).float() / 255
        own = torch.Generator().manual_seed(0)
        maps = [torch.randn(x.shape[1], width, generator=own) for width in (*WIDTHS, 4)]
        found = [x @ map_ for map_ in maps]
        self.seen.append((found[0], found[1], found[2].softmax(1)))
        return Seen(*self.seen[-1])

    def __init__(self) -> None:
        self.said = {"inception": "w"}
        self.seen: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []


def test_samples_are_measured_against_the_files_statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    eye, real = Eye(), (vectors(30, 6, 1), vectors(30, 5, 2))
    monkeypatch.setattr(evaluation_generator, "_eye", lambda asked, setting: eye)
    path = file(tmp_path / "ref.npz", real)
    trained = use.load(kept(tmp_path / "g.safetensors"))
    asked = Asked(inception=Path("w"), reference=path, count=7, sampling="steps=2")
    setting = Setting(torch.device("cpu"), lambda line: None)
    found = evaluation_generator.measured(trained, Path("g"), None, None, asked, setting)  # type: ignore[arg-type]
    made = [torch.cat(parts) for parts in zip(*eye.seen[1:], strict=True)]  # the first look only counts the numbers
    document = found.document()
    assert len(made[0]) == 7 and document["held_out"] is None and not {"precision", "recall"} & document.keys()
    assert document["fid"] == pytest.approx(frechet(real[0], made[0]), rel=1e-6)
    assert document["sfid"] == pytest.approx(frechet(real[1], made[1]), rel=1e-6)
    assert document["inception_score"] == pytest.approx(score(made[2]))
    assert document["reference"] == str(path) and "inception-v3-compat" in document["reference_seen_by"]
    assert document["reference_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(path) in found.line() and "TensorFlow" in found.line() and found.tables()[0].rows
    alone = file(tmp_path / "alone.npz", real, mu_s=None, sigma_s=None)
    eye.seen.clear()
    short = evaluation_generator.measured(  # type: ignore[arg-type]
        trained,
        Path("g"),
        None,
        None,
        Asked(inception=Path("w"), reference=alone, count=7, sampling="steps=2"),
        setting,
    )
    assert short.numbers.keys() == {"fid", "inception_score"} and short.numbers["fid"] == document["fid"]
    for more, data, said in (
        ({"inception": None}, None, "--inception FILE goes with it"),
        ({}, "digits", "in place of --data"),
        ({"reference": file(tmp_path / "w.npz", (vectors(30, 7, 1), real[1]))}, None, "mu has 7 numbers, .* gives 6"),
        ({"reference": tmp_path / "none.npz"}, None, "no such file"),
    ):
        given = Asked(**{"inception": Path("w"), "reference": path, "count": 7, **more})  # type: ignore[arg-type]
        with pytest.raises(InputError, match=said):
            evaluation_generator.measured(trained, Path("g"), data, None, given, setting)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"mu": None},
        {"mu": np.zeros((2, 3))},
        {"sigma": np.eye(5)},
        {"sigma": np.full((6, 6), np.nan)},
        {"sigma": np.triu(np.ones((6, 6)))},
        {"sigma": np.eye(6, dtype=np.int64)},
        {"mu_s": None},
    ],
    ids=str,
)
def test_numbers_that_are_no_statistics_are_refused(tmp_path: Path, changes: dict) -> None:
    path = file(tmp_path / "ref.npz", (vectors(30, 6, 1), vectors(30, 5, 2)), **changes)
    with pytest.raises(InputError, match="finite and symmetric"):
        open_reference(path)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "run",))

    objects = np.array([Evil()], dtype=object)
    np.savez(tmp_path / "evil.npz", mu=objects, sigma=objects)
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "text.npz").write_text("no numbers")
    for name in ("evil.npz", "one.npy", "text.npz"):
        with pytest.raises(InputError, match=r"no \.npz file of numbers"):
            open_reference(tmp_path / name)
    assert not (tmp_path / "run").exists()


def test_the_part_of_the_map_lies_as_the_file_has_it() -> None:
    """Row by row, then column by column, then channel: so ADM flattens it."""
    maps = torch.arange(2 * 9 * 4 * 3, dtype=torch.float32).reshape(2, 9, 4, 3)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.Mixed_6d = torch.nn.Module()
            self.Mixed_6d.branch1x1 = torch.nn.Identity()

        def forward(self, x):
            self.Mixed_6d.branch1x1(maps)
            return torch.zeros(2, 3), torch.zeros(2, 4)

    eye = ByInception.__new__(ByInception)
    eye.model, eye.device = Model(), torch.device("cpu")  # type: ignore[assignment]
    seen = eye.see([Image.new("RGB", (5, 5))] * 2)
    expected = [[float(maps[b, c, y, x]) for y in range(4) for x in range(3) for c in range(7)] for b in range(2)]
    assert seen.spatial.tolist() == expected
