"""Small untrained recognisers, and a skeleton small enough to compute by hand."""

from pathlib import Path

import numpy as np
import torch

from har.clips import Clip
from har.models import build
from har.models.checkpoint import Checkpoint
from har.params import load_params
from har.recognition.recognizer import Recognizer
from har.skeleton import LAYOUTS, Layout

# Seen from the side: one shoulder, one hip.
FOUR_JOINTS = Layout(
    name="four_joints",
    joints=("shoulder", "hip", "left_knee", "right_knee"),
    parents=(0, 0, 1, 1),
    pairs=((2, 3),),
    shoulders=(0, 0),
    hips=(1, 1),
)
KERAS = {"persons": 1, "tracking": False, "hide_below": 0.0, "scale": "image", "frames": 40}
PYTORCH = {
    "persons": 1,
    "tracking": False,
    "hide_below": 0.0,
    "center": "first_joint",
    "scale": "trunk",
    "frames": 24,
    "fill": "loop",
}


def tiny_checkpoint(model=None, preprocess=None, layout="coco17", seed=0, **changes):
    """A checkpoint with random weights and statistics, as if it were trained."""
    params = load_params(Path(__file__).parents[1] / "params.yaml")
    whole = (model or {}).get("arch") in ("keras_lstm", "pytorch_lstm")
    windows = params.model.windows.model_copy(update={"frames": 0 if whole else 16})
    settings = params.model.model_copy(
        update={"width": 12, "layers": 2, "windows": windows} | (model or {})
    )
    classes = changes.pop("classes", ["run", "sit", "wave"])
    torch.manual_seed(seed)
    network = build(settings, len(classes), LAYOUTS[layout])
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return Checkpoint(
        weights=network.state_dict(),
        model=settings,
        preprocess=params.preprocess.model_copy(update=preprocess or {}),
        layout=LAYOUTS[layout],
        classes=classes,
        temperature=changes.pop("temperature", 0.7),
        data_hash="",
        val={},
        val_scores=changes.pop("val_scores", []),
    )


def tiny(model=None, preprocess=None, layout="coco17", seed=0, **changes):
    """A recogniser of a tiny_checkpoint."""
    return Recognizer.of(tiny_checkpoint(model, preprocess, layout, seed, **changes))


def random_clip(seed=0, persons=2, frames=30, layout="coco17", label=-1):
    """Somebody whose joints move smoothly, some of them unseen."""
    generator = np.random.default_rng(seed)
    shape = persons, frames, len(LAYOUTS[layout].joints), LAYOUTS[layout].dimensions
    walk = generator.normal(0, 2, shape).cumsum(1) + generator.normal(150, 30, shape[2:])
    walk += np.arange(persons)[:, None, None, None] * 400.0
    scores = generator.uniform(0.1, 1, shape[:3]) * (generator.random(shape[:3]) > 0.1)
    points = (walk * (scores[..., None] > 0)).astype(np.float32)
    name = f"clip_{seed}"
    return Clip(name, label, points, scores.astype(np.float32), (256, 340), name)


def four_joints(frames, people=2, seed=0):
    """Random windows (people, frames, 4, 3) around 0, a quarter of the joints missing."""
    generator = torch.Generator().manual_seed(seed)
    windows = 100 * torch.randn(people, frames, 4, 3, generator=generator)
    scores = torch.rand(people, frames, 4, generator=generator)
    windows[..., 2] = scores
    return windows * (scores > 0.25)[..., None]
