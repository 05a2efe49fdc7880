"""Teaching: a pre-trained network gets classifiers for a user's own few clips, in seconds.

Its encoder stays as it is. Each classifier is a logistic regression on the encoder's summaries of
the windows that a clip is tested on. Every clip is then named by classifiers that were fitted
without it, which is what the figures are about.
"""

import copy
import hashlib
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from har.clips import UNLABELLED, ClipSet
from har.dataset.preprocessing import preprocess
from har.dataset.sequences import Sequences
from har.dataset.windows import test_windows
from har.errors import UserError
from har.evaluation.calibration import apply_temperature, fit_temperature
from har.evaluation.metrics import interval_over_groups
from har.models import build
from har.models.checkpoint import Checkpoint
from har.models.encoder import encoder_of
from har.models.inference import log_probabilities
from har.models.persons import prominence
from har.models.two_stream import TwoStream

# Cross-validated on KTH's and Penn Action's training subsets (docs/pretraining.md).
_WEIGHT_DECAY = 0.1
_STEPS = 60  # of L-BFGS; it converges in fewer
_MOST_FOLDS = 50
_ENOUGH = 0.7  # lower bound of a class's share of right clips; ten of ten give .72
_CLIPS_AT_ONCE = 64


@dataclass(frozen=True)
class Suspect:
    """A clip whose label looks wrong: its id, its class, and the class that it looks like."""

    clip: str
    label: str
    rather: str
    probability: float


@dataclass(frozen=True)
class Report:
    """What classifiers say of clips that they were fitted without.

    Attributes:
        clips: number of clips that were named so.
        right: number of those that were named right.
        interval: of the share of right ones, 95 %: Wilson's, or over groups by bootstrap. (0, 1)
            without such clips.
        by_group: whole groups were left out, not single clips.
        confused: (class, class it was taken for, number of clips), the most frequent first.
        suspects: clips to look at, the surest first.
        record_more: classes that need more clips, the most urgent first.
    """

    clips: int
    right: int
    interval: tuple[float, float]
    by_group: bool
    confused: list[tuple[str, str, int]]
    suspects: list[Suspect]
    record_more: list[str]


def teach(pretrained: Checkpoint, clip_set: ClipSet) -> tuple[Checkpoint, Report]:
    """Fit new classifiers on a pre-trained encoder.

    Args:
        pretrained: a two_stream network, such as models/everyday.safetensors.
        clip_set: labelled clips of the model's layout; others are left out. Where every class has
            clips of two groups, groups are left out as a whole in turn.

    Returns:
        The new model, which tells the clips' classes apart, and what to expect of it.

    Raises:
        UserError: there are less than two classes, or clips of another layout, or the pre-trained
            network is no two_stream one.
    """
    clips = _sequences(pretrained, clip_set)
    classes = clips.settings["classes"]
    settings = pretrained.model.model_copy(update={"pretrained": "motion"})
    network = build(settings, len(classes), pretrained.layout).eval()
    if not isinstance(network, TwoStream):
        raise UserError(f"a {settings.arch} network can't be taught: take a two_stream one")
    network.load_state_dict(encoder_of(pretrained.weights), strict=False)
    summaries = _summaries(network, clips, pretrained)
    labels = torch.from_numpy(clips.labels)

    folds, by_group = _folds(clips)
    found = np.full((len(clips), len(classes)), np.nan, np.float32)
    for fold in np.unique(folds):
        left_out = folds == fold
        # A class of which nothing else is there can't be learnt.
        left_out &= np.isin(clips.labels, clips.labels[~left_out])
        if left_out.any():
            others = torch.from_numpy(folds != fold)
            _fit(network, summaries[others], labels[others])
            found[left_out] = log_probabilities(network, clips.take(left_out), settings.windows)
    _fit(network, summaries, labels)
    named = ~np.isnan(found[:, 0])
    temperature = 1.0
    if named.any():
        temperature = fit_temperature(clips.labels[named], found[named], clips.groups[named])
    report = _report(clips, named, apply_temperature(found[named], temperature), by_group)
    figures = {"clips": report.clips, "right": report.right, "interval": list(report.interval)}
    taught = replace(
        pretrained,
        weights=copy.deepcopy(network.state_dict()),
        model=settings,
        classes=classes,
        temperature=temperature,
        data_hash=hashlib.sha256(clips.x.tobytes() + clips.labels.tobytes()).hexdigest(),
        val={"left_out_in_turn": figures},
    )
    return taught, report


def _sequences(pretrained: Checkpoint, clip_set: ClipSet) -> Sequences:
    """The labelled clips, preprocessed as the model wants them, with the classes that occur."""
    layout, settings = pretrained.layout, pretrained.preprocess
    clips = [clip for clip in clip_set.clips if clip.label != UNLABELLED]
    used = sorted({clip.label for clip in clips})
    if len(used) < 2:
        raise UserError(
            f"there are labelled clips of {len(used)} classes: give at least two classes, such as "
            "a folder for each"
        )
    poses = []
    for clip in clips:
        if clip.keypoints.shape[2:] != (len(layout.joints), layout.dimensions):
            raise UserError(
                f"clip {clip.id} has joints of shape {clip.keypoints.shape[2:]}, but the encoder "
                f"was trained on {layout.name}, {len(layout.joints)} joints with "
                f"{layout.dimensions} coordinates"
            )
        both = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)
        poses.append(preprocess(both, clip.image_size, settings, layout, clip.fps))
    return Sequences.from_clips(
        poses,
        {"classes": [clip_set.classes[label] for label in used], "layout": layout.setting},
        labels=np.searchsorted(used, [clip.label for clip in clips]),
        ids=[clip.id for clip in clips],
        groups=[clip.group for clip in clips],
        fps=[clip.fps for clip in clips],
    )


