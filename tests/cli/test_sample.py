"""`vitrail sample`, as a shell calls it: the same samples whatever the batch, and every choice beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from small_generators import CLASSES, kept, recipe
from vitrail.errors import InputError
from vitrail.export.optimize import optimize
from vitrail.flow.sample import sample
from vitrail.flow.sampling import Sampling
from vitrail.models.catalogue import create_model
from vitrail.recipes import run, use
from vitrail.recipes.recipe import to_json
from vitrail.recipes.sample_pictures import MOST, _check_pictures
from vitrail.recipes.sample_pictures import made as made_of
from vitrail.recipes.wanted import Wanted
from vitrail.weights import open_model, save

FAST = ("--steps", 3, "--device", "cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("weights") / "g.safetensors")


def pixels(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path)).astype(int) for path in sorted(folder.glob("*.png"))}


def test_samples_follow_from_class_number_and_seed_alone(vitrail, weights: Path, tmp_path: Path) -> None:
    for name, more in (("a", ()), ("b", ("--batch", 2)), ("c", ("--batch", 1))):
        code, text, _ = vitrail(
            "sample", weights, "--classes", "3,7", "--count", 3, "--out", tmp_path / name, *FAST, *more
        )
        assert code == 0 and text == f"{tmp_path / name}: 6 pictures\n"
    vitrail("sample", weights, "--classes", "7", "--count", 2, "--out", tmp_path / "d", *FAST)
    vitrail("sample", weights, "--classes", "7", "--count", 2, "--seed", 1, "--out", tmp_path / "e", *FAST)
    a, b, c, d, e = (pixels(tmp_path / name) for name in "abcde")
    assert sorted(a) == ["3-0000.png", "3-0001.png", "3-0002.png", "7-0000.png", "7-0001.png", "7-0002.png"]
    for other in (b, c, d):  # another batch rounds otherwise, by one of 255 at most
        assert all(np.abs(a[name] - image).max() <= 1 for name, image in other.items())
    assert (
        all(np.abs(a[name] - e[name]).max() > 10 for name in e) and np.abs(a["3-0000.png"] - a["7-0000.png"]).max() > 10
    )
    again = vitrail("sample", weights, "--classes", "3,7", "--count", 3, "--out", tmp_path / "f", *FAST)
    assert again[0] == 0 and all(np.array_equal(a[name], image) for name, image in pixels(tmp_path / "f").items())


def test_a_sample_is_what_the_flow_carries_its_noise_to(vitrail, weights: Path, tmp_path: Path) -> None:
    choices = (
        "--scale",
        2.5,
        "--interval",
        "0.1,0.8",
        "--channels",
        2,
        "--shift",
        0.5,
        "--solver",
        "heun",
        "--seed",
        4,
    )
    vitrail("sample", weights, "--classes", "5", "--count", 2, "--out", tmp_path / "o", *FAST, *choices)
    model, _ = open_model(weights)
    sampling = Sampling(solver="heun", steps=3, shift=0.5, scale=2.5, channels=2, start=0.1, end=0.8, seed=4)
    made = sample(model, torch.tensor([5, 5]), (3, 8, 8), sampling, 10, [5, 15])
    expected = (made * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy().astype(int)
    for place, image in enumerate(pixels(tmp_path / "o").values()):
        assert np.abs(image - expected[place]).max() <= 1
    document = json.loads((tmp_path / "o" / "samples.json").read_text())
    inside = json.loads(Image.open(tmp_path / "o" / "5-0001.png").text["vitrail"])  # type: ignore[attr-defined]
    assert document["sampling"] == inside["sampling"] == asdict(sampling)
    assert [row["number"] for row in document["pictures"]] == [5, 15]
    assert (inside["class"], inside["label"], inside["number"], inside["size"]) == ("5", 5, 15, [8, 8])
    assert document["pictures"][1]["file"] == "5-0001.png" and document["model"] == "flashdit_nano_1"


def test_guidance_of_one_is_no_guidance(vitrail, weights: Path, tmp_path: Path) -> None:
    images = []
    for number, more in enumerate(
        ((), ("--scale", 1), ("--scale", 1, "--interval", "0.2,0.5", "--channels", 1), ("--scale", 2))
    ):
        vitrail("sample", weights, "--classes", "1", "--count", 2, "--out", tmp_path / str(number), *FAST, *more)
        images.append(pixels(tmp_path / str(number)))
    none, one, cut, two = images
    assert all(np.array_equal(none[name], one[name]) and np.array_equal(one[name], cut[name]) for name in none)
    assert any(np.abs(none[name] - two[name]).max() > 3 for name in none)


def test_grids_of_classes_sizes_and_ways(vitrail, weights: Path, tmp_path: Path) -> None:
    grid = tmp_path / "g.png"
    code, text, _ = vitrail("sample", weights, "--count", 1, "--grid", grid, "--json", *FAST)
    document = json.loads(text)
    assert code == 0 and document == json.loads((tmp_path / "g.json").read_text())
    assert [row["class"] for row in document["pictures"]] == list(CLASSES) and "file" not in document["pictures"][0]
    sheet = Image.open(grid)
    assert json.loads(sheet.text["vitrail"]) == document and sheet.height == 10 * 42 + 2  # type: ignore[attr-defined]
    given = ("--classes", "2,4", "--count", 1, "--sizes", "8x8,12x12,5x16", "--out", tmp_path / "s", "--grid", grid)
    assert vitrail("sample", weights, *given, *FAST)[0] == 0
    shapes = {name: image.shape for name, image in pixels(tmp_path / "s").items()}
    assert shapes["12_x_12-0001.png"] == (12, 12, 3) and shapes["5_x_16-0000.png"] == (5, 16, 3)
    plain = pixels(tmp_path / "s")["8_x_8-0000.png"]
    vitrail("sample", weights, "--classes", "2", "--count", 1, "--size", "8x8", "--out", tmp_path / "p", *FAST)
    assert np.abs(plain - pixels(tmp_path / "p")["2-0000.png"]).max() <= 1
    vitrail("sample", weights, "--interpolate", "2,4", "--count", 4, "--scale", 1.5, "--out", tmp_path / "w", *FAST)
    ways = pixels(tmp_path / "w")
    assert sorted({name[:-9] for name in ways}) == ["2_noise", "2_to_4", "4_noise"]
    # the way between classes begins where the first row does and ends where the second does
    assert np.abs(ways["2_to_4-0000.png"] - ways["2_noise-0000.png"]).max() <= 1
    assert np.abs(ways["2_to_4-0003.png"] - ways["4_noise-0000.png"]).max() <= 1
    assert np.abs(ways["2_to_4-0001.png"] - ways["2_to_4-0002.png"]).max() > 1


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("generate_digits", ("sample r --grid out.png", "eval r --features CLASSIFIER")),
        ("train_text", ("sample r --prompt TEXT", "eval r")),
    ],
)
def test_a_run_says_what_to_do_next(vitrail, name: str, lines: tuple[str, str], monkeypatch) -> None:
    monkeypatch.setattr(run, "train", lambda *given, **more: {"run": "r"})
    assert vitrail("train", name)[1].splitlines()[1:] == [f"  vitrail {line}" for line in lines]


def test_each_picture_has_a_file_of_its_own(vitrail, tmp_path: Path) -> None:
    path = kept(tmp_path / "g.safetensors", classes=("😀", "🎉", "Cat", "cat"))
    assert vitrail("sample", path, "--count", 1, "--out", tmp_path / "o", *FAST)[0] == 0
    files = [row["file"] for row in json.loads((tmp_path / "o" / "samples.json").read_text())["pictures"]]
    assert len({name.lower() for name in files}) == 4 and sorted(files) == sorted(pixels(tmp_path / "o"))


def test_labels_go_where_the_model_is(weights: Path) -> None:
    class Enough(Exception):
        pass

    def look(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        seen.append({part.device.type for part in given})
        raise Enough

    trained, seen = use.load(weights), []
    trained.model.to("meta").register_forward_pre_hook(look)
    with pytest.raises(Enough):
        trained.sample([1, 2], Sampling(steps=1, scale=2.0))  # type: ignore[union-attr]
    assert seen == [{"meta"}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{weights}", "Where to? --grid out.png"),
        ("{weights} --grid {here}/out.jpg", "wanted a .png file"),
        ("{weights} --grid {here}/no/out.png", "in a folder that exists"),
        ("{weights} --grid {here}/o.png --classes 3,cat", "'cat' is no class of this model"),
        ("{weights} --grid {here}/o.png --classes 10", "'10' is no class of this model"),
        ("{weights} --grid {here}/o.png --interval 0.5,0.2", "interval '0.5,0.2': wanted two moments"),
        ("{weights} --grid {here}/o.png --solver rk4", "solver='rk4'"),
        ("{weights} --grid {here}/o.png --shift 0", "shift=0.0"),
        ("{weights} --grid {here}/o.png --channels 4", "channels=4 are to be guided, and the model makes 3"),
        ("{weights} --grid {here}/o.png --size 8x8 --sizes 8x8", "--size or --sizes"),
        ("{weights} --grid {here}/o.png --sizes 8xx", "wanted HxW in pixels, or of a model of latents in places of"),
        ("{weights} --grid {here}/o.png --size 20000", "wanted sides from 1 to 16384, in pixels"),
        ("{weights} --grid {here}/o.png --interpolate 1", "wanted two classes"),
        ("{weights} --grid {here}/o.png --interpolate 1,2 --classes 3", "leave --classes and --sizes out"),
        ("{weights} --out {here}", "is not empty; --out takes a folder of its own"),
        ("{weights} --grid {here}/o.png --vae x", "--vae is for models of latents"),
        ("{plain} --grid {here}/o.png --scale 2", "this one knows no label for none"),
        ("{judge} --grid {here}/o.png", "holds iwin_nano, which makes nothing: vitrail predict"),
        ("{here}/none.safetensors --grid {here}/o.png", "No file at"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(
    vitrail, arguments: str, message: str, weights: Path, tmp_path: Path
) -> None:
    plain, judge = kept(tmp_path / "plain.safetensors", label_drop=0.0), tmp_path / "judge.safetensors"
    save(
        judge,
        create_model("iwin_nano", 2, 32, dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 1, 1), window=2),
        classes=["a", "b"],
    )
    given = arguments.format(weights=weights, here=tmp_path, plain=plain, judge=judge).split(" ")
    code, out, error = vitrail("sample", *given, "--steps", 2, "--device", "cpu")
    assert (code, out) == (2, "") and message in error, error
    assert error.startswith("error: ") and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judge.safetensors", "plain.safetensors"]


def test_sizes_of_latents_are_those_of_their_grid(tmp_path: Path) -> None:
    trained = use.load(kept(tmp_path / "g.safetensors"))
    settings = replace(trained.preprocessing, space="latents")  # type: ignore[union-attr, type-var]
    decoded = SimpleNamespace(stride=16)
    latents = replace(trained, preprocessing=settings, autoencoder=decoded)  # type: ignore[type-var, arg-type]
    wanted = Wanted(grid=tmp_path / "o.png", size=(1, MOST + 1))
    with pytest.raises(InputError, match="from 1 to 16384, in places of the latents' grid"):
        made_of(latents, tmp_path, wanted)
    _check_pictures(latents, [(1024, 8)])
    with pytest.raises(InputError, match="decoded into pictures of 128x16400 pixels; wanted 16384 .* 8x8 is what was"):
        _check_pictures(latents, [(8, 8), (8, 1025)])


def test_what_looks_at_pictures_sends_a_generator_to_sample(vitrail, weights: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.json").write_text(to_json(recipe()))
    for command in (
        ("export", weights, "--to", "torch", "--output", tmp_path / "o.pt2"),
        ("export", "flashdit_nano_1", "--to", "torch", "--size", "8", "--output", tmp_path / "o.pt2"),
        ("bench", "flashdit_nano_1@compiled"),
        ("bench", "swin_nano", "--against", run),
        ("compare", run),
        ("predict", weights, tmp_path),
    ):
        code, out, error = vitrail(*command)
        assert (code, out) == (2, "") and "vitrail sample" in error.splitlines()[-1], error
    with pytest.raises(InputError, match="vitrail sample"):
        optimize(open_model(weights)[0], torch.zeros(1, 3, 8, 8))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_generator_tells_nothing_of_pictures(vitrail, weights: Path, tmp_path: Path) -> None:
    code, _, error = vitrail("predict", weights, tmp_path, "--device", "cpu")
    assert code == 2 and "makes pictures and tells nothing of them: vitrail sample" in error
    code, _, error = vitrail("latents", tmp_path, "--vae", tmp_path, "--out", tmp_path / "z", "--device", "cpu")
    assert code == 2 and "no data that vitrail knows" in error and not (tmp_path / "z").exists()
