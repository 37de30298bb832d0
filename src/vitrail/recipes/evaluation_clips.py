"""A classifier of clips measured: on which videos, in how many views; written down as for pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vitrail.data import clip_layouts, moving
from vitrail.data.clip_batches import ClipBatches
from vitrail.data.clip_set import Clips
from vitrail.data.clip_settings import views_of
from vitrail.data.loader import Loader
from vitrail.errors import InputError
from vitrail.recipes import asking, evaluation, sources
from vitrail.recipes.asking import Asked
from vitrail.recipes.evaluation import Evaluation
from vitrail.recipes.recipe import Data, Moving, Videos
from vitrail.recipes.use_clips import WHO, TrainedClips
from vitrail.tasks.recognise import Recognise

TAKES = ("views", "batch", "out")
BATCH = 8  # views at a time: 32 x 224 x 224 are 19 MB each where the model gets them


def measured(
    trained: TrainedClips, path: Path, data: str | None, said: Data | None, asked: Asked, setting: asking.Setting
) -> Evaluation:
    """What `vitrail eval` measures of a classifier of clips; arguments as `evaluations.Evaluate` has them.

    Of each video the views are averaged; they are kept as bytes and looked at one after another. `batch` counts views
    in memory, and is that of one video where one has more.
    Raises: InputError for a choice that is not for models of videos, or data that does not fit.
    """
    asked.only(TAKES, WHO)
    views = views_of(asked.views or "one")
    asking.needs(data, said, path)
    chosen, clips = _videos(trained, path, data, said)
    settings, processes = trained.preprocessing, setting.processes
    batches = ClipBatches(clips, trained.size, settings, None, 0, views=views)
    each, workers = max((asked.batch or BATCH) // views.count, 1), sources.workers(chosen, setting.workers)
    pin = setting.device.type == "cuda"
    loader = Loader(batches, each, False, workers, processes.rank, processes.world, pin)
    task = Recognise(len(trained.classes))
    found = evaluation.count(trained.model, task, trained.classes, loader, setting.device, processes, "videos")
    return replace(found, said={"views": f"{views.clips}x{views.crops}"})


def _videos(trained: TrainedClips, path: Path, data: str | None, said: Data | None) -> tuple[Data, Clips]:
    """What is measured on. Raises: InputError for data without videos, or of other classes."""
    own = said if isinstance(said, Videos | Moving) else Videos()
    chosen = said if data is None else sources.named(data, own)
    if isinstance(chosen, Moving) and trained.classes != moving.CLASSES:
        raise InputError(f"The drawn clips have the classes {', '.join(moving.CLASSES)}; this model has others.")
    if not isinstance(chosen, Videos | Moving):
        raise InputError(f"{path} says what videos show, and its data has none: --data FOLDER names some.")
    if isinstance(chosen, Moving):
        return chosen, sources.open_split(chosen)[1]
    if data is None:
        return chosen, sources.open_split(chosen)[1].reindexed(trained.classes)
    return chosen, clip_layouts.open_held_out(data, chosen.layout, trained.classes)
