"""Which module does the job that a recipe asks for: the kind of its settings says which."""

from __future__ import annotations

from vitrail.recipes import classifying, detecting, generating, recognising, segmenting, writing
from vitrail.recipes.job import Job
from vitrail.recipes.recipe import Recipe

JOBS: dict[str, Job] = {
    "pictures": classifying,
    "clips": recognising,
    "boxes": detecting,
    "pixels": segmenting,
    "generation": generating,
    "texts": writing,
}


def job_of(recipe: Recipe) -> Job:
    return JOBS[recipe.preprocessing.kind]
