"""One thin script per DVC stage, run as `python -m stages.NAME`: read, call the library, write."""

import sys
from pathlib import Path

from har.errors import interrupted_imports_end_the_program

if sys.argv[0] == "-m":  # `python -m stages.NAME`, which imports the rest next
    interrupted_imports_end_the_program()

PREPARED = Path("data/prepared")
SPLIT = Path("data/split.csv")
FEATURES = Path("data/features")
PREDICTIONS = Path("data/predictions.csv")
MODELS = Path("models")
UNFINISHED = MODELS / "unfinished"
# Made by `make pretrain` and committed: names everyday actions; training starts from its encoder.
EVERYDAY = MODELS / "everyday.safetensors"
METRICS = Path("metrics")
PLOTS = Path("plots")
# The models that are trained and compared.
NAMES = ("baseline", "improved")
