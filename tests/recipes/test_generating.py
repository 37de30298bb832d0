"""A run that learns to make pictures, from the recipe to the files it leaves; and how it is measured."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import several
from small_generators import SPEC, kept, recipe
from vitrail.data import digits
from vitrail.data.generation_batches import adm_crop
from vitrail.data.generation_settings import GenerationAugment, GenerationPreprocessing
from vitrail.data.loader import Loader
from vitrail.data.settings import Augment, Preprocessing
from vitrail.errors import InputError
from vitrail.flow.sampling import Sampling
from vitrail.metrics import features
from vitrail.models.autoencoder import Autoencoder, open_autoencoder
from vitrail.models.catalogue import create_model
from vitrail.recipes import encoding, evaluation_generator, generating, run, use
from vitrail.recipes.asking import Asked, Setting
from vitrail.recipes.encoding import Encoding, encode
from vitrail.recipes.find import find, of_run
from vitrail.recipes.recipe import Digits, Latents, Model, to_json
from vitrail.recipes.run import Options
from vitrail.recipes.seeing import ByInception, Seen
from vitrail.recipes.use_generator import TrainedGenerator
from vitrail.train import loop
from vitrail.train.record import read
from vitrail.weights import open_model, save
from vitrail.weights.inception import ONE, convert_inception
from vitrail.weights.statistics import convert_statistics

CPU = Options("cpu", workers=0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert run.train(recipe(), out, CPU)
    return out


def test_a_run_leaves_the_average_its_curves_and_samples(finished: Path) -> None:
    rows = read(finished)
    assert len(rows) == 2 and {"loss", "explained", "velocity", "direction"} <= rows[0].keys()
    assert {*generating.PICTURES, "model.safetensors", "best.safetensors"} <= {p.name for p in finished.iterdir()}
    trained = use.load(finished)
    assert isinstance(trained, TrainedGenerator) and trained.classes == tuple("0123456789")
    assert trained.preprocessing == GenerationPreprocessing() and trained.size == (8, 8)
    state = torch.load(sorted((finished / "checkpoints").glob("*.pt"))[-1], weights_only=True)
    weight = trained.model.state_dict()["final.linear.weight"]
    assert torch.equal(weight, state["average"]["final.linear.weight"]) and weight.abs().max() > 0
    assert not torch.equal(weight, state["model"]["final.linear.weight"])
    sheet = Image.open(finished / "samples.png").convert("RGB")
    assert sheet.height == 10 * (5 * 8 + 2) + 2  # ten classes, each pixel five wide


def test_a_resumed_run_is_the_unbroken_one(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(Exception):
        pass

    measure, calls = run.fit.__globals__["measure_held_out"], []

    def stops(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise Stop
        return measure(*arguments)

    with monkeypatch.context() as patch:
        patch.setitem(run.fit.__globals__, "measure_held_out", stops)
        with pytest.raises(Stop):
            run.train(recipe(), tmp_path / "run", CPU)
    assert run.train(of_run(tmp_path / "run"), tmp_path / "run", CPU, resume="auto")
    whole, again = (open_model(each / "model.safetensors")[0].state_dict() for each in (finished, tmp_path / "run"))
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert read(finished)[-1]["explained"] == read(tmp_path / "run")[-1]["explained"]


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    base = recipe()
    for changes, said in (
        ({"model": Model("iwin_nano", (32, 32))}, "iwin_nano makes no pictures; flashdit_nano_1"),
        ({"model": Model("flashdit_nano_1", (8, 8), {"in_channels": 4})}, "makes 4 x 8 x 8, the data has 3 x 8 x 8"),
        ({"model": Model("auto")}, "model.name=auto is not for generators"),
        (
            {"preprocessing": Preprocessing(), "augment": Augment()},
            "makes pictures, and this recipe is for models that look",
        ),
    ):
        with pytest.raises(InputError, match=said):
            run.train(replace(base, **changes), tmp_path / "run", CPU)
    with pytest.raises(InputError, match="--data FOLDER, as `vitrail latents"):
        run.train(find("flashdit_b_1_in1k"), tmp_path / "run", CPU)
    for changes, said in (
        ({"augment": Augment()}, "preprocessing is for generation, augment for pictures"),
        ({"data": Latents()}, "preprocessing.space=pixels, data.kind=latents"),
        ({"smoothing": 0.1}, "smoothing=0.1 is for classes"),
    ):
        with pytest.raises(ValueError, match=said):
            replace(base, **changes)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "steps", "batch"),
    [
        ("flashdit_xl_1_in1k", 70_000, 1024),
        ("flashdit_xl_1_released_in1k", 80_000, 128),
        ("lightningdit_xl_1_in1k", 80_000, 1024),
    ],
)
def test_the_papers_recipes_are_as_long_as_printed(name: str, steps: int, batch: int) -> None:
    made = find(name)
    epoch = made.steps or 1_281_167 // batch
    assert made.epochs * epoch == pytest.approx(steps, rel=1e-3) and made.batch == batch
    assert (made.optimizer.lr, made.optimizer.betas, made.optimizer.weight_decay) == (2e-4, (0.9, 0.95), 0)  # type: ignore[union-attr]
    assert (made.average, made.clip, made.augment) == (0.9999, None, GenerationAugment())
    rate = run.rate_of(made, 10)
    assert rate(0) == rate(99) == 2e-4


def gaussian(seed: int = 0) -> SimpleNamespace:
    """Stands for diffusers' AutoencoderKL: what `Autoencoder` asks of one, by hand; two pixels a side to a latent's."""
    generator = torch.Generator().manual_seed(seed)
    down = torch.randn(4, 3, 2, 2, generator=generator)

    class Model(torch.nn.Module):
        config = SimpleNamespace(latent_channels=4, block_out_channels=(8, 8))

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(down)

        def encode(self, x):
            mean = torch.nn.functional.conv2d(x, self.weight, stride=2)
            mean = mean.to(memory_format=torch.channels_last)  # as diffusers' may lie in memory
            return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean, std=torch.full_like(mean, 0.1)))

        def decode(self, z):
            return SimpleNamespace(sample=torch.nn.functional.conv_transpose2d(z, self.weight, stride=2))

    return Model()  # type: ignore[return-value]


def pictures(folder: Path, count: int = 5) -> Path:
    generator = torch.Generator().manual_seed(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = torch.randint(0, 256, (20, 17, 3), dtype=torch.uint8, generator=generator).numpy()
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_latents_are_one_draw_of_each_picture_and_of_its_mirror_image(tmp_path: Path) -> None:
    folder, plan = pictures(tmp_path / "in"), Encoding("vae", (8, 8), shard=4)
    encoded = encode(
        folder, tmp_path / "z", plan, torch.device("cpu"), batch=3, workers=0, model=Autoencoder(gaussian())
    )
    assert (encoded["latents"], encoded["shape"], encoded["classes"]) == (10, [4, 4, 4], ["cat", "dog"])
    shards = sorted(path.name for path in (tmp_path / "z").glob("latents-*"))
    assert shards == [f"latents-{n:05d}.safetensors" for n in range(3)]
    whole = encoding.latents.open_folder(tmp_path / "z")
    assert whole.targets == [0] * 5 + [1] * 5
    model = gaussian()
    for number in (0, 6):
        image = Image.open(folder / ("cat", "dog")[number // 5] / f"{number % 5}.png")
        colours = torch.from_numpy(np.array(adm_crop(image, (8, 8)))).permute(2, 0, 1)[None] / 255
        for flipped in (0, 1):
            mean = model.encode((colours.flip(-1) if flipped else colours) * 2 - 1).latent_dist.mean[0]
            drawn = whole[number].latents[flipped] - mean
            assert 0.05 < drawn.std() < 0.2  # a draw, not the mean
    values = torch.stack([whole[number].latents[0] for number in range(10)])
    mean, std = encoding.latents.statistics(tmp_path / "z")
    torch.testing.assert_close(torch.tensor(mean).float(), values.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.tensor(std).float(), values.std((0, 2, 3), correction=0), rtol=1e-4, atol=1e-5)


def test_encoding_goes_on_where_it_stopped_whatever_the_batch(tmp_path: Path) -> None:
    folder, plan, cpu = pictures(tmp_path / "in"), Encoding("vae", (8, 8), shard=4), torch.device("cpu")
    model = Autoencoder(gaussian())
    encode(folder, tmp_path / "a", plan, cpu, batch=4, workers=0, model=model)
    encode(folder, tmp_path / "b", plan, cpu, batch=1, workers=0, model=model)
    (tmp_path / "b" / "latents-00001.safetensors").unlink()
    (tmp_path / "b" / "statistics.safetensors").unlink()
    kept = (tmp_path / "b" / "latents-00000.safetensors").stat().st_mtime_ns
    encode(folder, tmp_path / "b", plan, cpu, batch=3, workers=0, model=model)
    assert (tmp_path / "b" / "latents-00000.safetensors").stat().st_mtime_ns == kept
    a, b = (encoding.latents.open_folder(tmp_path / name) for name in "ab")
    assert all(torch.allclose(a[i].latents, b[i].latents, atol=1e-5) for i in range(10))
    with pytest.raises(InputError, match=r"begun otherwise \(seed\)"):
        encode(folder, tmp_path / "a", replace(plan, seed=1), cpu, workers=0, model=model)
    with pytest.raises(InputError, match="holds no latents of ours"):
        encode(folder, folder, plan, cpu, workers=0, model=model)
    with pytest.raises(InputError, match="no multiple of the autoencoder's stride 2"):
        encode(folder, tmp_path / "c", replace(plan, size=(8, 7)), cpu, workers=0, model=model)
    assert not (tmp_path / "c").exists()


def test_a_run_of_latents_samples_through_its_autoencoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, plan, cpu = pictures(tmp_path / "in"), Encoding("vae", (8, 8)), torch.device("cpu")
    encode(folder, tmp_path / "z", plan, cpu, workers=0, model=Autoencoder(gaussian()))
    settings = GenerationPreprocessing(space="latents", mean=(), std=())
    model = Model("lightningdit_nano_1", (4, 4), {**SPEC, "in_channels": 4})
    chosen = replace(recipe(), model=model, data=Latents(str(tmp_path / "z"), 0.2), preprocessing=settings, epochs=1)
    assert run.train(chosen, tmp_path / "run", CPU)
    trained = use.load(tmp_path / "run")
    assert isinstance(trained, TrainedGenerator)
    mean, std = encoding.latents.statistics(tmp_path / "z")
    assert (trained.preprocessing.mean, trained.preprocessing.std) == (mean, std)
    with pytest.raises(InputError, match="--vae PATH names the autoencoder"):
        trained.sample([0, 1])
    with_vae = replace(trained, autoencoder=Autoencoder(gaussian()))
    assert with_vae.sample([0, 1]).shape == (2, 3, 8, 8)
    made = with_vae.pictures(torch.zeros(1, 4, 4, 4))[0].float() / 255
    middle = gaussian().decode(torch.tensor(mean).view(1, 4, 1, 1).expand(1, 4, 4, 4)).sample[0] / 2 + 0.5
    torch.testing.assert_close(made, middle.detach().clamp(0, 1), atol=0.003, rtol=0)


def test_diffusers_is_asked_for_the_autoencoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in of its interface: the extra itself is not needed here."""
    asked = []
    stand_in = ModuleType("diffusers")
    loader = lambda path, **options: asked.append((path, options)) or gaussian()  # noqa: E731
    stand_in.AutoencoderKL = SimpleNamespace(from_pretrained=loader)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "diffusers", stand_in)
    with pytest.raises(InputError, match=r"no autoencoder; wanted a folder"):
        open_autoencoder(tmp_path)
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text("{}")
    found = open_autoencoder(tmp_path)
    options = {"local_files_only": True, "use_safetensors": True, "low_cpu_mem_usage": False}  # no warning
    assert asked == [(tmp_path / "vae", options)]
    assert (found.channels, found.stride) == (4, 2)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(InputError, match=r"pip install 'vitrail\[generation\]'"):
        open_autoencoder(tmp_path)


