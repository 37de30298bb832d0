"""Which module does the job that a recipe's data asks for."""

from __future__ import annotations

from vitrail.recipes import classifying, detecting, recognising, segmenting
from vitrail.recipes.job import Job
from vitrail.recipes.recipe import Recipe

JOBS: dict[str, Job] = {
    "folder": classifying,
    "digits": classifying,
    "clips": recognising,
    "moving": recognising,
    "boxes": detecting,
    "pixels": segmenting,
}


def job_of(recipe: Recipe) -> Job:
    return JOBS[recipe.data.kind]
