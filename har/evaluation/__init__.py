"""Metrics of a model, their intervals, and calibration."""
