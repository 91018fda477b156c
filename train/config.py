"""The settings of a training run, the presets of the corpora, and changes as `key=value`."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from semanticmac.cache.keys import LAST
from semanticmac.model.config import (
    DIALOGUE_SETTINGS,
    ModelConfig,
    SettingsConflict,
    shared_settings,
)
from semanticmac.model.previous_settings import current_settings
from semanticmac.model.registry import SEMANTICMAC, UnknownModel, model_entry
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
    "name": "--model names the model",
    "fold": "--folds trains each fold",
    "outputs": "the labels of the dataset decide it",
    "output_units": "the ranges of the scores decide it",
    "vision_width": "the cached embeddings decide it",
    "audio_width": "the cached embeddings decide it",
}

# Settings of SemanticMAC's objective. Another model has its own in ModelConfig.method.
SEMANTICMAC_TRAINING = (
    "multi_task", "pseudo_labels", "momentum", "neighbours", "start_epoch", "text_target",
    "label_kernel",
    "contrastive", "intra", "inter", "intra_weight", "inter_weight", "intra_temperature",
    "inter_temperature",
)  # fmt: skip


class ConfigError(Exception):
    """A setting does not exist or does not accept this value; the message names it."""


class ConflictError(ConfigError):
    """Two settings exclude each other; each is allowed with another value of the other."""


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of a run, with this project's default. A preset holds what the paper fixed."""

    dataset: str
    seed: int = described(1, "seed of weights, order and dropout, up to 63 bits", at_least=0)
    vision: str = described(
        LAST, "encoder of the vision stream; a+b reads two side by side; last: cached last"
    )
    audio: str = described(LAST, "encoder of the audio stream, like vision")
    epochs: int = described(20, "passes over the train clips", at_least=1)
    batch_size: int = described(
        32, "clips in a batch, of all processes together; dialogues for a model of them", at_least=1
    )
    lr_language: float = described(4e-5, "learning rate of the language model", above=0)
    lr_rest: float = described(5e-4, "learning rate of all other weights", above=0)
    weight_decay: float = described(5e-4, "weight decay of AdamW; biases and norms: 0", at_least=0)
    schedule: Literal["constant", "cosine"] = described(
        "constant", "learning rates after the warm-up over the first epoch"
    )
    regression_loss: Literal["l1", "mse", "ccc"] = described(
        "l1", "loss of scores; ccc: 1 − CCC over the batch, which it needs to be large"
    )
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
    weight_average: float = described(
        0.0,
        "validated and kept: the moving average of the weights over so many epochs; 0: the last",
        at_least=0,
    )
    compile: bool = described(False, "compiled by torch: minutes at the start, then faster steps")
    modality_dropout: float = described(
        0.0,
        "probability that a modality of a clip is absent in an epoch; one always stays",
        at_least=0,
        below=1,
    )
    corrupt: Literal["none", "own", "same", "modalities", "steps", "block"] = described(
        "none", "protocol of missing data by which train clips lose words and frames"
    )
    corrupt_rate: float = described(
        0.9, "greatest rate of corrupt; each clip draws its rate in each epoch", above=0, below=1
    )
    corrupt_words: Literal["absent", "unk"] = described(
        "absent", "of corrupt: a dropped word is absent, or replaced by the unknown token"
    )
    multi_task: bool = described(True, "off: only the multimodal sub-task is trained")

    # SCLG, eq. 13-15
    pseudo_labels: bool = described(True, "eq. 13-15; off: all sub-tasks learn the ground truth")
    momentum: bool = described(True, "eq. 15; off: pseudo labels without history")
    neighbours: int = described(10, "k of eq. 14, nearest clips of a pseudo label", at_least=1)
    start_epoch: int = described(
        1, "e of eq. 15: so many epochs are trained on the ground truth", at_least=1
    )
    text_target: Literal["pseudo", "truth", "both"] = described(
        "pseudo", "target of the text head: pseudo label, ground truth, or their mean"
    )
    label_kernel: Literal["paper", "median"] = described(
        "paper", "width of the kernel of eq. 14: paper 1; median: the median neighbour distance"
    )

    # SCCL, eq. 16-19
    contrastive: bool = described(True, "eq. 16-19; off: neither contrastive loss")
    intra: bool = described(True, "eq. 16-17, contrastive loss within a clip")
    inter: bool = described(True, "eq. 18, contrastive loss between clips")
    intra_weight: float = described(0.1, "α, weight of the intra-sample loss", at_least=0)
    inter_weight: float = described(0.1, "β, weight of the inter-sample loss", at_least=0)
    intra_temperature: float = described(0.1, "τ₁ of the intra-sample loss", above=0)
    inter_temperature: float = described(0.1, "τ₂ of the inter-sample loss", above=0)

    fold: str = described("", "the fold whose speakers are tested; empty: the dataset's splits")

    model: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        try:
            check_settings(self)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if self.seed >= 1 << 63:
            raise ConfigError(f"seed={self.seed} must have no more than 63 bits")
        own_rate = getattr(self.model.method, "missing_rate", 0.0)
        if self.corrupt != "none" and own_rate:
            raise ConflictError(
                f"the model {self.model.name} drops parts of its input itself "
                f"(missing_rate={own_rate}), and corrupt={self.corrupt} would drop more: set "
                "missing_rate=0 or corrupt=none"
            )

    def flat(self) -> dict[str, Any]:
        """Setting → value, with those of the model among the others.

        The key `name` is there for models other than SemanticMAC.
        """
        flat = {} if self.model.name == SEMANTICMAC else {"name": self.model.name}
        for key in setting_parts(self.model.name):
            flat[key] = self.value(key)
        return flat

    def value(self, key: str) -> Any:
        """The value of one setting of the chosen model."""
        holder: object = self
        part = setting_parts(self.model.name)[key]
        if part != TRAIN:
            holder = self.model
        if part == METHOD:
            holder = self.model.method
        return getattr(holder, key)

    def to_toml(self) -> str:
        """The settings as TOML, for `from_toml`."""
        settings: dict[str, Any] = {TRAIN: {}, MODEL: {"name": self.model.name}, METHOD: {}}
        for key, part in setting_parts(self.model.name).items():
            value = self.value(key)
            # TOML has no tuples.
            settings[part][key] = list(value) if isinstance(value, tuple) else value
        model = settings[MODEL]
        if settings[METHOD]:
            model[METHOD] = settings[METHOD]
        import tomlkit  # A training that writes no file needs no tomlkit.

        return tomlkit.dumps({**settings[TRAIN], MODEL: model})


