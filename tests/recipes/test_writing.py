"""Models of language trained, measured and asked to go on: from the recipe to the files a run leaves."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import several
import words
from vitrail.data import text_shards
from vitrail.data.loader import Draw
from vitrail.data.text_batches import TextBatches, Windows
from vitrail.data.text_codes import Bytes, Characters
from vitrail.data.text_files import open_texts
from vitrail.data.text_settings import TextPreprocessing
from vitrail.errors import InputError
from vitrail.models.catalogue import create_model
from vitrail.models.decode import Choice, generate
from vitrail.recipes import evaluations, run, sample_texts, samplers, use, writing
from vitrail.recipes.asking import Asked, Setting
from vitrail.recipes.find import find
from vitrail.recipes.recipe import Model, Recipe, Text, from_json, to_json
from vitrail.recipes.run import Options
from vitrail.recipes.start import resolve
from vitrail.recipes.use_texts import decoded
from vitrail.recipes.wanted import Wanted
from vitrail.tasks.next_token import NextToken
from vitrail.train.loop import measure
from vitrail.train.record import read

CPU = torch.device("cpu")
SPEC = {"dim": 8, "depth": 1, "heads": 1, "stride": 4}
WORDS = ("to", "be", "or", "not", "the", "sea", "of", "all", "my", "ills")


def text(path: Path, letters: int = 2000) -> Path:
    """Words at random, the same each time; a line's end now and then."""
    drawn = random.Random(0)
    path.write_text("".join(drawn.choice(WORDS) + drawn.choice("    \n") for _ in range(letters))[:letters])
    return path


def recipe(path: Path, **fields: object) -> Recipe:
    base = replace(
        find("train_text"),
        model=Model("iwin_lm_nano", size=(), overrides=SPEC),  # type: ignore[arg-type]
        data=Text(str(path), tokens="characters", held_out=0.2),
        preprocessing=TextPreprocessing(length=16),
        epochs=2,
        batch=8,
    )
    return replace(base, **fields)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    run.train(recipe(text(folder / "text.txt")), folder / "run", Options("cpu"))
    return folder / "run"


def test_a_run_leaves_a_model_numbers_pictures_and_a_sample(trained: Path) -> None:
    assert {*writing.PICTURES, "model.safetensors"} <= {path.name for path in trained.iterdir()}
    first, last = read(trained)
    assert {"bits", "bits_per_byte", "nats", "accuracy", "saved"} <= last.keys()
    assert last["bits"] == pytest.approx(last["nats"] / math.log(2)) and last["bits"] == last["bits_per_byte"]
    assert last["loss"] < first["loss"] < math.log(26)
    summary = json.loads((trained / "summary.json").read_text())
    assert (summary["windows"], summary["held_out"]) == (98, 24)  # 1600 and 400 letters; training leaves one's room
    rows = json.loads((trained / "lengths.json").read_text())
    assert [row["length"] for row in rows] == [16, 32, 64, 128, 256] and {row["tokens"] for row in rows} == {256}
    written = (trained / "sample.txt").read_text()
    assert len(written) == writing.WRITTEN + 1
    again = from_json((trained / "recipe.json").read_text())
    assert again.model.size == () and again == from_json(to_json(again))


def test_an_epoch_asks_for_every_token_once_and_begins_elsewhere(tmp_path: Path) -> None:
    texts, _ = open_texts(text(tmp_path / "text.txt"), "bytes", 0.2)
    windows = Windows(texts, 16, seed=3)
    starts = {epoch: [windows.start(epoch, index) for index in range(len(windows))] for epoch in range(30)}
    for each in starts.values():
        assert each == list(range(each[0], each[0] + 16 * len(windows), 16)) and each[-1] + 17 <= len(texts)
        assert each[0] + len(texts) - 1 - (each[-1] + 16) < 32  # left out at both ends
    assert len({each[0] for each in starts.values()}) > 10
    measured = Windows(texts, 16)
    assert [measured.start(5, index) for index in range(len(measured))] == list(texts.cover(16))
    batch = TextBatches(measured).load(Draw(0, (1, 0)))
    assert torch.equal(batch.images[1, 1:], batch.target[1, :-1]) and batch.names == ("token 16", "token 0")


def test_a_run_that_was_stopped_is_the_run_without_a_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = recipe(text(tmp_path / "text.txt"), model=Model("iwin_lm_nano", (), {**SPEC, "dropout": 0.2}))
    options = Options("cpu")
    monkeypatch.setattr(writing, "draw", lambda *given: None)
    run.train(chosen, tmp_path / "whole", options)
    before, count = run.fit, 0

    def fit(under_way: run.Run) -> object:
        """Stops in the middle of the second epoch."""
        step = under_way.record.step

        def counted(*given: object) -> None:
            nonlocal count
            step(*given)  # type: ignore[arg-type]
            count += 1
            under_way.stop.asked = "SIGTERM" if count == 16 else None

        monkeypatch.setattr(under_way.record, "step", counted)
        return before(under_way)

    monkeypatch.setattr(run, "fit", fit)
    assert run.train(chosen, tmp_path / "parts", options) is None
    monkeypatch.setattr(run, "fit", before)
    run.train(chosen, tmp_path / "parts", options, resume="auto")
    whole, parts = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    kept = ("loss", "bits", "accuracy")
    rows = [[{key: row[key] for key in kept} for row in read(tmp_path / name)] for name in ("whole", "parts")]
    assert rows[0] == rows[1]


