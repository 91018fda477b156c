"""The settings of a training run, the presets of the corpora, and changes as `key=value`."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import tomlkit

from semanticmac.model.config import ModelConfig, SettingsConflict
from semanticmac.model.previous_settings import current_settings
from semanticmac.model.settings import check_settings, described, settings_of

PRESETS = Path(__file__).parent / "presets"
Precision = Literal["auto", "float32", "bfloat16"]
TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    tuple: "names with commas between",
}
# Settings that are not chosen, and what decides them.
DECIDED = {
    "dataset": "--dataset names it",
    "outputs": "the labels of the dataset decide it",
    "vision_width": "the cached embeddings decide it",
    "audio_width": "the cached embeddings decide it",
}


class ConfigError(Exception):
    """A setting does not exist or does not accept this value; the message names it."""


class ConflictError(ConfigError):
    """Two settings exclude each other; each is allowed with another value of the other."""


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of a run, with this project's default. A preset holds what the paper fixed."""

    dataset: str
    seed: int = described(1, "seed of weights, order and dropout, up to 63 bits", at_least=0)
    epochs: int = described(20, "passes over the train clips", at_least=1)
    batch_size: int = described(32, "clips in a batch, of all processes together", at_least=1)
    lr_language: float = described(4e-5, "learning rate of the language model", above=0)
    lr_rest: float = described(5e-4, "learning rate of all other weights", above=0)
    weight_decay: float = described(5e-4, "weight decay of AdamW; biases and norms: 0", at_least=0)
    schedule: Literal["constant", "cosine"] = described(
        "constant", "learning rates after the warm-up over the first epoch"
    )
    regression_loss: Literal["l1", "mse"] = described("l1", "loss of a score")
    class_weights: Literal["none", "balanced"] = described(
        "none", "balanced: a rare class has a greater weight in the task loss"
    )
    accumulate: int = described(
        1, "batches in a step; contrastive losses stay within a batch", at_least=1
    )
    clip_norm: float = described(
        0.0, "greatest norm of all gradients together; 0: no clipping", at_least=0
    )
    precision: Precision = described(  # noqa: RUF009  a field
        "auto", "of the model; auto: bfloat16 on a GPU that supports it, else float32"
    )
    compile: bool = described(False, "torch.compile: minutes at the start, then faster steps")
    modality_dropout: float = described(
        0.0,
        "probability that a modality of a clip is absent in an epoch; one always stays",
        at_least=0,
        below=1,
    )
    multi_task: bool = described(True, "off: only the multimodal sub-task is trained")

    # SCLG, eq. 13-15
    pseudo_labels: bool = described(True, "eq. 13-15; off: all sub-tasks learn the ground truth")
    momentum: bool = described(True, "eq. 15; off: pseudo labels without history")
    neighbours: int = described(10, "k of eq. 14, nearest clips of a pseudo label", at_least=1)
    start_epoch: int = described(
        1, "e of eq. 15: so many epochs are trained on the ground truth", at_least=1
    )

    # SCCL, eq. 16-19
    contrastive: bool = described(True, "eq. 16-19; off: neither contrastive loss")
    intra: bool = described(True, "eq. 16-17, contrastive loss within a clip")
    inter: bool = described(True, "eq. 18, contrastive loss between clips")
    intra_weight: float = described(0.1, "α, weight of the intra-sample loss", at_least=0)
    inter_weight: float = described(0.1, "β, weight of the inter-sample loss", at_least=0)
    intra_temperature: float = described(0.1, "τ₁ of the intra-sample loss", above=0)
    inter_temperature: float = described(0.1, "τ₂ of the inter-sample loss", above=0)

    model: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        try:
            check_settings(self)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if self.seed >= 1 << 63:
            raise ConfigError(f"seed={self.seed} must have no more than 63 bits")

    def flat(self) -> dict[str, Any]:
        """Setting → value, with the model's settings among the others."""
        settings = asdict(self)
        model: dict[str, Any] = settings.pop("model")
        return settings | model

    def to_toml(self) -> str:
        """The settings as TOML, for `from_toml`."""
        settings = asdict(self)
        settings["model"] |= {"modalities": list(self.model.modalities)}  # TOML has no tuples
        return tomlkit.dumps(settings)


