"""Clips to batches: prepared clips and sequences on disk, splits, preprocessing, windows."""