def judge(path: Path) -> Path:
    torch.manual_seed(0)
    spec = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": 2}
    save(path, create_model("iwin_nano", 10, (32, 32), **spec), classes=list("0123456789"))
    return path


def test_comparing_shows_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, str]] = []
    monkeypatch.setattr(evaluation_generator, "track", lambda items, count, title: seen.append((count, title)) or items)
    values = torch.rand(3, 8, 4, generator=torch.Generator().manual_seed(0))
    looked = Seen(values[0], values[1], values[2].softmax(1))
    found = evaluation_generator.compare(SimpleNamespace(names=tuple("abcde")), looked, looked)  # type: ignore[arg-type]
    assert seen == [(4, "comparing")] and [found[name] for name in "abde"] == [pytest.approx(0, abs=1e-9)] * 2 + [1, 1]
    assert found["c"] == pytest.approx(features.score(looked.shares))


def test_a_generator_is_measured_with_a_classifiers_eyes(tmp_path: Path) -> None:
    trained = use.load(kept(tmp_path / "g.safetensors"))
    setting = Setting(torch.device("cpu"), lambda line: None)
    asked = Asked(features=judge(tmp_path / "c.safetensors"), count=12, sampling="steps=2,scale=1.5,start=0.2")
    data = Digits(held_out=0.02)
    small = replace(trained, preprocessing=GenerationPreprocessing())

    def measured(**changes: object) -> dict:
        found = evaluation_generator.measured(small, Path("g"), None, data, replace(asked, **changes), setting)
        found.write(tmp_path / "out", "g")
        assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == found.document()
        assert "classifier frechet distance" in found.line() and found.tables()[0].rows
        return found.document()

    document = measured()
    key = "classifier_frechet_distance"
    assert measured(batch=5)[key] == pytest.approx(document[key], rel=1e-2)
    assert document["sampling"]["scale"] == 1.5 and document["sampling"]["start"] == 0.2 and document["count"] == 12
    trained.model.sampling = Sampling(steps=2, scale=1.5, start=0.25, end=0.75)
    sampling = measured(sampling="end=0.5")["sampling"]
    assert (sampling["start"], sampling["end"]) == (0.25, 0.5)  # what is not said stays the model's own
    assert {"classifier_frechet_distance", "classifier_precision", "agreement"} <= document.keys()
    assert not {"fid", "precision"} & document.keys()  # another network's numbers have other names
    judged = use.load(tmp_path / "c.safetensors")
    truth = digits.open_split(0.02)[1]
    answers = judged.predict([truth[place].image for place in range(len(truth))])
    right = [rows[0][0] == str(target) for rows, target in zip(answers, truth.targets, strict=True)]
    assert document["held_out"]["agreement"] == pytest.approx(sum(right) / len(right))
    assert document["held_out"]["classifier_frechet_distance"] < document["classifier_frechet_distance"]
    for changes, said in (
        ({"features": None}, "--inception FILE, or with a classifier"),
        ({"inception": Path("x")}, "not both"),
        ({"sampling": "speed=3"}, "--sampling speed: no choice"),
        ({"sampling": "interval=1"}, "--sampling interval: no choice"),
        ({"top": 3}, "--top is not for a generator of pictures"),
        ({"vae": Path("x")}, "--vae is for models of latents"),
        ({"features": None, "inception": tmp_path / "none.pth"}, "no such file"),
    ):
        with pytest.raises(InputError, match=said):
            measured(**changes)