def preset(corpus: str, dataset: str | None = None) -> TrainConfig:
    """The paper's settings for a corpus (method.md §6), or the defaults if it has none.

    dataset: the name in the cache, if it is not the name of the corpus.
    """
    path = PRESETS / f"{corpus}.toml"
    if not path.exists():
        return TrainConfig(dataset or corpus)
    return from_toml(path.read_text(encoding="utf-8"), dataset or corpus)


def from_toml(text: str, dataset: str) -> TrainConfig:
    """Settings from TOML: those of the run at the top, those of the model under [model]."""
    settings = tomllib.loads(text)
    model = settings.pop("model", {})
    if not isinstance(model, dict):
        raise ConfigError(f"model={model!r} must be a table, [model]")
    return override(
        TrainConfig(settings.pop("dataset", dataset)), {**settings, **current_settings(model)}
    )


@dataclass(frozen=True)
class SettingRow:
    """A setting as text, for tables."""

    key: str
    default: str
    accepts: str
    description: str


def setting_rows(word: str = "") -> list[SettingRow]:
    """All settings that a user can change, or those whose key or description has the word."""
    rows = []
    for config in (TrainConfig(""), ModelConfig()):
        for key, setting in settings_of(type(config)).items():
            if key in DECIDED or word.lower() not in f"{key} {setting.description}".lower():
                continue
            default = getattr(config, key)
            accepts = setting.accepts or TYPE_NAMES[type(default)]
            rows.append(SettingRow(key, _as_text(default), accepts, setting.description))
    return rows


def names() -> set[str]:
    """The keys of all settings, with those of the model."""
    keys = set()
    for entry in (*fields(TrainConfig), *fields(ModelConfig)):
        keys.add(entry.name)
    return keys - {"model"}


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """`key=value` words as a dict. Values are read as TOML; a bare word is a string."""
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
    """The same settings with some replaced. Keys of the model have no prefix.

    Raises ConfigError for an unknown key, with the nearest names, and for a value that is not
    accepted; ConflictError for settings that exclude each other.
    """
    model_keys = {entry.name for entry in fields(ModelConfig)}
    train_values, model_values = {}, {}
    for key, value in settings.items():
        _require_known(key)
        if key in model_keys:
            model_values[key] = _converted(key, value, getattr(config.model, key))
        else:
            train_values[key] = _converted(key, value, getattr(config, key))
    try:
        return replace(config, model=replace(config.model, **model_values), **train_values)
    except SettingsConflict as error:
        raise ConflictError(str(error)) from None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _require_known(key: str) -> None:
    known = sorted(names())
    if key in known:
        return
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    else:
        hint = "`semanticmac train --settings` lists all of them"
    raise ConfigError(f"there is no setting {key!r}; {hint}")


def _converted(key: str, value: Any, default: Any) -> Any:
    """A value in the type of its default: 1 for 1.0 is accepted, "yes" for true is not."""
    if isinstance(default, tuple):
        return _converted_names(key, value, default)
    is_int = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(default, float) and is_int:
        return float(value)
    if type(value) is not type(default):
        expected = TYPE_NAMES[type(default)]
        raise ConfigError(
            f"{key}={value!r} must be {expected}, like its default {_as_text(default)}"
        )
    return value


def _converted_names(key: str, value: Any, default: tuple[str, ...]) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"{key}={value!r} must be names with commas between, as {_as_text(default)}"
        )
    return tuple(name.strip() for name in names)


def _as_text(value: object) -> str:
    """A value as a user writes it."""
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
