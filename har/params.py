"""params.yaml as frozen, strict, typed settings."""

import os
import reprlib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent

from har.errors import UserError

# A few hundred bytes of nested aliases can expand to more than memory holds; ten aliases expand to
# at most forty times the file.
_MOST_CHARACTERS = 2**16
_MOST_ALIASES = 10

_shorten = reprlib.Repr()
_shorten.maxstring = _shorten.maxother = 80


Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
CountOrNone = Annotated[int, Field(ge=0, lt=2**31)]  # 0 switches the setting off
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

LEAST_FRAMES = 8  # of a window


class Section(BaseModel):
    """Settings that are frozen, refuse unknown keys and never convert types."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", protected_namespaces=())


_Kind = TypeVar("_Kind", bound=Section)


class Prepare(Section):
    """The clips to use: a source, its layout, the classes to keep; `seed` is the simulator's.

    `fps` is the frame rate of clips whose file gives none, 0 where it is unknown; `background`
    makes a class of the stretches that a table of segments leaves unlabelled.
    """

    source: Annotated[str, Field(min_length=1)]
    layout: Annotated[str, Field(min_length=1)]
    fps: NotNegative
    background: bool
    classes: list[str | int]
    seed: Seed


class Split(Section):
    """The split: which clips train, choose the model, and give the final figures."""

    protocol: Literal["group", "leave_one_group_out", "random", "official"]
    val_fraction: Share
    test_fraction: Share
    shuffle: Literal["stratified", "per_class"]
    official: str | int
    folds: CountOrNone
    fold: Count
    seed: Seed

    @model_validator(mode="after")
    def _fractions_and_folds_fit(self) -> "Split":
        if not 0 < self.val_fraction + self.test_fraction < 1:
            raise ValueError("val_fraction + test_fraction must lie between 0 and 1")
        if self.folds == 1:
            raise ValueError("folds must be 0 (no cross-validation) or at least 2")
        if self.protocol == "group" and self.folds and self.fold > self.folds:
            raise ValueError(f"fold must be 1 to {self.folds} (folds)")
        return self


class Preprocess(Section):
    """Processing of each clip before training (see har/dataset/preprocessing.py)."""

    persons: Annotated[int, Field(ge=1, le=100)]
    tracking: bool
    hide_below: NotNegative
    center: Literal["none", "first_joint", "mid_hip"]
    scale: Literal["none", "image", "trunk"]
    frames: CountOrNone
    fill: Literal["zeros", "loop"]


class Windows(Section):
    """Windows that a network sees (see har/dataset/windows.py), in frames of 25 per second.

    Windows are resampled to `frames`; 0 takes whole clips, all of one length, not augmented.
    """

    frames: Annotated[int, Field(ge=0, le=4096)]
    # Older checkpoints do not name this setting.
    shortest: Annotated[int, Field(ge=0, le=4096)] = 0
    longest: Count
    shortest_share: Annotated[float, Field(gt=0, le=1)]
    test_longest: Count
    test_windows: Annotated[int, Field(ge=1, le=100)]

    @field_validator("frames")
    @classmethod
    def _long_enough(cls, frames: int) -> int:
        if 0 < frames < LEAST_FRAMES:
            raise ValueError(f"must be at least {LEAST_FRAMES}, or 0 to take whole clips")
        return frames


class Model(Section):
    """A network and what it sees (see har/models/)."""

    arch: Literal[
        "two_stream",
        "lstm",
        "keras_lstm",
        "pytorch_lstm",
        "ddnet",
        "stgcn",
        "minirocket",
    ]
    width: Annotated[int, Field(ge=1, le=4096)]
    layers: Annotated[int, Field(ge=1, le=64)]
    dropout: Share
    windows: Windows
    # Older checkpoints do not name these two settings.
    stem_stride: Annotated[int, Field(ge=1, le=8)] = 1
    pretrained: Literal["none", "motion"] = "none"

    @model_validator(mode="after")
    def _kernels_fit(self) -> "Model":
        if self.arch == "minirocket" and self.windows.frames < 9:
            raise ValueError("minirocket needs windows.frames of at least 9, its kernels' length")
        return self

    @model_validator(mode="before")
    @classmethod
    def _old_keys_are_gone(cls, content: Any) -> Any:
        if isinstance(content, dict) and "lstm" in content:
            names = {"keras": "keras_lstm", "pytorch": "pytorch_lstm"}
            arch = names.get(str(content["lstm"]), "lstm")
            raise ValueError(f"the key lstm is gone: remove it and write arch: {arch}")
        if isinstance(content, dict) and "batch_norm" in content:
            raise ValueError(
                "the key batch_norm is gone: remove it; lstm and pytorch_lstm have batch "
                "normalisation where dropout is above 0"
            )
        return content


class Augmentation(Section):
    """Strengths of the augmentations, 0 for none (see har/dataset/augmentation.py)."""

    flip: Annotated[float, Field(ge=0, le=1)]
    scale: Share
    rotation: NotNegative
    noise: NotNegative
    hide: Annotated[float, Field(ge=0, le=1)]
    limb: Annotated[float, Field(ge=0, le=1)]


class Train(Section):
    """Settings of training (see har/training/)."""

    iterations: CountOrNone
    epochs: CountOrNone
    batch_size: Count
    optimizer: Literal["adam", "adamw", "keras_adam"]
    lr: Positive
    encoder_lr: Annotated[float, Field(ge=0, le=1)]
    epsilon: Positive
    weight_decay: NotNegative
    schedule: Literal["constant", "onecycle"]
    label_smoothing: Share
    keep: Literal["last", "val_loss", "val_accuracy", "val_macro_f1"]
    patience: CountOrNone
    refit: bool
    refit_share: Annotated[float, Field(gt=0, le=1)]
    precision: Literal["float32", "bfloat16"]
    accelerator: Literal["cpu", "cuda", "auto"]
    devices: Count
    nodes: Count
    resume: bool
    augmentation: Augmentation

    @model_validator(mode="after")
    def _one_length(self) -> "Train":
        if not self.iterations and not self.epochs:
            raise ValueError("iterations and epochs can't both be 0")
        if self.patience and self.keep == "last":
            raise ValueError("patience needs keep: val_loss, val_accuracy or val_macro_f1")
        if self.refit and self.keep != "last":
            raise ValueError("refit needs keep: last, since no val subset is left to choose by")
        if self.batch_size < self.devices * self.nodes:
            raise ValueError("batch_size must be at least devices times nodes: each gets a share")
        return self


class Baseline(Section):
    """The baseline model and its training."""

    model: Model
    train: Train


class Pretraining(Section):
    """Pre-training on simulated motion (pretraining/params.yaml, har/training/pretraining.py)."""

    seed: Seed
    threads: Count
    iterations: Count
    batch_size: Count
    lr: Positive
    weight_decay: NotNegative
    label_smoothing: Share
    shortest_seconds: Positive
    longest_seconds: Positive
    held_seconds: Positive
    preprocess: Preprocess
    model: Model
    augmentation: Augmentation


class Evaluate(Section):
    """Settings of the final figures: their subset and their intervals."""

    subset: Literal["test", "val"]
    resamples: Annotated[int, Field(ge=100, le=20_000)]  # memory: one number per group in each
    top_k: Count


class Tracking(Section):
    """Names under which MLflow keeps runs and models."""

    enabled: bool
    experiment: Annotated[str, Field(min_length=1)]
    registered_model: Annotated[str, Field(min_length=1)]


class Params(Section):
    """The whole of params.yaml."""

    seed: Seed
    threads: Count
    prepare: Prepare
    split: Split
    preprocess: Preprocess
    baseline: Baseline
    model: Model
    train: Train
    evaluate: Evaluate
    tracking: Tracking

    @model_validator(mode="after")
    def _sections_fit(self) -> "Params":
        for name, model in (("baseline.model", self.baseline.model), ("model", self.model)):
            if not model.windows.frames and self.preprocess.frames < LEAST_FRAMES:
                raise ValueError(
                    f"{name}.windows.frames is 0, which takes whole clips: preprocess.frames must "
                    f"give them one length of at least {LEAST_FRAMES}"
                )
            if model.arch in ("keras_lstm", "pytorch_lstm") and model.windows.frames:
                recipe = f"recipes/{model.arch.removesuffix('_lstm')}.txt"
                raise ValueError(
                    f"{name}.arch {model.arch} takes whole clips: set {name}.windows.frames to 0 "
                    f"and preprocess.frames to their length, as {recipe} does"
                )
        return self


def load_yaml(path: str | Path) -> Any:
    """Read YAML as DVC does.

    Raises:
        UserError: the file is missing or not YAML.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(_MOST_CHARACTERS + 1)
        if len(text) > _MOST_CHARACTERS:
            raise ValueError(f"more than {_MOST_CHARACTERS} characters")
        return parse_yaml(text)
    except FileNotFoundError:
        raise UserError(f"{path} not found: run this in the project's folder") from None
    except Exception as error:  # the parser raises anything for a tag that does not fit its value
        reason = " ".join(str(error).split())
        if isinstance(error, MarkedYAMLError) and error.problem_mark:
            reason = f"{error.problem}, line {error.problem_mark.line + 1}"
        raise UserError(f"{path} is not readable YAML: {reason}") from None


