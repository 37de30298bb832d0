"""Which module does the job that a recipe's data asks for."""

from __future__ import annotations

from vitrail.recipes import classifying, detecting
from vitrail.recipes.job import Job
from vitrail.recipes.recipe import Recipe

JOBS: dict[str, Job] = {"folder": classifying, "digits": classifying, "boxes": detecting}


def job_of(recipe: Recipe) -> Job:
    return JOBS[recipe.data.kind]