def test_inception_is_torch_fidelitys_with_the_spatial_part_of_adm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in of its interface: neither the library nor the weights are needed here."""

    class Extractor(torch.nn.Module):
        def __init__(self, name, features_list, feature_extractor_weights_path):
            super().__init__()
            assert features_list == ["2048", "logits_unbiased"]
            assert sorted(torch.load(feature_extractor_weights_path)) == [ONE, "other"]
            self.Mixed_6d = torch.nn.Module()
            self.Mixed_6d.branch1x1 = torch.nn.Conv2d(3, 9, 1)

        def forward(self, x):
            assert x.dtype == torch.uint8 and x.shape[1:] == (3, 6, 5)
            small = self.Mixed_6d.branch1x1(x.float())
            return small.mean((2, 3)), small.amax((2, 3))

    package, inner = ModuleType("torch_fidelity"), ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    inner.FeatureExtractorInceptionV3 = Extractor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch_fidelity", package)
    monkeypatch.setitem(sys.modules, inner.__name__, inner)
    pickled, file = tmp_path / "w.pth", tmp_path / "inception.safetensors"
    torch.save({ONE: torch.ones(2, 2).T, "other": torch.zeros(1)}, pickled)
    with pytest.raises(InputError, match=r"no safetensors .*`vitrail convert .*w.pth inception.safetensors`"):
        ByInception(pickled, torch.device("cpu"))
    assert convert_inception(pickled, file)["tensors"] == 2
    eye = ByInception(file, torch.device("cpu"))
    image = Image.fromarray(torch.randint(0, 256, (6, 5, 3), dtype=torch.uint8).numpy())
    seen = eye.see([image, image])
    assert seen.vectors.shape == (2, 9) and seen.spatial.shape == (2, 7 * 30)
    assert seen.shares.sum(1).tolist() == pytest.approx([1, 1]) and eye.names[:2] == ("fid", "sfid")


def test_statistics_of_a_release_are_read_by_convert_alone(tmp_path: Path) -> None:
    mean = torch.randn(1, 4, 1, 1)
    torch.save({"mean": mean, "std": mean.abs()}, tmp_path / "latents_stats.pt")
    convert_statistics(tmp_path / "latents_stats.pt", tmp_path / "statistics.safetensors")
    assert encoding.latents.statistics(tmp_path)[0] == pytest.approx(mean.flatten().tolist())
    torch.save([mean], tmp_path / "other.pt")
    with pytest.raises(InputError, match="no statistics of latents"):
        convert_statistics(tmp_path / "other.pt", tmp_path / "x.safetensors")
    with pytest.raises(InputError, match=r"no weights of Inception"):
        convert_inception(tmp_path / "other.pt", tmp_path / "x.safetensors")


def test_two_processes_have_the_gradients_of_one_with_both_batches() -> None:
    first, second = (
        [float(number) for number in text.split()[1::2]]
        for text in several.launch(2, str(Path(__file__).with_name("shared_flow.py")))
    )
    assert first[1] == second[1] == pytest.approx((first[0] + second[0]) / 2, rel=1e-5) and first[0] != second[0]


def test_two_processes_learn_and_measure_every_picture_once(tmp_path: Path) -> None:
    """Sharded, with an odd number of held-out pictures: what both found together is what one finds afterwards."""
    chosen, out = replace(recipe(), epochs=1, steps=2), tmp_path / "run"
    (tmp_path / "recipe.json").write_text(to_json(chosen))
    given = [str(tmp_path / "recipe.json"), "--out", str(out), "--device", "cpu", "--workers", "0"]
    assert "epoch 1/1" in several.launch(2, "-m", "vitrail", "train", *given, "--parallel", "fsdp")[0]
    summary, model = json.loads((out / "summary.json").read_text()), open_model(out / "model.safetensors")[0]
    held_out = digits.open_split(0.02)[1]
    assert summary["held_out"] == len(held_out) and len(held_out) % 2
    ready = generating.ready(chosen, model, held_out, held_out, 1)  # type: ignore[arg-type]
    batches = Loader(ready.measuring, 16, False).epoch(0)
    again = loop.measure(model, ready.task, batches, loop.Setting(torch.device("cpu"))).compute()
    assert {name: summary[name] for name in again} == pytest.approx(again, abs=1e-6)
