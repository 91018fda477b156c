"""What a training run is made of: frozen settings, a preset a dataset, and `key=value` on top of it."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import tomlkit

from semanticmac.model.config import ModelConfig, SettingsConflict

PRESETS = Path(__file__).parent / "presets"
Precision = Literal["auto", "float32", "bfloat16"]
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
# Settings of a resolved run that nobody sets.
DECIDED = {
    "dataset": "--dataset names it",
    "outputs": "the labels of the dataset decide it",
    "embedding_width": "the cached embeddings decide it",
}


class ConfigError(Exception):
    """A setting that does not exist or cannot have that value; the message names it."""


class ConflictError(ConfigError):
    """Settings that exclude each other: each may be right where the other is not."""


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of a run.

    The defaults are this project's choices; a preset holds what the paper fixed.
    """

    dataset: str
    seed: int = 1
    epochs: int = 20
    batch_size: int = 32
    lr_language: float = 4e-5
    lr_rest: float = 5e-4
    weight_decay: float = 5e-4
    schedule: Literal["constant", "cosine"] = "constant"  # after the warm-up over the first epoch
    regression_loss: Literal["l1", "mse"] = "l1"
    # balanced: a rare class weighs more in the task loss
    class_weights: Literal["none", "balanced"] = "none"
    # batches whose gradients are averaged before a step; contrastive losses stay within a batch
    accumulate: int = 1
    clip_norm: float = 0.0  # greatest norm of all gradients together; 0: they are not clipped
    precision: Precision = "auto"  # of the model; auto: bfloat16 on a GPU that has it
    compile: bool = False  # torch.compile: minutes at the start, faster steps
    # probability that a clip's modality is absent in an epoch of training; never all
    modality_dropout: float = 0.0
    multi_task: bool = True  # off: only the multimodal sub-task is trained (ablation)
    # SCLG, eq. 13-15
    pseudo_labels: bool = True  # off: every sub-task learns the ground truth (ablation)
    momentum: bool = True  # off: the label is moved afresh every epoch (ablation)
    neighbours: int = 10  # k
    start_epoch: int = 1  # e, epochs that are trained on the ground truth first
    # SCCL, eq. 16-19
    contrastive: bool = True  # off: neither of the two losses (ablation)
    intra: bool = True
    inter: bool = True
    intra_weight: float = 0.1  # α
    inter_weight: float = 0.1  # β
    intra_temperature: float = 0.1  # τ₁
    inter_temperature: float = 0.1  # τ₂
    model: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"{name}={value} must be a finite number")
        if not 0 <= self.seed < 1 << 63:
            raise ConfigError(f"seed={self.seed} must be at least 0 and have no more than 63 bits")
        for name in ("epochs", "batch_size", "accumulate", "neighbours", "start_epoch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("lr_language", "lr_rest", "intra_temperature", "inter_temperature"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0")
        for name in ("weight_decay", "clip_norm", "intra_weight", "inter_weight"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} must not be negative")
        if self.schedule not in ("constant", "cosine"):
            raise ConfigError(f"schedule={self.schedule!r} must be `constant` or `cosine`")
        if self.regression_loss not in ("l1", "mse"):
            raise ConfigError(f"regression_loss={self.regression_loss!r} must be `l1` or `mse`")
        if self.class_weights not in ("none", "balanced"):
            raise ConfigError(f"class_weights={self.class_weights!r} must be `none` or `balanced`")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ConfigError(
                f"precision={self.precision!r} must be `auto`, `float32` or `bfloat16`"
            )
        if not 0.0 <= self.modality_dropout < 1.0:
            raise ConfigError(f"modality_dropout={self.modality_dropout} must lie in [0, 1)")

    def flat(self) -> dict[str, Any]:
        """Setting → value, with the model's settings among the others."""
        settings = asdict(self)
        model: dict[str, Any] = settings.pop("model")
        return settings | model

    def to_toml(self) -> str:
        """The resolved settings; `from_toml` reads them back."""
        settings = asdict(self)
        settings["model"] |= {"modalities": list(self.model.modalities)}  # TOML knows no tuples
        return tomlkit.dumps(settings)


def preset(corpus: str, dataset: str | None = None) -> TrainConfig:
    """The paper's settings for a corpus (method.md §6); the defaults for a corpus that the paper does not have.

    dataset: the corpus's name in the cache, where that is another.
    """
    path = PRESETS / f"{corpus}.toml"
    if not path.exists():
        return TrainConfig(dataset or corpus)
    return from_toml(path.read_text(encoding="utf-8"), dataset or corpus)


def from_toml(text: str, dataset: str) -> TrainConfig:
    """Settings from a TOML text: those of the run at the top, those of the model under [model]."""
    settings = tomllib.loads(text)
    model = settings.pop("model", {})
    if not isinstance(model, dict):
        raise ConfigError(f"model={model!r} must be a table, [model]")
    return override(TrainConfig(settings.pop("dataset", dataset)), {**settings, **model})


def names() -> set[str]:
    """Of all settings, those of the model among the others."""
    return {f.name for kind in (TrainConfig, ModelConfig) for f in fields(kind)} - {"model"}


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """`key=value` words as a dict; values are read as TOML, bare words as strings."""
    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        key = key.strip()
        if not equals:
            raise ConfigError(f"{setting!r} is not of the form key=value")
        if key in DECIDED:
            raise ConfigError(f"{key} is no setting to choose: {DECIDED[key]}")
        try:
            parsed[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            parsed[key] = value.strip()
    return parsed


def override(config: TrainConfig, settings: Mapping[str, Any]) -> TrainConfig:
    """The same settings with some replaced; model settings are named like the others, without a prefix.

    Raises ConfigError for an unknown key, with the nearest names, and for a value that cannot be; a
    ConflictError where settings exclude each other.
    """
    inner = {f.name for f in fields(ModelConfig)}
    own = names() - inner
    for key in settings:
        if key not in names():
            near = difflib.get_close_matches(key, sorted(names()), n=3, cutoff=0.5)
            hint = (
                f"; did you mean {' or '.join(near)}?"
                if near
                else f"; known: {', '.join(sorted(names()))}"
            )
            raise ConfigError(f"there is no setting {key!r}{hint}")
    try:
        model = replace(
            config.model,
            **{
                key: _as(config.model, key, value)
                for key, value in settings.items()
                if key in inner
            },
        )
        return replace(
            config,
            model=model,
            **{key: _as(config, key, value) for key, value in settings.items() if key in own},
        )
    except SettingsConflict as error:
        raise ConflictError(str(error)) from None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _as(config: object, key: str, value: Any) -> Any:
    """A value in the kind that the setting has by default: 1 for 1.0 passes, "yes" for true does not."""
    default = getattr(config, key)
    if isinstance(default, tuple):
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise ConfigError(
                f"{key}={value!r} must be names with commas between, as {','.join(default)}"
            )
        return tuple(name.strip() for name in names)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        usual = str(default).lower() if isinstance(default, bool) else default
        raise ConfigError(
            f"{key}={value!r} must be {KINDS[type(default)]}, like its default {usual}"
        )
    return value
