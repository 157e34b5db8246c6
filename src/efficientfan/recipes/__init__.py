"""Recipes: one readable file per training run, checked before anything runs. Needs the `train` extra."""

from efficientfan.recipes.config import Recipe
from efficientfan.recipes.inputs import check_inputs
from efficientfan.recipes.load import (
    AnyRecipe,
    RecipeFacts,
    list_recipes,
    load_recipe,
    read_recipe_file,
    recipe_table,
)
from efficientfan.recipes.run_folder import RunFolder

__all__ = [
    "AnyRecipe",
    "Recipe",
    "RecipeFacts",
    "RunFolder",
    "check_inputs",
    "list_recipes",
    "load_recipe",
    "read_recipe_file",
    "recipe_table",
]
