"""Design of a funnel from a pilot, and plans for a time budget."""
