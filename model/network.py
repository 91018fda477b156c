"""SemanticMAC, in the order of the paper's figure: encoders, SGFI, fusion, five sub-task heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.core import MODALITIES, SUB_TASKS
from semanticmac.model.config import ModelConfig
from semanticmac.model.frame_scaling import open_scaling
from semanticmac.model.head_mixture import HeadMixture
from semanticmac.model.inputs import ModelInputs
from semanticmac.model.interaction import PooledMaps, SemanticInteraction, TextPath
from semanticmac.model.language.finetuning import (
    limit_learning,
    open_language_model,
    reads_segments,
)
from semanticmac.model.language.frozen_states import FrozenStates
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.pooling import pool
from semanticmac.model.output_units import open_units
from semanticmac.model.perceiver import FrameEncoder
from semanticmac.model.prefix import PrefixFusion


@dataclass(frozen=True)
class Output:
    """The outputs for B clips.

    For an absent modality s_m and h_m are zero, and its prediction has no meaning.
    """

    predictions: Tensor  # (B, 5, K) in the order of SUB_TASKS: scores, or logits of the classes
    specific: Tensor  # (B, 3, d) s_m in the order of MODALITIES
    shared: Tensor  # (B, 3, d) h_m
    fused: Tensor  # (B, d) z
    present: Tensor  # (B, 3) bool: the modalities that a clip has and the model looks at

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, for `with_tensors`."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Output:
        """The same output with other tensors."""
        return Output(**tensors)

    def sub_tasks(self) -> Tensor:
        """(B, 5, K), the predictions; as in FusionOutput."""
        return self.predictions

    @property
    def representations(self) -> Tensor:
        """h_S, s_t, s_a, s_v as (B, 4, d), in the order of PSEUDO_SUB_TASKS."""
        return torch.cat(
            [mean_of_present(self.shared, self.present)[:, None], self.specific], dim=1
        )


def mean_of_present(shared: Tensor, present: Tensor) -> Tensor:
    """h_m (B, 3, d), zero where absent; present (B, 3) bool → their mean h_S (B, d)."""
    return shared.sum(1) / present.sum(1, keepdim=True).clamp(min=1)


class SemanticMAC(nn.Module):
    """All trainable parts. The frozen encoders of frames and audio run before, in stage 1."""

    def __init__(self, config: ModelConfig, language: nn.Module | None = None) -> None:
        """language: a module with `width` and forward(ids, mask) → (B, L, width).

        None = the language model that `config` names.
        """
        super().__init__()
        self.config = config
        d = config.d_model
        self.language: nn.Module | None = None
        if "text" in config.modalities:
            if language is None:
                language = open_language_model(config)
            self.language = language
            self.project_text = nn.Linear(width_of(self.language), d)
            limit_learning(self.language, config)
        self.frame_encoders = nn.ModuleDict()
        for name in ("audio", "vision"):
            if name in config.modalities:
                self.frame_encoders[name] = FrameEncoder(config, config.frame_width(name))
        widths = {"audio": config.audio_width, "vision": config.vision_width}
        self.frame_scaling = open_scaling(config.frame_scaling, config.modalities, widths)
        self.modality: nn.Parameter | None = None
        if config.modality_embedding:
            self.modality = nn.Parameter(torch.randn(len(MODALITIES), d) * 0.02)
        self.interaction = SemanticInteraction(config) if config.sgfi else PooledMaps(config)
        self.prefix: PrefixFusion | None = None
        fused_width = 2 * len(MODALITIES) * d
        if config.fusion == "prefix":
            assert self.language is not None
            self.prefix = PrefixFusion(config, self.language)
            fused_width = width_of(self.language)
        self.fuse = nn.Linear(fused_width, d)  # W_z
        self.heads = nn.ModuleDict({name: prediction_head(config) for name in SUB_TASKS})
        self.units = open_units(config.output_units)
        self.text_path: TextPath | None = None
        if config.separate_text and "text" in config.modalities:
            self.text_path = TextPath(config)
        self.frozen_states: FrozenStates | None = None
        if config.freeze_language and self.prefix is None:
            self.frozen_states = FrozenStates()
        self.mixture: HeadMixture | None = None
        if config.head_mixture:
            self.mixture = HeadMixture()

    def forward(self, batch: ModelInputs) -> Output:
        """A padded batch → Output.

        Padding, and the content of an absent modality, change nothing (eq. 1-12, 20).
        """
        types, context = None, None
        if self.config.setting == "conversation":
            types, context = batch.token_types, batch.frame_context
        text, text_mask, readout = None, batch.token_mask, None
        if self.prefix is None:
            text, text_mask = self.encode_text(batch.token_ids, batch.token_mask, types)  # eq. 1
        # Eq. 3-5.
        audio, audio_mask = self.encode_frames("audio", batch.audio, batch.audio_mask, context)
        vision, vision_mask = self.encode_frames("vision", batch.vision, batch.vision_mask, context)
        audio, vision = self.mark("audio", audio), self.mark("vision", vision)
        if text is None:
            text, text_mask, readout = self.read_prefix(
                batch, (audio, vision), (audio_mask, vision_mask)
            )
        tokens = [self.mark("text", text), audio, vision]  # X_m (B, T_m, d)
        masks = [text_mask, audio_mask, vision_mask]  # (B, T_m)

        alone = None
        if self.text_path is not None:
            alone = self.text_path(tokens[0], masks[0])  # s_t (B, d)
            tokens[0] = tokens[0].detach()
        specific, shared = self.interaction(tokens, masks)  # s_m, h_m (B, 3, d), eq. 6-11
        if alone is not None:
            specific = torch.cat([alone.detach()[:, None], specific[:, 1:]], dim=1)
        present = torch.stack([mask.any(1) for mask in masks], dim=1)  # (B, 3)
        if readout is None:
            readout = torch.cat([specific.flatten(1), shared.flatten(1)], dim=1)  # (B, 6·d)
        fused = self.fuse(readout)  # z (B, d), eq. 12

        # One (B, d) for each sub-task.
        inputs = [fused, mean_of_present(shared, present), *specific.unbind(1)]
        if alone is not None:
            inputs[SUB_TASKS.index("text")] = alone
        predictions = []
        # Scores are compared and averaged: they are not rounded to bfloat16.
        with torch.autocast(fused.device.type, enabled=False):
            for name, x in zip(SUB_TASKS, inputs, strict=True):
                wide = x.to(self.fuse.weight.dtype)
                predictions.append(self.units(self.heads[name](wide)))  # (B, K), eq. 20
        if self.mixture is not None and not self.training:
            predictions[0] = self.mixture(torch.stack(predictions, dim=1), present)
        return Output(torch.stack(predictions, dim=1), specific, shared, fused, present)

    def encode_text(
        self, ids: Tensor, mask: Tensor, types: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Token ids → X_t (B, L, d) and its mask (B, L) (eq. 1).

        ids, types (B, L) int64; mask (B, L), True = real token.
        """
        if self.language is None:
            return self.padding_token(len(ids))
        if types is not None and not reads_segments(self.language):
            types = None
        if ids.shape[1] == 0:
            ids, mask = F.pad(ids, (0, 1)), F.pad(mask, (0, 1))
            types = None if types is None else F.pad(types, (0, 1))
        if self.frozen_states is not None:
            width = width_of(self.language)
            hidden = self.frozen_states(self.language, ids, mask, types, width)
        elif types is None:
            hidden = self.language(ids, mask)
        else:
            hidden = self.language(ids, mask, types)
        return self.project_states(hidden.masked_fill(~mask[..., None], 0.0), mask)

    def project_states(self, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states (B, L, width), mask (B, L) → X_t (B, L, d) and its mask.

        Without SGFI, and in a prefix, X_t is one token: the text's states, pooled.
        """
        one_state = not self.config.sgfi or self.prefix is not None
        if one_state and isinstance(self.language, LanguageModel):
            pooled = pool(hidden, mask, self.language.pooling, self.language.window)
            hidden, mask = pooled[:, None], mask.any(1, keepdim=True)
        return self.project_text(hidden), mask

    def read_prefix(
        self, batch: ModelInputs, affect: Sequence[Tensor], masks: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """X_a, X_v (B, T, d) and their masks (B, T) → X_t, its mask, the readout's state (B, D)."""
        assert self.prefix is not None and isinstance(self.language, LanguageModel)
        mask = batch.token_mask
        hidden, readout = self.prefix(self.language, batch.token_ids, mask, affect, masks)
        text, text_mask = self.project_states(hidden, mask)
        return text, text_mask, readout

    def mark(self, modality: str, tokens: Tensor) -> Tensor:
        """Adds the embedding of the modality, u_m (eq. 5)."""
        if self.modality is None:
            return tokens
        return tokens + self.modality[MODALITIES.index(modality)]

    def encode_frames(
        self, modality: str, frames: Tensor, mask: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Frames (B, F, E); mask, context (B, F) → X_m (B, T, d) and its mask (B, T) (eq. 3-4)."""
        if modality not in self.frame_encoders:
            return self.padding_token(len(frames))
        expected = self.config.frame_width(modality)
        if frames.shape[2] != expected:
            raise ValueError(
                f"{modality} embeddings are {frames.shape[2]} wide, but the model was made for "
                f"{modality}_width={expected}: was it trained on another cache?"
            )
        if self.frame_scaling is not None:
            frames = self.frame_scaling(modality, frames)
        tokens, token_mask = self.frame_encoders[modality](frames, mask, context)
        return tokens, token_mask

    def padding_token(self, clips: int) -> tuple[Tensor, Tensor]:
        """The tokens of a modality that the model does not read: one padding token per clip."""
        tokens = self.fuse.weight.new_zeros(clips, 1, self.config.d_model)
        return tokens, torch.zeros(clips, 1, dtype=torch.bool, device=tokens.device)

    def train(self, mode: bool = True) -> SemanticMAC:
        """As in torch, but a frozen language model stays in evaluation mode, without dropout."""
        super().train(mode)
        if self.language is not None and self.config.freeze_language:
            self.language.eval()
        return self


def prediction_head(config: ModelConfig) -> nn.Sequential:
    """The multi-layer perceptron of one sub-task (eq. 20): (B, d) → (B, K)."""
    d = config.d_model
    return nn.Sequential(
        nn.Linear(d, d), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(d, config.outputs)
    )


def width_of(language: nn.Module) -> int:
    """The width of a language model's hidden states."""
    width = getattr(language, "width", None)
    if not isinstance(width, int):
        raise TypeError(
            f"{type(language).__name__} has no int `width`: wrap the encoder in LanguageModel"
        )
    return width