def parse_yaml(text: str) -> Any:
    """Read YAML as DVC does; raises ruamel.yaml's YAMLError."""
    # The C parser, which DVC uses, crashes on deep nesting.
    if text.count("*") > _MOST_ALIASES:
        events = YAML(typ="safe", pure=True).parse(text)
        if sum(isinstance(event, AliasEvent) for event in events) > _MOST_ALIASES:
            raise YAMLError(f"more than {_MOST_ALIASES} aliases")
    return YAML(typ="safe", pure=True).load(text)


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml.

    Raises:
        UserError: names the file, the first wrong key and what is allowed there.
    """
    return load_section(path, Params)


def load_section(path: str | Path, kind: type[_Kind]) -> _Kind:
    """Read and check a YAML file that holds one section, such as pretraining/params.yaml.

    Raises:
        UserError: names the file, the first wrong key and what is allowed there.
    """
    content = load_yaml(path)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {describe(error, kind)}") from None


def describe(error: ValidationError, section: type[Section] | None = None) -> str:
    """The first error as `key: what is wrong and what is allowed`; `section` defaults to Params."""
    complaints = error.errors(include_url=False)
    # A misspelt key gives an unknown and a missing key: name the unknown one, which was written.
    first = min(complaints, key=lambda complaint: complaint["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    more = f"; {len(complaints) - 1} more" if len(complaints) > 1 else ""
    if first["type"] == "extra_forbidden":
        place = first["loc"][:-1]
        return f"{key}: unknown key; known are {', '.join(_keys(place, section))}{more}"
    if first["type"] == "missing":
        return f"{key}: this key is missing{more}"
    if first["type"] == "model_type":
        return f"{key}: must be a section of keys (it is {_shorten.repr(first['input'])}){more}"
    shown = "" if isinstance(first["input"], dict) else f" (it is {_shorten.repr(first['input'])})"
    return f"{key}: {first['msg'].removeprefix('Value error, ')}{shown}{more}"


def _keys(place: tuple[int | str, ...], section: Any = None) -> list[str]:
    """Returns the keys at a place in a section or in params.yaml."""
    section = section or Params
    for part in place:
        section = section.model_fields[str(part)].annotation
    return list(section.model_fields)


def project_folder() -> Path:
    """The project's own folder, also inside a queued DVC experiment's temporary copy."""
    return Path(os.environ.get("DVC_ROOT", "."))
