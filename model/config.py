"""Every number and switch of the model, checked when it is made; saved with the weights, it rebuilds the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from semanticmac.core import MODALITIES


class SettingsConflict(ValueError):
    """Settings that cannot stand together, each of which could with another value of the other."""


@dataclass(frozen=True)
class ModelConfig:
    """Widths, depths and ablation switches.

    A switch that is off removes its row of the ablation table.
    """

    # K, width of every prediction: 1 for a score or a binary class, else the number of classes
    outputs: int = 1
    embedding_width: int = 1024  # width of the cached frame embeddings
    # those that the model looks at; any other is absent in every clip
    modalities: tuple[str, ...] = MODALITIES

    # folder, the packaged "all-minilm-l6-v2", or a name on the model hub
    language: str = "all-minilm-l6-v2"
    max_tokens: int = 128  # a longer text is cut here, special tokens included
    # How much of the language model is fine-tuned; at most one of the three
    freeze_language: bool = False  # nothing: it keeps its weights and runs without dropout
    train_layers: int = 0  # only the last so many transformer layers; 0: all of it
    # low-rank updates of its linear layers (LoRA) instead of the layers themselves; 0: none
    lora_rank: int = 0

    # conversation: the clips before it come too
    setting: Literal["utterance", "conversation"] = "utterance"
    context_clips: int = 3  # how many of them at most
    # conversation: a learned embedding tells context frames from the target's
    context_embedding: bool = True

    d_model: int = 256  # d, width of every token after the encoders
    heads: int = 8
    feed_forward: int = 4  # hidden width of every feed-forward block, in units of d_model
    # on every branch that a residual connection adds, and inside feed-forward blocks and heads
    dropout: float = 0.1

    max_frames: int = 256  # a longer clip is uniformly subsampled to so many frames
    frame_embedding: bool = True  # eq. 3
    perceiver: bool = True  # eq. 4; off: a linear map of the frames themselves
    perceiver_tokens: int = 8  # n_m, learned affect tokens a modality
    perceiver_layers: int = 2
    perceiver_layer_norm: bool = True
    perceiver_residual: bool = True
    modality_embedding: bool = True  # eq. 5

    sgfi: bool = True  # eq. 6-11; off: two linear maps of the pooled unimodal representation
    sgfi_layers: int = 2
    multi_query: bool = True  # eq. 6, one key and one value for all heads; off: ordinary multi-head
    bridge_tokens: int = 4  # b of eq. 7; 0: plain attention, without bridge tokens
    gated_relu: bool = True  # eq. 9

    def __post_init__(self) -> None:
        for name in (
            *("outputs", "embedding_width", "d_model", "heads", "feed_forward", "max_frames"),
            *("perceiver_tokens", "perceiver_layers", "sgfi_layers", "context_clips"),
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.d_model % self.heads:
            raise SettingsConflict(
                f"d_model={self.d_model} must be divisible by heads={self.heads}"
            )
        for name, meaning in (
            ("bridge_tokens", "plain attention"),
            ("train_layers", "all"),
            ("lora_rank", "no LoRA"),
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must be 0 ({meaning}) or more")
        limits = [
            name for name in ("freeze_language", "train_layers", "lora_rank") if getattr(self, name)
        ]
        if len(limits) > 1:
            which = " and ".join(limits)
            raise SettingsConflict(
                f"{which} exclude each other: each says what of the language model learns"
            )
        if self.setting not in ("utterance", "conversation"):
            raise ValueError(f"setting={self.setting!r} must be `utterance` or `conversation`")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout={self.dropout} must lie in [0, 1)")
        if self.max_tokens < 3:
            raise ValueError(
                f"max_tokens={self.max_tokens} must be at least 3: two special tokens and one of the text"
            )
        unknown = [name for name in self.modalities if name not in MODALITIES]
        if unknown or not self.modalities:
            raise ValueError(
                f"modalities={self.modalities} must name one or more of {', '.join(MODALITIES)}"
            )
        # A list out of a TOML or JSON file, in any order, means the same model.
        object.__setattr__(
            self, "modalities", tuple(name for name in MODALITIES if name in self.modalities)
        )
        if "text" in self.modalities and not self.language:
            raise SettingsConflict(
                "language is empty: name a language model, or leave text out of modalities"
            )

    @property
    def clips_before(self) -> int:
        """How many clips of the dialogue, at most, come before the target."""
        return self.context_clips if self.setting == "conversation" else 0
