"""Tools of the project's own upkeep: run as `python -m tools.NAME`."""
