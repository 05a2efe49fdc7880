"""One thin script per DVC stage, run as `python -m stages.NAME`: read, call the library, write."""

from pathlib import Path

PREPARED = Path("data/prepared")
SPLIT = Path("data/split.csv")
FEATURES = Path("data/features")
PREDICTIONS = Path("data/predictions.csv")
MODELS = Path("models")
METRICS = Path("metrics")
PLOTS = Path("plots")
