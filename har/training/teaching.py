"""Teaching: a pre-trained network gets classifiers for a user's own few clips, in seconds.

Its encoder is not changed. Each classifier is a ridge regression, in closed form, on the encoder's
summaries of a clip's test windows. The predictions for each clip by classifiers fitted without it
follow in closed form too, and the figures are of these.
"""

import copy
import hashlib
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.special import log_softmax
from torch import Tensor, nn

from har.clips import UNLABELLED, ClipSet
from har.dataset.preprocessing import preprocess
from har.dataset.sequences import Sequences
from har.errors import UserError
from har.evaluation.calibration import apply_temperature, fit_temperature
from har.evaluation.conformal import val_scores
from har.evaluation.metrics import interval_over_groups
from har.models import build
from har.models.checkpoint import Checkpoint, Known
from har.models.encoder import encoder_of
from har.models.inference import summaries
from har.models.novelty import directions_of, distances, remember
from har.models.two_stream import TwoStream
from har.training.closed_form import factor
from har.training.ridge import fit_ridge

_ENOUGH = 0.7  # lower bound of a class's share of right clips; ten of ten give .72


@dataclass(frozen=True)
class Suspect:
    """A clip whose label looks wrong: its id, its class, and the class that it looks like."""

    clip: str
    label: str
    rather: str
    probability: float


@dataclass(frozen=True)
class Report:
    """Figures of clips that were predicted by classifiers fitted without them.

    Attributes:
        clips: number of these clips.
        right: number of correct predictions.
        interval: of the share of correct ones, 95 %: Wilson's, widened to that over groups; (0, 1)
            without clips.
        by_group: whether whole groups were left out rather than single clips.
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
        The new model for the clips' classes, and its report.

    Raises:
        UserError: there are less than two classes, or clips of another layout, or the pre-trained
            network is not a two_stream one.
    """
    clips = _sequences(pretrained, clip_set)
    classes = clips.settings["classes"]
    settings = pretrained.model.model_copy(update={"pretrained": "motion"})
    network = build(settings, len(classes), pretrained.layout).eval()
    if not isinstance(network, TwoStream):
        raise UserError(f"a {settings.arch} network can't be taught: take a two_stream one")
    network.load_state_dict(encoder_of(pretrained.weights), strict=False)
    seen = summaries(network, clips, settings.windows)

    groups, by_group = _groups(clips)
    single = _of_one_group(clips.labels, groups)
    found = _fit(network, seen, clips.labels, groups, single)[~single]
    named = clips.take(~single)
    temperature = fit_temperature(named.labels, found, named.groups) if len(named) else 1.0
    answered = apply_temperature(found, temperature)
    report = _report(named, answered, by_group)
    figures = {"clips": report.clips, "right": report.right, "interval": list(report.interval)}
    taught = replace(
        pretrained,
        weights=copy.deepcopy(network.state_dict()),
        model=settings,
        classes=classes,
        temperature=temperature,
        data_hash=hashlib.sha256(clips.x.tobytes() + clips.labels.tobytes()).hexdigest(),
        val={"left_out_in_turn": figures},
        known=_known(directions_of(seen), groups),
        val_scores=val_scores(named.labels, answered, 0),
    )
    return taught, report


def _known(directions: np.ndarray, groups: np.ndarray) -> Known:
    """The clips (N, H) and the threshold of unknown ones, by distances to clips of other groups."""
    apart = np.zeros(len(directions))
    for group in np.unique(groups):
        own = groups == group
        apart[own] = distances(directions[own], directions[~own])
    return remember(directions, apart, groups, 0)


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


def _fit(
    network: TwoStream,
    summaries: Tensor,
    labels: np.ndarray,
    groups: np.ndarray,
    single: np.ndarray,
) -> np.ndarray:
    """Fit a network's classifiers, and name each clip without its group.

    Args:
        network: gets the classifiers.
        summaries: (N, W, H) of each clip's windows.
        labels: (N,).
        groups: (N,) numbers of the groups.
        single: (N,) whether there is no other group of a clip's class. Nothing can be told of such
            clips; to choose the penalty, their windows are left out one by one.

    Returns:
        (N, K) log-probabilities.
    """
    number, windows, _ = summaries.shape
    classes = int(labels.max()) + 1
    rows = np.arange(number * windows) + number  # no group has such a number
    rows = np.where(np.repeat(single, windows), rows, np.repeat(groups, windows))
    targets = np.repeat(labels, windows)
    x = summaries.flatten(0, 1)
    found = np.zeros((len(x), classes))
    for classifier, own in zip(network.classifiers, (x, *x.split(network.sizes, 1)), strict=True):
        assert isinstance(classifier, nn.Linear)
        solution = fit_ridge(own.numpy(), targets, classes, rows)
        scale = factor(targets, solution.held_out)
        with torch.no_grad():
            classifier.weight.copy_(torch.from_numpy(solution.weights.T * scale))
            classifier.bias.copy_(torch.from_numpy(solution.intercepts * scale))
        found += log_softmax(solution.held_out * scale, 1) / len(network.classifiers)
    each = log_softmax(found, 1).reshape(number, windows, classes)
    return log_softmax(each.mean(1), 1)


def _groups(clips: Sequences) -> tuple[np.ndarray, bool]:
    """Numbers (N,) of the sets that are left out in turn, and whether they are groups."""
    names, groups = np.unique(clips.groups, return_inverse=True)
    if len(names) < len(clips) and not _of_one_group(clips.labels, groups).any():
        return groups, True
    return np.arange(len(clips)), False


def _of_one_group(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Whether all clips of a clip's class are of one group, (N,)."""
    pairs = {*zip(labels.tolist(), groups.tolist(), strict=True)}
    number = Counter(label for label, _ in pairs)
    return np.array([number[label] == 1 for label in labels.tolist()])


def _report(clips: Sequences, probabilities: np.ndarray, by_group: bool) -> Report:
    """Figures of clips that were named with probabilities (N, K)."""
    # Imported here: scipy.stats takes a while.
    from scipy.stats import binomtest

    classes, labels = clips.settings["classes"], clips.labels
    said = probabilities.argmax(axis=1)
    correct = said == labels

    def wilson(right: np.ndarray) -> tuple[float, float]:
        if not len(right):
            return 0.0, 1.0
        interval = binomtest(int(right.sum()), len(right)).proportion_ci(0.95, "wilson")
        return float(interval.low), float(interval.high)

    low, high = wilson(correct)
    if by_group:  # where groups are alike, as when all is right, the bootstrap has no spread
        own = interval_over_groups(correct, clips.groups)
        low, high = min(low, own[0]), max(high, own[1])
    wrong = zip(labels[~correct].tolist(), said[~correct].tolist(), strict=True)
    lowest = [wilson(correct[labels == label])[0] for label in range(len(classes))]
    return Report(
        clips=len(labels),
        right=int(correct.sum()),
        interval=(low, high),
        by_group=by_group,
        confused=[
            (classes[true], classes[taken], number)
            for (true, taken), number in Counter(wrong).most_common()
        ],
        suspects=_suspects(labels, probabilities, clips.ids, classes),
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
