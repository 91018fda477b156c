"""MAG: audio and vision shift the hidden states inside the language model (Rahman et al., 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from semanticmac.model.baselines.sequences import ALIGNMENT, aligned, with_one_frame
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.language.finetuning import transformer_layers
from semanticmac.model.language.source import LanguageModelError
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described

# Keeps the ratio of the two norms finite.
EPSILON = 1e-6


@dataclass(frozen=True)
class MAGSettings:
    """Strength of the shift and dropout; the defaults are the authors'."""

    beta: float = described(1.0, "β, greatest shift as a share of a hidden state's norm", above=0)
    dropout: float = described(0.5, "dropout behind the gate", at_least=0, below=1)
    head_dropout: float = described(0.1, "dropout before the last layer", at_least=0, below=1)
    absent: Literal["absent", "zeros"] = described(
        "absent", "zeros: an absent audio or vision is one frame of zeros, as in most papers"
    )

    def __post_init__(self) -> None:
        check_settings(self)


class MAG(nn.Module):
    """A gate inside the language model, and the head of a BERT classifier behind it."""

    def __init__(self, settings: MAGSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        self.gate = MagGate(widths, settings.beta, settings.dropout)
        self.pooler = nn.Linear(widths.text, widths.text)
        self.dropout = nn.Dropout(settings.head_dropout)
        self.classifier = nn.Linear(widths.text, outputs)

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K); the hidden states are those of `encode_text`.

        Audio and vision of a clip without text change nothing: there is no hidden state to shift.
        """
        pooled = features.text_state()
        prediction = self.classifier(self.dropout(self.pooler(pooled).tanh()))
        return FusionOutput({"multimodal": prediction})

    def encode_text(
        self,
        language: nn.Module,
        ids: Tensor,
        mask: Tensor,
        types: Tensor | None,
        features: Features,
    ) -> Tensor:
        """Token ids (B, L) → hidden states (B, L, d) of a language model with the gate inside.

        The gate stands before the first transformer layer, in XLNet after it. Raises
        LanguageModelError for a language model whose layers cannot be found or have another form.
        """
        audio = self._words(features.audio, features.audio_mask, mask)
        vision = self._words(features.vision, features.vision_mask, mask)
        layer, steps_first = gate_position(language)

        def shift(_: nn.Module, arguments: Any, keywords: dict[str, Any]) -> Any:
            by_name = not arguments
            hidden = keywords["hidden_states"] if by_name else arguments[0]
            tokens = hidden.transpose(0, 1) if steps_first else hidden  # (B, L, d)
            if tokens.shape[:2] != mask.shape:
                raise LanguageModelError(
                    f"MAG needs one hidden state per token, but {type(layer).__name__} got "
                    f"{tuple(tokens.shape)} for tokens {tuple(mask.shape)}: "
                    "use BERT, RoBERTa or XLNet"
                )
            shifted = self.gate(tokens, *audio, *vision)
            if steps_first:
                shifted = shifted.transpose(0, 1)
            if by_name:
                return arguments, {**keywords, "hidden_states": shifted}
            return (shifted, *arguments[1:]), keywords

        handle = layer.register_forward_pre_hook(shift, with_kwargs=True)
        try:
            inputs = (ids, mask) if types is None else (ids, mask, types)
            hidden: Tensor = language(*inputs)
        finally:
            handle.remove()
        return hidden

    def _words(self, frames: Tensor, mask: Tensor, token_mask: Tensor) -> tuple[Tensor, Tensor]:
        """The frame of each token (B, L, E), and which clips have the modality (B,)."""
        if self.settings.absent == "zeros":
            mask = with_one_frame(mask)
        words = aligned(frames, mask, token_mask.sum(1), token_mask.shape[1])
        return words, mask.any(1)


class MagGate(nn.Module):
    """x ← drop(LN(x + α·H)), H = g_v ⊙ W_v v + g_a ⊙ W_a a, g_m = ReLU(W_gm [m; x])."""

    def __init__(self, widths: Widths, beta: float, dropout: float) -> None:
        super().__init__()
        self.beta = beta
        self.vision_gate = nn.Linear(widths.vision + widths.text, widths.text)
        self.audio_gate = nn.Linear(widths.audio + widths.text, widths.text)
        self.vision_shift = nn.Linear(widths.vision, widths.text)
        self.audio_shift = nn.Linear(widths.audio, widths.text)
        self.norm = nn.LayerNorm(widths.text)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, text: Tensor, audio: Tensor, has_audio: Tensor, vision: Tensor, has_vision: Tensor
    ) -> Tensor:
        """text (B, L, d), aligned audio and vision (B, L, E), presence (B,) → (B, L, d).

        α = min(β·‖x‖/(‖H‖ + ε), 1). An absent modality adds nothing to H.
        """
        # A frozen language model may be in half precision; the gate is not.
        given, text = text.dtype, text.to(self.norm.weight.dtype)
        from_vision = self.vision_gate(torch.cat([vision, text], dim=2)).relu()
        from_vision = from_vision * self.vision_shift(vision)
        from_audio = self.audio_gate(torch.cat([audio, text], dim=2)).relu()
        from_audio = from_audio * self.audio_shift(audio)
        shift = from_vision.masked_fill(~has_vision[:, None, None], 0.0)
        shift = shift + from_audio.masked_fill(~has_audio[:, None, None], 0.0)
        text_norm, shift_norm = text.norm(dim=2, keepdim=True), shift.norm(dim=2, keepdim=True)
        alpha = (self.beta * text_norm / (shift_norm + EPSILON)).clamp(max=1.0)
        result: Tensor = self.dropout(self.norm(text + alpha * shift)).to(given)
        return result


def gate_position(language: nn.Module) -> tuple[nn.Module, bool]:
    """The layer that the gate stands before, and whether its input is (L, B, d), as in XLNet.

    Raises LanguageModelError where the layers are not found, such as those that ALBERT shares.
    """
    encoder: Any = getattr(language, "encoder", None)
    if encoder is None:
        raise LanguageModelError(
            f"MAG stands inside the language model, but {type(language).__name__} has no "
            "`encoder`: use BERT, RoBERTa or XLNet"
        )
    try:
        layers = transformer_layers(encoder)
    except LanguageModelError:
        raise LanguageModelError(
            f"MAG stands between the layers of the language model, but those of "
            f"{type(encoder).__name__} were not found: use BERT, RoBERTa or XLNet"
        ) from None
    if encoder.config.model_type != "xlnet":
        return layers[0], False
    if len(layers) < 2:
        raise LanguageModelError(
            f"MAG stands behind the first layer of XLNet and before the second, but this one has "
            f"{len(layers)} layer: use a deeper one"
        )
    return layers[1], True


MODEL = ModelEntry(
    name="mag",
    summary="MAG: audio and vision shift hidden states inside the language model",
    settings=MAGSettings,
    network=MAG,
    space={
        "lr_rest": {"low": 1e-5, "high": 1e-3, "log": True},
        "beta": {"low": 0.1, "high": 2.0, "log": True},
        "dropout": {"low": 0.0, "high": 0.5},
    },
    reference="Rahman et al., Integrating Multimodal Information, ACL 2020",
    notes=(ALIGNMENT, "needs text: audio and vision of a clip without text are not read"),
)
