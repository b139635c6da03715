"""Design of a funnel from what a pilot has measured."""
