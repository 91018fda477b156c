"""The settings of the model, checked. Saved with the weights, they rebuild the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from semanticmac.core import MODALITIES
from semanticmac.model.registry import SEMANTICMAC, model_entry
from semanticmac.model.settings import check_settings, described

# Settings that every model has. Most other fields of ModelConfig belong to SemanticMAC; another
# model has its settings in `method`.
SHARED_SETTINGS = (
    "outputs", "output_units", "vision_width", "audio_width", "modalities", "language",
    "max_tokens", "text_window", "prompt", "pooling", "language_weights", "freeze_language",
    "train_layers", "lora_rank", "gradient_checkpointing", "setting", "context_clips", "max_frames",
    "frame_scaling",
)  # fmt: skip
# Those of every model that reads clips, and of every model that reads whole dialogues.
CLIP_SETTINGS = ("setting", "context_clips")
DIALOGUE_SETTINGS = ("future", "dialogue_window", "dialogue_overlap", "language_batch")


def shared_settings(model: str) -> tuple[str, ...]:
    """The settings of ModelConfig that a model other than SemanticMAC has."""
    if model_entry(model).reads == "clip":
        return SHARED_SETTINGS
    return (*(name for name in SHARED_SETTINGS if name not in CLIP_SETTINGS), *DIALOGUE_SETTINGS)


class SettingsConflict(ValueError):
    """Two settings that exclude each other; each is allowed with another value of the other."""


@dataclass(frozen=True)
class ModelConfig:
    """What every model is built from (SHARED_SETTINGS), and the settings of the chosen one.

    The other fields are widths, depths and ablation switches of SemanticMAC. Each switch is a row
    of its ablation table.
    """

    name: str = described(SEMANTICMAC, "the model, by its name in model/registry.py")
    outputs: int = described(
        1, "K, width of each prediction: the number of classes or scores; 1: binary", at_least=1
    )
    output_units: tuple[str, ...] = described(
        (), "for each score centre:scale, ŷ = centre + scale · output of the head; empty: 0:1"
    )
    vision_width: int = described(1024, "width of the cached vision embeddings", at_least=1)
    audio_width: int = described(1024, "width of the cached audio embeddings", at_least=1)
    modalities: tuple[str, ...] = described(
        MODALITIES, "modalities that the model reads; others are absent in every clip"
    )

    language: str = described(
        "all-minilm-l6-v2", "language model: a folder, the packaged one, or a name on the hub"
    )
    max_tokens: int = described(
        128,
        "tokens of the language model, two special ones included; a longer text is cut",
        at_least=3,
    )
    text_window: int = described(
        0,
        "the language model reads a longer text in overlapping windows of so many tokens; "
        "0: at once",
        at_least=0,
    )
    prompt: str = described(
        "", "for the language model: words around each text, which stands at {text}; empty: none"
    )
    pooling: Literal["auto", "mean", "first", "last"] = described(
        "auto", "one state of a text where a model needs it; auto: the language model decides"
    )
    language_weights: Literal["auto", "float32", "bfloat16", "4bit"] = described(
        "auto", "how the language model is kept; auto: bfloat16 for a frozen decoder, else float32"
    )
    freeze_language: bool = described(False, "the language model is not trained, without dropout")
    train_layers: int = described(
        0, "only the last so many layers of the language model are trained; 0: all", at_least=0
    )
    lora_rank: int = described(
        0, "rank of low-rank updates (LoRA) of the language model; 0: none", at_least=0
    )

    gradient_checkpointing: bool = described(
        False, "activations of the language model are computed twice: less memory, more time"
    )

    setting: Literal["utterance", "conversation"] = described(
        "utterance", "conversation: the model also reads the clips before the target"
    )
    context_clips: int = described(
        3, "conversation: how many clips before the target, at most", at_least=1
    )
    future: int = described(
        0, "utterances after the target that are read; 0: none. Papers read all of them", at_least=0
    )
    dialogue_window: int = described(
        128, "a dialogue of more utterances is cut into windows that share some", at_least=1
    )
    dialogue_overlap: int = described(
        32, "utterances that a window shares with the one before it", at_least=0
    )
    language_batch: int = described(
        32, "texts that the language model reads at once; 0: all of a batch", at_least=0
    )
    context_embedding: bool = described(
        True, "conversation: a learned embedding marks the frames before the target"
    )

    d_model: int = described(256, "d, width of every token after the encoders", at_least=1)
    heads: int = described(8, "attention heads; they divide d_model", at_least=1)
    feed_forward: int = described(
        4, "hidden width of feed-forward blocks, in units of d_model", at_least=1
    )
    dropout: float = described(
        0.1, "dropout on residual branches, in feed-forward blocks and heads", at_least=0, below=1
    )

    max_frames: int = described(256, "a longer clip is uniformly subsampled", at_least=1)
    frame_scaling: Literal["none", "standard", "unit"] = described(
        "none",
        "standard: each number of a frame with mean 0 and deviation 1 over the train clips; unit: "
        "also divided by √width, so that a frame is about 1 long; none: as cached",
    )
    frame_embedding: bool = described(True, "eq. 3: learned embedding of the frame position")
    perceiver: bool = described(True, "eq. 4; off: a linear map of the frames")
    perceiver_tokens: int = described(8, "n_m, learned affect tokens per modality", at_least=1)
    perceiver_layers: int = described(2, "layers of the perceiver", at_least=1)
    perceiver_layer_norm: bool = described(True, "layer norm in the perceiver")
    perceiver_residual: bool = described(True, "residual connections in the perceiver")
    modality_embedding: bool = described(True, "eq. 5: learned embedding of the modality")

    fusion: Literal["sgfi", "prefix"] = described(
        "sgfi", "prefix: a decoder reads affect tokens after the text, and a readout token last"
    )
    sgfi: bool = described(True, "eq. 6-11; off: two linear maps of the pooled representation")
    sgfi_layers: int = described(2, "layers of each SGFI stack", at_least=1)
    multi_query: bool = described(
        True, "eq. 6: all heads share one key and one value; off: ordinary multi-head attention"
    )
    bridge_tokens: int = described(4, "b of eq. 7; 0: attention without bridge tokens", at_least=0)
    gated_relu: bool = described(True, "eq. 9")
    separate_text: bool = described(
        False, "audio and vision do not train the text path, which has a specific stack of its own"
    )
    head_mixture: bool = described(
        False, "the prediction is a mixture of the heads by validation, led by the text"
    )
    frame_dropout: float = described(
        0.0, "dropout on the numbers of the frame embeddings", at_least=0, below=1
    )

    # Settings of a model other than SemanticMAC: its dataclass, made with its defaults where None.
    method: Any = None

    def __post_init__(self) -> None:
        check_settings(self)
        if self.d_model % self.heads:
            raise SettingsConflict(
                f"d_model={self.d_model} must be divisible by heads={self.heads}"
            )
        limits = []
        for name in ("freeze_language", "train_layers", "lora_rank"):
            if getattr(self, name):
                limits.append(name)
        if len(limits) > 1:
            raise SettingsConflict(
                f"{' and '.join(limits)} exclude each other: each limits how the language model "
                "is trained"
            )
        self._check_language()
        if self.separate_text and (self.fusion == "prefix" or not self.sgfi):
            raise SettingsConflict(
                "separate_text=true needs fusion=sgfi and sgfi=true: its text path is an SGFI stack"
            )
        unknown = [name for name in self.modalities if name not in MODALITIES]
        if unknown or not self.modalities:
            raise ValueError(
                f"modalities={self.modalities} must name one or more of {', '.join(MODALITIES)}"
            )
        after = min(self.future, self.dialogue_overlap)
        if self.dialogue_window <= self.dialogue_overlap + after:
            raise SettingsConflict(
                f"dialogue_window={self.dialogue_window} must be greater than "
                f"{self.dialogue_overlap} + {after}, the utterances that a window shares with "
                "those before and after it (dialogue_overlap, future)"
            )
        readable: tuple[str, ...] = MODALITIES
        if self.name != SEMANTICMAC:
            readable = self._check_method()
        # A list from a TOML or JSON file, in any order, means the same model.
        ordered = tuple(name for name in MODALITIES if name in self.modalities and name in readable)
        if not ordered:
            raise SettingsConflict(
                f"modalities={','.join(self.modalities)}, but the model {self.name} reads "
                f"{' and '.join(readable)}"
            )
        object.__setattr__(self, "modalities", ordered)
        if "text" in self.modalities and not self.language:
            raise SettingsConflict(
                "language is empty: name a language model, or leave text out of modalities"
            )

    def _check_language(self) -> None:
        if self.prompt and self.prompt.count("{text}") != 1:
            raise ValueError(f"prompt={self.prompt!r} must contain {{text}} once")
        if 0 < self.text_window < 16:
            raise ValueError(f"text_window={self.text_window} must be 0, or at least 16")
        if self.text_window and self.text_window >= self.max_tokens:
            raise SettingsConflict(
                f"text_window={self.text_window} must be smaller than max_tokens={self.max_tokens},"
                " the greatest length of the whole text"
            )
        if self.text_window and (self.setting == "conversation" or self.fusion == "prefix"):
            other = "fusion=prefix"
            if self.setting == "conversation":
                other = "setting=conversation"
            raise SettingsConflict(f"text_window and {other} exclude each other")
        frozen = self.freeze_language or self.lora_rank
        if self.language_weights in ("bfloat16", "4bit") and not frozen:
            raise SettingsConflict(
                f"language_weights={self.language_weights} needs frozen weights: set lora_rank or "
                "freeze_language"
            )
        if self.fusion == "prefix" and "text" not in self.modalities:
            raise SettingsConflict("fusion=prefix needs the modality text, which carries the rest")

    def frame_width(self, modality: str) -> int:
        """The width of the embeddings of vision or audio."""
        return self.vision_width if modality == "vision" else self.audio_width

    def _check_method(self) -> tuple[str, ...]:
        """Fills in the default settings of the method → the modalities that it can read."""
        entry = model_entry(self.name)
        if self.method is None:
            object.__setattr__(self, "method", entry.settings())
        elif not isinstance(self.method, entry.settings):
            raise TypeError(
                f"method={self.method!r} must be {entry.settings.__name__}, the settings of the "
                f"model {self.name}"
            )
        return entry.modalities

    @property
    def reads_dialogues(self) -> bool:
        """Whether a row of a batch is a whole dialogue."""
        return self.name != SEMANTICMAC and model_entry(self.name).reads == "dialogue"

    @property
    def clips_before(self) -> int:
        """How many clips of the dialogue are read before the target, at most."""
        return self.context_clips if self.setting == "conversation" else 0
