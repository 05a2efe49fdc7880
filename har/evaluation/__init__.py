"""How well a model does: metrics, intervals, calibration."""