def test_two_processes_count_every_token_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "draw", lambda *given: None)
    chosen = recipe(text(tmp_path / "text.txt"), epochs=1, accumulate=2)
    (tmp_path / "recipe.json").write_text(to_json(chosen))
    out = tmp_path / "two"
    given = [str(tmp_path / "recipe.json"), "--out", str(out), "--device", "cpu"]
    said = several.launch(2, "-m", "vitrail", "train", *given)[0]
    assert "98 windows, 24 held out" in said and "windows/s" in said
    run.train(replace(chosen, accumulate=1), tmp_path / "one", Options("cpu"))
    two, one = (read(tmp_path / name)[0] for name in ("two", "one"))
    assert two["bits"] == pytest.approx(one["bits"], abs=1e-5) and two["loss"] == pytest.approx(one["loss"], abs=1e-5)


@pytest.mark.parametrize("length", [5, 16, 100])
def test_eval_is_what_a_slow_loop_finds(trained: Path, length: int) -> None:
    opened = use.load(trained)
    said = find(str(trained)).data
    found = evaluations.measured(opened, trained, None, said, Asked(length=(length,)), Setting(CPU, print)).document()
    held_out = open_texts(said.path, "characters", 0.2)[1]  # type: ignore[union-attr, arg-type]
    tokens = torch.from_numpy(held_out.read(0, len(held_out)))
    bits, right, count = 0.0, 0, 0
    for start in range(0, len(tokens) - length, length):
        for place in range(start + 1, start + length + 1):  # each token by itself, from what the window has before it
            with torch.no_grad():
                shares = opened.model(tokens[start:place][None])[0, -1].softmax(0)
            bits -= math.log2(shares[tokens[place]])
            right += int(shares.argmax() == tokens[place])
            count += 1
    row = found["lengths"][0]
    assert (row["length"], row["tokens"]) == (length, count) and row["accuracy"] == pytest.approx(right / count)
    assert row["bits"] == pytest.approx(bits / count, abs=1e-5)


def test_a_sample_follows_from_its_seed_and_is_what_the_model_writes(trained: Path) -> None:
    opened = use.load(trained)
    wanted = Wanted(prompt="the ", count=20, temperature=0.9, top_k=5, seed=4)
    first, second = (samplers.made(opened, trained, wanted) for _ in range(2))
    shown, document = "".join(first.lines()), second.document()
    assert shown == "the " + document["text"] + "\n" and document == first.document()
    prompt = torch.from_numpy(opened.codes.encode(b"the ", "prompt").astype("int64"))[None]  # type: ignore[union-attr]
    expected = generate(opened.model, prompt, 20, Choice(0.9, 5), torch.Generator().manual_seed(4))  # type: ignore[arg-type]
    assert document["tokens"] == expected[0].tolist()
    assert document["cache"]["reads"] == 23 // 4 + 1 + 3  # keys of its class, and inputs of the convolution
    other = samplers.made(opened, trained, replace(wanted, seed=5))
    assert other.document()["tokens"] != document["tokens"]


def test_what_prints_nothing_meanwhile_shows_its_progress(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, str]] = []
    monkeypatch.setattr(sample_texts, "track", lambda items, count, title: seen.append((count, title)) or items)
    samplers.made(use.load(trained), trained, Wanted(count=3)).document()
    assert seen == [(3, "writing")]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(prompt="to é"), "--prompt: character 4, 'é'"),
        (Wanted(prompt=""), "--prompt is empty"),
        (Wanted(top_p=2.0), "top_p=2.0"),
        (Wanted(seed=2**63), "--seed 9223372036854775808: a whole number from 0"),
        (Wanted(steps=3), "--steps is not for a model of language"),
        (Wanted(grid=Path("a.png")), "--top-k"),
    ],
)
def test_what_cannot_be_written_is_said(trained: Path, wanted: Wanted, said: str) -> None:
    with pytest.raises(InputError, match=said):
        samplers.made(use.load(trained), trained, wanted)


def test_pieces_together_are_the_text_of_all_tokens() -> None:
    codes = Bytes()
    content = "naïve 😀 end".encode() + b"\xff\xfe" + "é".encode()[:1]
    pieces = list(decoded(codes, iter(content)))
    assert "".join(pieces[:11]).startswith("naïve 😀 e") and "😀" in pieces
    assert "".join(pieces) == content.decode(errors="replace")
    assert list(decoded(Characters("ab"), iter([0, 1, 0]))) == ["a", "b", "a"]
    draw = random.Random(0)
    for _ in range(300):  # bytes that only now and then are a character, as of a model at its beginning
        tokens = draw.choices([0x41, 0x80, 0x98, 0x9F, 0xA9, 0xC3, 0xE2, 0xF0], k=40)
        assert "".join(decoded(codes, iter(tokens))) == codes.decode(tokens)


