"""The final training of a found architecture by a recipe: what it will take, its folder, and its result."""
