"""Tools that maintain files of the repository: run as `python -m tools.NAME`."""