def test_a_run_begins_with_the_weights_of_another(trained: Path, tmp_path: Path) -> None:
    chosen = replace(find(str(trained)), weights=str(trained), model=Model("auto", size=()))  # type: ignore[arg-type]
    plan, _ = run.prepare(run.resolve(chosen), CPU, run.ALONE)
    kept = use.load(trained).model.state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in plan.model.state_dict().items())


@pytest.mark.parametrize("change", [str.upper, lambda content: content + "!" * 99])
@pytest.mark.parametrize("name", ["auto", "iwin_lm_nano"])
def test_weights_of_other_tokens_are_no_beginning(trained: Path, tmp_path: Path, name: str, change) -> None:
    """As many tokens or not: a row of the table would stand for another character."""
    content = change((trained.parent / "text.txt").read_text())
    (tmp_path / "other.txt").write_text(content)
    model = Model(name, size=(), overrides={} if name == "auto" else SPEC)  # type: ignore[arg-type]
    chosen = replace(recipe(tmp_path / "other.txt"), weights=str(trained), model=model)
    with pytest.raises(InputError, match=rf"tokens are not the {len(set(content))} of this text"):
        run.prepare(run.resolve(chosen), CPU, run.ALONE)


def test_shards_train_what_their_texts_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "draw", lambda *given: None)
    chosen = recipe(text(tmp_path / "text.txt"), epochs=1)
    text_shards.write(tmp_path / "packed", *open_texts(tmp_path / "text.txt", "characters", 0.2), most=300)
    run.train(chosen, tmp_path / "fresh", Options("cpu"))
    run.train(replace(chosen, data=Text(str(tmp_path / "packed"))), tmp_path / "shards", Options("cpu"))
    fresh, shards = (use.load(tmp_path / name) for name in ("fresh", "shards"))
    kept = shards.model.state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in fresh.model.state_dict().items())
    assert fresh.codes.document() == shards.codes.document()  # type: ignore[union-attr]
    one, other = (read(tmp_path / name)[0] for name in ("fresh", "shards"))
    assert one["bits"] == other["bits"] and one["loss"] == other["loss"]


def test_what_does_not_fit_is_said(trained: Path, tmp_path: Path) -> None:
    base = find(str(trained))
    short = tmp_path / "short.txt"
    short.write_text("to be or not " * 8)
    for chosen, said in (
        (replace(base, data=Text()), "--data FILE"),
        (replace(base, data=Text(str(short))), "windows of length=16"),
        (replace(base, model=Model("iwin_lm_nano", (), {"vocabulary": 7})), "vocabulary=7"),
        (replace(base, model=Model("iwin_nano", (32, 32))), "reads no text"),
    ):
        with pytest.raises(InputError, match=said):
            run.train(chosen, tmp_path / "run", Options("cpu"))
    assert not (tmp_path / "run").exists()
    for name, said in (("swin_tiny", "swin_tiny is no model of language"), ("iwin_lm_tin", "Nearest: iwin_lm_tiny")):
        with pytest.raises(InputError, match=said):  # not what a size of () lacks
            resolve(replace(base, model=Model(name, ())))  # type: ignore[arg-type]
    opened, said = use.load(trained), base.data
    with pytest.raises(InputError, match="windows of length=400"):
        evaluations.measured(opened, trained, None, said, Asked(length=(400,)), Setting(CPU, print))
    with pytest.raises(InputError, match="vitrail sample"):
        use.gather(opened, ["a.txt"])
    model = create_model("iwin_lm_nano", 30, **SPEC)
    assert model.size == ()


def test_bits_of_a_byte_are_of_the_text_behind_the_tokens(tmp_path: Path) -> None:
    """Told for text in pieces of words, too; and piece by piece it is the text again."""
    content = (words.TEXT + " newest low ") * 9
    (tmp_path / "tokenizer.json").write_text(words.tokenizer_json())
    (tmp_path / "text.txt").write_bytes(content.encode())
    data = Text(str(tmp_path / "text.txt"), tokens=str(tmp_path / "tokenizer.json"), held_out=0.5)
    plan, held_out = run.prepare(run.resolve(recipe(tmp_path, data=data, batch=2)), CPU, run.ALONE)
    task, tokens = plan.task, held_out.read(0, len(held_out))
    assert isinstance(task, NextToken) and task.vocabulary == held_out.vocabulary
    assert task.bytes_each == pytest.approx(len(held_out.codes.decode(tokens).encode()) / len(tokens))
    metric = measure(plan.model, task, plan.held_out.epoch(0), plan.setting).compute()
    assert metric["bits_per_byte"] == pytest.approx(metric["bits"] / task.bytes_each)
    whole = held_out.codes.encode(content.encode(), "text")
    assert "".join(decoded(held_out.codes, iter(whole.tolist()))) == content
