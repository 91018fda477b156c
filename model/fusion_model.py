"""FusionModel: a language model and a fusion as one network, with the surface of SemanticMAC."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.model.attention import masked_mean
from semanticmac.model.config import ModelConfig, SettingsConflict
from semanticmac.model.dialogue.dialogues import arrange, each_alone, read_dialogues
from semanticmac.model.dialogue.texts import encode_in_chunks
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.frame_scaling import open_scaling
from semanticmac.model.inputs import ModelInputs
from semanticmac.model.language.finetuning import (
    limit_learning,
    open_language_model,
    reads_segments,
)
from semanticmac.model.language.frozen_states import FrozenStates
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.pooling import pool
from semanticmac.model.network import width_of
from semanticmac.model.output_units import open_units
from semanticmac.model.perceiver import compact_frames
from semanticmac.model.registry import model_entry


class FusionModel(nn.Module):
    """The model that `config.name` names. Padding and absent modalities change nothing.

    A fusion that works inside the language model, such as MAG, has a method
    `encode_text(language, ids, mask, types, features) → (B, L, width)`. It is called in place of
    the language model, with features that hold the frames and a blank text.
    """

    def __init__(self, config: ModelConfig, language: nn.Module | None = None) -> None:
        """language: as for SemanticMAC; None = the language model that `config` names."""
        super().__init__()
        self.config = config
        self.mixture = None  # its prediction is not a mixture of heads
        self.language: nn.Module | None = None
        text_width = 1
        if "text" in config.modalities:
            self.language = language or open_language_model(config)
            text_width = width_of(self.language)
            limit_learning(self.language, config)
        self.widths = Widths(text_width, config.audio_width, config.vision_width)
        frame_widths = {"audio": config.audio_width, "vision": config.vision_width}
        self.frame_scaling = open_scaling(config.frame_scaling, config.modalities, frame_widths)
        entry = model_entry(config.name)
        self.reads_dialogues = entry.reads == "dialogue"
        sizes: tuple[Any, ...] = (config.method, self.widths, config.outputs)
        if self.reads_dialogues:
            sizes = (*sizes, config.future > 0)
        self.fusion: Any = entry.network(*sizes)
        self.units = open_units(config.output_units)
        self.works_inside_language = hasattr(self.fusion, "encode_text")
        if self.works_inside_language and self.language is None:
            raise SettingsConflict(
                f"the model {config.name} works inside the language model, but modalities="
                f"{','.join(config.modalities)} has no text: add it, or choose another model"
            )
        self.frozen_states: FrozenStates | None = None
        if config.freeze_language and not self.works_inside_language:
            self.frozen_states = FrozenStates()

    def forward(self, batch: ModelInputs) -> FusionOutput:
        """A padded batch → FusionOutput with `present`."""
        features = self.features(batch)
        if self.reads_dialogues:
            layout = batch.dialogues or each_alone(len(features.present), features.present.device)
            dialogues = arrange(features, layout)
            of_scored = read_dialogues(self.fusion, dialogues, layout, self.config.future)
            return self._in_units(of_scored, features.present[layout.scored])
        return self._in_units(self.fusion(features), features.present)

    def _in_units(self, output: FusionOutput, present: Tensor) -> FusionOutput:
        """The output of the fusion with its predictions in the units of the scores."""
        predictions = {name: self.units(values) for name, values in output.predictions.items()}
        return replace(output, predictions=predictions, present=present)

    def features(self, batch: ModelInputs) -> Features:
        """The language model's hidden states, and the frames of the target clip."""
        audio, audio_mask = self.frames("audio", batch)
        vision, vision_mask = self.frames("vision", batch)
        blank = audio.new_zeros(len(audio), 1, self.widths.text)
        no_text = torch.zeros(len(audio), 1, dtype=torch.bool, device=audio.device)
        features = Features(blank, no_text, audio, audio_mask, vision, vision_mask)
        if self.language is None:
            return features
        if self.reads_dialogues:
            states = self.pooled_texts(batch, features)
            has_text = batch.token_mask.any(1, keepdim=True)
            return replace(features, text=states[:, None], text_mask=has_text, pooled_text=states)
        text, text_mask = self.encode_text(batch, features)
        pooled: Tensor | None = None
        if isinstance(self.language, LanguageModel):
            pooled = pool(text, text_mask, self.language.pooling, self.language.window)
        return replace(features, text=text, text_mask=text_mask, pooled_text=pooled)

    def pooled_texts(self, batch: ModelInputs, features: Features) -> Tensor:
        """One state of each of U texts (U, D), `language_batch` texts at once."""

        def encode(ids: Tensor, mask: Tensor) -> Tensor:
            hidden = self.hidden_states(ids, mask, None, features)
            if isinstance(self.language, LanguageModel):
                return pool(hidden, mask, self.language.pooling, self.language.window)
            return masked_mean(hidden, mask)

        ids, mask = batch.token_ids, batch.token_mask
        if ids.shape[1] == 0:
            ids, mask = F.pad(ids, (0, 1)), F.pad(mask, (0, 1))
        return encode_in_chunks(encode, ids, mask, self.config.language_batch)

    def encode_text(self, batch: ModelInputs, features: Features) -> tuple[Tensor, Tensor]:
        """Token ids → hidden states (B, L, D), zero in padding, and their mask (B, L)."""
        assert self.language is not None
        ids, mask, types = batch.token_ids, batch.token_mask, None
        if self.config.setting == "conversation" and reads_segments(self.language):
            types = batch.token_types
        if ids.shape[1] == 0:
            ids, mask = F.pad(ids, (0, 1)), F.pad(mask, (0, 1))
            types = None if types is None else F.pad(types, (0, 1))
        return self.hidden_states(ids, mask, types, features), mask

    def hidden_states(
        self, ids: Tensor, mask: Tensor, types: Tensor | None, features: Features
    ) -> Tensor:
        """ids, types (B, L) int64, mask (B, L) → (B, L, D), zero in padding."""
        assert self.language is not None
        if self.frozen_states is not None:
            frozen: Tensor = self.frozen_states(self.language, ids, mask, types, self.widths.text)
            return frozen
        # The gradient of a fusion inside the language model passes through frozen layers.
        learns = self.works_inside_language or not self.config.freeze_language
        with torch.set_grad_enabled(torch.is_grad_enabled() and learns):
            if self.works_inside_language:
                hidden = self.fusion.encode_text(self.language, ids, mask, types, features)
            else:
                inputs = (ids, mask) if types is None else (ids, mask, types)
                hidden = self.language(*inputs)
        states: Tensor = hidden.masked_fill(~mask[..., None], 0.0)
        return states

    def frames(self, modality: str, batch: ModelInputs) -> tuple[Tensor, Tensor]:
        """The real frames of the target clip, at most `max_frames`: (B, F, E) and (B, F).

        In the conversation setting the frames of the clips before are left out: these fusions have
        no mark for them. Raises ValueError for embeddings of another width.
        """
        frames: Tensor = getattr(batch, modality)
        mask: Tensor = getattr(batch, f"{modality}_mask")
        width: int = getattr(self.widths, modality)
        if modality not in self.config.modalities:
            blank = frames.new_zeros(len(frames), 1, width)
            return blank, torch.zeros(len(frames), 1, dtype=torch.bool, device=frames.device)
        if frames.shape[2] != width:
            raise ValueError(
                f"{modality} embeddings are {frames.shape[2]} wide, but the model was made for "
                f"{width}: was it trained on another cache?"
            )
        if batch.frame_context is not None:
            mask = mask & ~batch.frame_context
        if self.frame_scaling is not None:
            frames = self.frame_scaling(modality, frames)
        return compact_frames(frames, mask, self.config.max_frames)

    def train(self, mode: bool = True) -> FusionModel:
        """As in torch, but a frozen language model stays in evaluation mode, without dropout."""
        super().train(mode)
        if self.language is not None and self.config.freeze_language:
            self.language.eval()
        return self
