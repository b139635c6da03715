"""The final training of an architecture by a recipe: forecast, folder and result."""