# The parts of TrainConfig, and the tables of config.toml.
TRAIN, MODEL, METHOD = "train", "model", "method"


def setting_parts(model: str) -> dict[str, str]:
    """Setting of a model → TRAIN, MODEL or METHOD: where TrainConfig holds it.

    Raises UnknownModel.
    """
    parts = {}
    is_semanticmac = model == SEMANTICMAC
    for entry in fields(TrainConfig):
        if entry.name != MODEL and (is_semanticmac or entry.name not in SEMANTICMAC_TRAINING):
            parts[entry.name] = TRAIN
    of_model: tuple[str, ...] = () if is_semanticmac else shared_settings(model)
    for entry in fields(ModelConfig):
        elsewhere = entry.name in ("name", METHOD, *DIALOGUE_SETTINGS)
        if entry.name in of_model or (is_semanticmac and not elsewhere):
            parts[entry.name] = MODEL
    if is_semanticmac:
        return parts
    for entry in fields(model_entry(model).settings):
        if entry.name in parts:
            raise TypeError(
                f"the model {model} has a setting {entry.name}, which is the name of a setting of "
                "all models: rename it"
            )
        parts[entry.name] = METHOD
    return parts


def preset(corpus: str, dataset: str | None = None, model: str = SEMANTICMAC) -> TrainConfig:
    """The paper's settings for a corpus (method.md §6), or the defaults if it has none.

    dataset: the name in the cache, if it is not the name of the corpus. For a model other than
    SemanticMAC: the shared settings of the corpus, then those of presets/MODEL/CORPUS.toml.
    Raises ConfigError for an unknown model.
    """
    config = with_name(dataset or corpus, model)
    path = PRESETS / f"{corpus}.toml"
    if path.exists():
        settings = _flat_toml(path.read_text(encoding="utf-8"))
        shared = setting_parts(model)
        for key in list(settings):
            if model != SEMANTICMAC and shared.get(key, METHOD) == METHOD:
                del settings[key]
        config = override(config, settings)
    path = PRESETS / model / f"{corpus}.toml"
    if path.exists():
        config = override(config, _flat_toml(path.read_text(encoding="utf-8")))
    return config


