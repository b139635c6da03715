"""The final training of an architecture by a recipe: its expected cost, its folder, and its result."""
