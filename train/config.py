"""The settings of a training run, and the places that hold them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from semanticmac.cache.keys import LAST
from semanticmac.model.config import DIALOGUE_SETTINGS, ModelConfig, shared_settings
from semanticmac.model.registry import SEMANTICMAC, UnknownModel, model_entry
from semanticmac.model.settings import check_settings, described

Precision = Literal["auto", "float32", "bfloat16"]
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


def with_name(dataset: str, model: str) -> TrainConfig:
    """The default settings of a model. Raises ConfigError for an unknown one."""
    try:
        return TrainConfig(dataset, model=ModelConfig(name=model))
    except UnknownModel as error:
        raise ConfigError(str(error)) from None


def names(model: str = SEMANTICMAC) -> set[str]:
    """The keys of all settings of a model."""
    return set(setting_parts(model))