def with_name(dataset: str, model: str) -> TrainConfig:
    """The default settings of a model. Raises ConfigError for an unknown one."""
    try:
        return TrainConfig(dataset, model=ModelConfig(name=model))
    except UnknownModel as error:
        raise ConfigError(str(error)) from None


def from_toml(text: str, dataset: str) -> TrainConfig:
    """Settings from TOML: those of the run at the top, those of the model under [model].

    Without a name the model is SemanticMAC.
    """
    settings = _flat_toml(text)
    model = str(settings.pop("name", SEMANTICMAC))
    return override(with_name(settings.pop("dataset", dataset), model), settings)


def _flat_toml(text: str) -> dict[str, Any]:
    settings = tomllib.loads(text)
    for table in (MODEL, METHOD):
        inside = settings.pop(table, {})
        if not isinstance(inside, dict):
            raise ConfigError(f"{table}={inside!r} must be a table, [{table}]")
        settings |= current_settings(inside) if table == MODEL else inside
    return settings


@dataclass(frozen=True)
class SettingRow:
    """A setting as text, for tables."""

    key: str
    default: str
    accepts: str
    description: str


def setting_rows(word: str = "", model: str = SEMANTICMAC) -> list[SettingRow]:
    """All settings of a model that a user can change, or those with the word.

    The word is looked for in the key and the description. Raises ConfigError for an unknown model.
    """
    rows = []
    config = with_name("", model)
    parts = setting_parts(model)
    holders = {TRAIN: config, MODEL: config.model, METHOD: config.model.method}
    for part, holder in holders.items():
        if holder is None:
            continue
        for key, setting in settings_of(type(holder)).items():
            if key in DECIDED or parts.get(key) != part:
                continue
            if word.lower() not in f"{key} {setting.description}".lower():
                continue
            default = getattr(holder, key)
            accepts = setting.accepts or TYPE_NAMES[type(default)]
            rows.append(SettingRow(key, _as_text(default), accepts, setting.description))
    return rows


def names(model: str = SEMANTICMAC) -> set[str]:
    """The keys of all settings of a model."""
    return set(setting_parts(model))


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
    name = config.model.name
    parts = setting_parts(name)
    values: dict[str, dict[str, Any]] = {TRAIN: {}, MODEL: {}, METHOD: {}}
    for key, value in settings.items():
        _require_known(key, name)
        values[parts[key]][key] = _converted(key, value, config.value(key))
    try:
        if values[METHOD]:
            values[MODEL][METHOD] = replace(config.model.method, **values[METHOD])
        return replace(config, model=replace(config.model, **values[MODEL]), **values[TRAIN])
    except SettingsConflict as error:
        raise ConflictError(str(error)) from None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _require_known(key: str, model: str) -> None:
    known = sorted(names(model))
    if key in known:
        return
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    of_model, option = "", ""
    if model != SEMANTICMAC:
        of_model, option = f" of the model {model}", f" --model {model}"
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    else:
        hint = f"`semanticmac train{option} --settings` lists all of them"
    raise ConfigError(f"there is no setting {key!r}{of_model}; {hint}")


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
