"""Batches: the order is decided by (seed, epoch), the changes by (seed, epoch, sample), and by nothing else."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

import several
import tiny
from vitrail.data import transforms
from vitrail.data.loader import Batches, Loader
from vitrail.data.randomness import mix, seeded
from vitrail.data.sample import Batch, Sample
from vitrail.data.settings import Augment, Preprocessing
from vitrail.errors import InputError
from vitrail.recipes.recipe import Model, to_json

CHANGE = transforms.for_training((8, 8), Preprocessing(), Augment(erase=1.0, jitter=0.5))


class Greys:
    """`count` pictures of one grey each."""

    classes = ("dark", "light")

    def __init__(self, count: int) -> None:
        self.count = count

    @property
    def targets(self) -> list[int]:
        return [index % 2 for index in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"grey {index}"

    def content(self, index: int) -> bytes:
        return bytes([index])

    def __getitem__(self, index: int) -> Sample:
        return Sample(Image.new("RGB", (8, 8), (index, index, index)), index % 2, f"grey {index}")


def loader(count: int, batch: int, shuffle: bool = True, seed: int = 0, **options: int) -> Loader:
    return Loader(Batches(Greys(count), CHANGE, seed), batch, shuffle, **options)


def names(batches: list[Batch]) -> list[str]:
    return [name for batch in batches for name in batch.names]


def test_an_epoch_holds_every_sample_at_most_once_in_an_order_of_its_own() -> None:
    training = loader(22, 4)
    first, second = (names(list(training.epoch(epoch))) for epoch in (0, 1))
    assert len(first) == len(set(first)) == 20 == training.samples
    assert len(training) == 5
    assert first != second
    assert first == names(list(loader(22, 4).epoch(0)))
    assert first != names(list(loader(22, 4, seed=1).epoch(0)))


def test_workers_change_nothing() -> None:
    alone, helped = loader(10, 4), loader(10, 4, workers=2)
    for epoch in (0, 1):
        for a, b in zip(alone.epoch(epoch), helped.epoch(epoch), strict=True):
            assert a.names == b.names
            assert torch.equal(a.images, b.images)


def test_a_samples_changes_depend_on_the_epoch_and_on_no_other_sample() -> None:
    def of(name: str, batches: Loader, epoch: int) -> torch.Tensor:
        return next(batch.images[batch.names.index(name)] for batch in batches.epoch(epoch) if name in batch.names)

    whole = of("grey 3", loader(8, 8), 2)
    assert torch.equal(whole, of("grey 3", loader(8, 2), 2))
    assert not torch.equal(whole, of("grey 3", loader(8, 8), 1))


def test_processes_share_the_batch_one_process_would_have() -> None:
    alone = list(loader(22, 4).epoch(3))
    parts = [list(loader(22, 4, rank=rank, world=2).epoch(3)) for rank in (0, 1)]
    for batch, left, right in zip(alone, *parts, strict=True):
        assert batch.names == left.names + right.names
        assert torch.equal(batch.images, torch.cat([left.images, right.images]))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_measuring_sees_each_sample_once_over_all_processes(world: int) -> None:
    seen = [names(list(loader(11, 4, shuffle=False, rank=rank, world=world).epoch(0))) for rank in range(world)]
    assert sorted(name for part in seen for name in part) == sorted(f"grey {index}" for index in range(11))


def test_a_small_set_is_one_batch_and_an_empty_one_an_error() -> None:
    assert [len(batch) for batch in loader(3, 64).epoch(0)] == [3]
    with pytest.raises(InputError, match="no pictures to train on"):
        loader(0, 4)
    with pytest.raises(InputError, match="no pictures to measure on: the held-out part is empty"):
        loader(0, 4, shuffle=False)
    with pytest.raises(InputError, match=r"batch of 5 cannot be shared by 2 processes; batch=4 can"):
        loader(20, 5, world=2)


@pytest.mark.parametrize(
    ("world", "parts", "message"),
    [
        (1, 100, "by 1 process in 100 parts; of 30 pictures batch=8 accumulate=8 can"),
        (3, 20, "by 3 processes in 20 parts; of 30 pictures batch=6 accumulate=2 can"),
        (1, 30, "by 1 process in 30 parts; batch=30 can"),
        (40, 1, "by 40 processes; 30 pictures are for 30 processes at most"),
    ],
)
def test_what_can_be_shared_is_what_the_pictures_suffice_for(world: int, parts: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loader(30, 8, world=world, parts=parts)


def test_one_class_cannot_be_learnt() -> None:
    class Same(Greys):
        classes = ("grey",)

    with pytest.raises(InputError, match="All pictures are of one class, 'grey'; wanted two or more"):
        Loader(Batches(Same(8), CHANGE, 0), 4, True)
    assert len(Loader(Batches(Same(8), CHANGE, 0), 4, False)) == 2


def test_lines_name_what_is_loaded() -> None:
    class Lines(Batches):
        noun, fewest = "windows", 1

    with pytest.raises(InputError, match="There are no windows to train on"):
        Loader(Lines(Greys(0), CHANGE, 0), 4, True)
    with pytest.raises(InputError, match=r"no windows to measure on: the held-out part is empty\.$"):
        Loader(Lines(Greys(0), CHANGE, 0), 4, False)
    with pytest.raises(InputError, match="3 windows are for 3 processes at most"):
        Loader(Lines(Greys(3), CHANGE, 0), 8, True, world=4)


def test_workers_leave_signals_to_their_process() -> None:
    training = loader(400, 2, workers=1)
    batches = training.epoch(0)
    next(batches)
    for child in multiprocessing.active_children():
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(child.pid, number)
    assert sum(1 for _ in batches) == 199


def test_a_signal_to_the_whole_group_stops_a_training_that_has_workers(tmp_path: Path) -> None:
    data = tiny.folders(tmp_path / "data")
    slow = Model("iwin_nano", (160, 160), tiny.SPEC)  # so that a step outlasts the death of a worker
    (tmp_path / "recipe.json").write_text(to_json(tiny.recipe(data, model=slow, batch=12, epochs=100_000)))
    started = subprocess.Popen(
        [sys.executable, "-m", "vitrail", "train", "recipe.json", "--out", "run", "--device", "cpu", "--workers", "1"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(several.SOURCE), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 120
        while not (tmp_path / "run" / "metrics.jsonl").is_file() and started.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.5)
        os.killpg(started.pid, signal.SIGTERM)
        said = started.communicate(timeout=120)[0]
    finally:
        started.kill()
    assert "Stopped by SIGTERM" in said and "Error" not in said, said
    assert started.returncode >= 0
    assert list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_mixed_batch_has_shares_and_follows_its_seed() -> None:
    mixing = transforms.mixing(Augment(mixup=1.0, cutmix=1.0), 2)
    first, second = (next(Loader(Batches(Greys(6), CHANGE, 0, mixing), 6, True).epoch(0)) for _ in range(2))
    assert first.target.shape == (6, 2)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.target, second.target)


def test_seeding_leaves_the_generator_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with seeded(1, 2):
        inside = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    with seeded(1, 2):
        assert torch.equal(torch.rand(2), inside)
    assert len({mix(0, 1), mix(1, 0), mix(0, 1, 0), mix(1)}) == 4


def test_a_batch_moves_as_a_whole() -> None:
    moved = next(loader(4, 4).epoch(0)).to("meta")
    assert moved.images.device.type == moved.target.device.type == "meta"
    assert len(moved) == 4


def test_workers_are_let_go_at_once() -> None:
    training = loader(8, 4, workers=1)
    list(training.epoch(0))
    begun = time.perf_counter()
    del training
    gc.collect()
    assert time.perf_counter() - begun < 4.0


class Damaged(Greys):
    """Greys of which those with an odd number cannot be read."""

    def __getitem__(self, index: int) -> Sample:
        if index % 2:
            raise InputError(f"grey {index}: not a readable picture.")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_in_training_another_picture_takes_a_damaged_ones_place(workers: int) -> None:
    first, second = (
        list(Loader(Batches(Damaged(8), CHANGE, 0, replace=True), 4, True, count).epoch(0)) for count in (workers, 0)
    )
    assert [len(batch) for batch in first] == [4, 4]
    assert all(int(name.split()[1]) % 2 == 0 for batch in first for name in batch.names)
    skipped = sorted(line for batch in first for line in batch.skipped)
    assert skipped == [f"grey {index}: not a readable picture." for index in (1, 3, 5, 7)]
    for a, b in zip(first, second, strict=True):
        assert a.names == b.names and torch.equal(a.images, b.images)


def test_in_measuring_a_damaged_picture_is_left_out() -> None:
    batches = list(Loader(Batches(Damaged(7), CHANGE, 0), 2, False).epoch(0))
    assert [batch.names for batch in batches] == [("grey 0",), ("grey 2",), ("grey 4",), ("grey 6",)]
    assert [len(batch.skipped) for batch in batches] == [1, 1, 1, 0]
    nothing = list(Loader(Batches(Damaged(2), CHANGE, 0), 1, False).epoch(0))[1]
    assert len(nothing) == len(nothing.images) == 0 and len(nothing.skipped) == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_where_nothing_can_be_read_it_is_one_line(workers: int) -> None:
    class Broken(Greys):
        def __getitem__(self, index: int) -> Sample:
            raise InputError(f"grey {index}: not a readable picture.")

    with pytest.raises(InputError, match=r"^grey \d: not a readable picture. Nor could any of 16 others be read"):
        list(Loader(Batches(Broken(2), CHANGE, 0, replace=True), 2, True, workers).epoch(0))


def test_an_error_lets_the_workers_go_without_the_garbage_collector() -> None:
    """They heed no signal to end, so one that is left would be waited for when the process ends."""

    class Broken(Greys):
        def __getitem__(self, index: int) -> Sample:
            raise InputError(f"grey {index}: not a readable picture.")

    def epoch() -> str:
        try:
            list(Loader(Batches(Broken(2), CHANGE, 0, replace=True), 2, True, 1).epoch(0))
        except InputError as error:
            return str(error)
        return ""

    before = set(multiprocessing.active_children())
    gc.disable()
    try:
        assert "not a readable picture" in epoch()
        assert not set(multiprocessing.active_children()) - before
    finally:
        gc.enable()


def test_a_script_that_holds_a_loader_ends(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import torch\n"
        "from vitrail.data.loader import Batches, Loader\n"
        "from vitrail.data.sample import Sample\n"
        "class Greys:\n"
        "    classes, targets = ('a', 'b'), [0, 1]\n"
        "    def __len__(self): return 2\n"
        "    def __getitem__(self, index): return Sample(torch.zeros(3, 2, 2), index, str(index))\n"
        "held = Loader(Batches(Greys(), lambda image: image, 0), 1, False, workers=1)\n"
        "print(sum(1 for batch in held.epoch(0)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_goes_on_in_its_middle(workers: int) -> None:
    training = loader(22, 4, workers=workers)
    whole = list(training.epoch(2))
    for start in (0, 3, 5):
        rest = list(training.epoch(2, start))
        assert len(rest) == 5 - start
        for a, b in zip(whole[start:], rest, strict=True):
            assert a.names == b.names and torch.equal(a.images, b.images)


def test_parts_are_the_batch_cut_up() -> None:
    whole = list(loader(26, 8).epoch(1))
    parts = [list(loader(26, 8, rank=rank, world=2, parts=2).epoch(1)) for rank in (0, 1)]
    assert len(parts[0]) == 2 * len(whole) == 6
    for number, batch in enumerate(whole):
        pieces = [parts[rank][2 * number + part] for rank in (0, 1) for part in (0, 1)]
        assert batch.names == sum((piece.names for piece in pieces), ())
        assert torch.equal(batch.images, torch.cat([piece.images for piece in pieces]))
    with pytest.raises(InputError, match=r"batch of 8 cannot be shared by 2 processes in 3 parts; batch=6 can"):
        loader(26, 8, world=2, parts=3)


def test_repeated_samples_stand_in_one_batch_and_differ() -> None:
    repeated = list(loader(20, 6, repeats=3).epoch(0))
    assert len(repeated) == len(loader(20, 6))
    for batch in repeated:
        assert [batch.names.count(name) for name in dict.fromkeys(batch.names)] == [3, 3]
        assert not torch.equal(batch.images[0], batch.images[1])
    seen = names(repeated)
    assert len(set(seen)) == len(seen) // 3
    once = next(batch for batch in loader(20, 20).epoch(0))
    first = repeated[0].names[0]
    assert torch.equal(once.images[once.names.index(first)], repeated[0].images[0])  # the first copy is the usual one


def test_an_epoch_of_so_many_steps_is_a_cut_of_the_passes() -> None:
    """Whatever its length; processes and parts share each step as in a pass."""
    for options in ({}, {"parts": 2}, {"parts": 2, "world": 2, "rank": 1}):
        whole, cut = loader(11, 4, **options), loader(11, 4, steps=3, **options)
        passes = [draw for epoch in range(6) for draw in whole.draws(epoch)]
        each = 3 * options.get("parts", 1)
        assert [draw for epoch in range(4) for draw in cut.draws(epoch)] == passes
        assert cut.draws(2) == passes[2 * each : 3 * each] and len(cut) == each
    assert len(loader(11, 4, steps=1)) == 1