@torch.inference_mode()
def _summaries(network: TwoStream, clips: Sequences, pretrained: Checkpoint) -> Tensor:
    """The encoder's summary (N, W, H) of the most prominent person of each clip's windows."""
    frames, offsets, lengths, fps = map(
        torch.from_numpy, (clips.x, clips.offsets, clips.lengths, clips.fps)
    )
    found = []
    for some in torch.arange(len(clips)).split(_CLIPS_AT_ONCE):
        windows = test_windows(
            frames, offsets[some], lengths[some], pretrained.model.windows, fps[some]
        )
        each = windows.flatten(0, 1)
        seen = (each[..., -1] > 0).flatten(2).any(2)
        who = prominence(each, pretrained.layout).masked_fill(~seen, -1).argmax(1)
        summaries = network.encode(each[torch.arange(len(each)), who])
        found.append(summaries.unflatten(0, windows.shape[:2]))
    return torch.cat(found).clone()  # usable outside of inference mode


def _fit(network: TwoStream, summaries: Tensor, labels: Tensor) -> None:
    """Fit the classifiers of a network to summaries (N, W, H) of clips with labels (N,)."""
    x = summaries.flatten(0, 1)
    targets = labels.repeat_interleave(summaries.shape[1])
    parts = (x, *x.split(network.sizes, 1))
    for classifier, own in zip(network.classifiers, parts, strict=True):
        assert isinstance(classifier, nn.Linear)
        mean, deviation = own.mean(0), own.std(0) + 1e-3
        weight, bias = _logistic_regression(
            (own - mean) / deviation, targets, classifier.out_features
        )
        with torch.no_grad():
            classifier.weight.copy_(weight / deviation)
            classifier.bias.copy_(bias - (weight / deviation) @ mean)


def _logistic_regression(x: Tensor, targets: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Weights (K, H) and biases (K,) with the least cross-entropy, large weights punished."""
    weight = torch.zeros(classes, x.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, history_size=10, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = nn.functional.cross_entropy(x @ weight.T + bias, targets)
        value = value + _WEIGHT_DECAY / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weight.detach(), bias.detach()


def _folds(clips: Sequences) -> tuple[np.ndarray, bool]:
    """The part (N,) in which each clip is left out, and whether parts are groups."""
    names, groups = np.unique(clips.groups, return_inverse=True)
    pairs = set(zip(clips.labels.tolist(), groups.tolist(), strict=True))
    least = min(Counter(label for label, _ in pairs).values())
    by_group = least > 1 and len(names) < len(clips)
    return (groups if by_group else np.arange(len(clips))) % _MOST_FOLDS, by_group


def _report(
    clips: Sequences, named: np.ndarray, probabilities: np.ndarray, by_group: bool
) -> Report:
    """Figures of the named clips, of which there are `probabilities`."""
    # Imported here: scipy.stats takes a while.
    from scipy.stats import binomtest

    classes, labels = clips.settings["classes"], clips.labels[named]
    said = probabilities.argmax(axis=1)
    correct = said == labels

    def wilson(right: np.ndarray) -> tuple[float, float]:
        if not len(right):
            return 0.0, 1.0
        interval = binomtest(int(right.sum()), len(right)).proportion_ci(0.95, "wilson")
        return float(interval.low), float(interval.high)

    groups = clips.groups[named]
    wrong = zip(labels[~correct].tolist(), said[~correct].tolist(), strict=True)
    lowest = [wilson(correct[labels == label])[0] for label in range(len(classes))]
    return Report(
        clips=len(labels),
        right=int(correct.sum()),
        interval=interval_over_groups(correct, groups) if by_group else wilson(correct),
        by_group=by_group,
        confused=[
            (classes[true], classes[taken], number)
            for (true, taken), number in Counter(wrong).most_common()
        ],
        suspects=_suspects(labels, probabilities, clips.ids[named], classes),
        record_more=[
            classes[label] for label in np.argsort(lowest, kind="stable") if lowest[label] < _ENOUGH
        ],
    )


def _suspects(
    labels: np.ndarray, probabilities: np.ndarray, ids: np.ndarray, classes: list[str]
) -> list[Suspect]:
    """Clips that look more like another class than its own clips do on average.

    Source: Northcutt et al., Confident learning: estimating uncertainty in dataset labels, 2021.
    """
    found = []
    usual = np.array(
        [
            probabilities[labels == label, label].mean() if (labels == label).any() else np.inf
            for label in range(len(classes))
        ]
    )
    for row, label, name in zip(probabilities, labels, ids, strict=True):
        rather = int(row.argmax())
        if rather != label and row[rather] >= usual[rather]:
            found.append(Suspect(str(name), classes[label], classes[rather], float(row[rather])))
    return sorted(found, key=lambda suspect: -suspect.probability)
