"""Recipes: one readable file per training run, checked before anything runs. Needs the `train` extra."""

from efficientfan.recipes.config import Recipe
from efficientfan.recipes.load import AnyRecipe, RecipeFacts, list_recipes, load_recipe, read_recipe_file

__all__ = ["AnyRecipe", "Recipe", "RecipeFacts", "list_recipes", "load_recipe", "read_recipe_file"]
