"""ALMT: language guides what is taken from audio and vision (Zhang et al., EMNLP 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from semanticmac.core import MODALITIES
from semanticmac.model.attention import attend, merge_heads, split_heads
from semanticmac.model.baselines.attention_layers import MultiHeadAttention
from semanticmac.model.baselines.sequences import ABSENT, with_absent
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described

# Width of an attention head outside the hyper-modality layers, whatever the width of the model.
HEAD_WIDTH = 64
LEVELS = 3  # levels of language, and hyper-modality layers


@dataclass(frozen=True)
class ALMTSettings:
    """Sizes; the defaults are those for MOSI."""

    width: int = described(128, "width of every token", at_least=1)
    tokens: int = described(8, "learned tokens of each modality", at_least=1)
    heads: int = described(8, "attention heads; they divide the width", at_least=1)
    feed_forward: int = described(128, "hidden width of feed-forward blocks", at_least=1)
    fusion_layers: int = described(2, "layers of the cross-transformer", at_least=1)
    language_heads: int = described(8, "attention heads of the language layers", at_least=1)
    positions: int = described(
        256, "learned positions; the frames of a longer clip share them", at_least=1
    )
    dropout: float = described(0.0, "dropout of the hyper-modality layers", at_least=0, below=1)
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.width % self.heads:
            raise ValueError(f"width={self.width} must be divisible by heads={self.heads}")


class ALMT(nn.Module):
    """Learned tokens per modality, hyper-modality h, and a cross-transformer from language to h."""

    def __init__(self, settings: ALMTSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        d, tokens = settings.width, settings.tokens
        self.embed = nn.ModuleDict()
        for modality in MODALITIES:
            self.embed[modality] = TokenEmbedding(
                getattr(widths, modality),
                d,
                tokens,
                settings.positions,
                settings.heads,
                settings.feed_forward,
            )
        self.language_positions = learned(tokens, d)
        self.language = nn.ModuleList()
        for _ in range(LEVELS - 1):
            self.language.append(CrossLayer(d, settings.language_heads, settings.feed_forward))
        self.hyper_start = nn.Parameter(torch.ones(tokens, d))
        self.hyper = nn.ModuleList()
        for _ in range(LEVELS):
            self.hyper.append(HyperLayer(d, settings.heads, settings.dropout))
        self.fusion = CrossTransformer(
            d, tokens, settings.heads, settings.feed_forward, settings.fusion_layers
        )
        self.head = nn.Linear(d, outputs)

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K).

        An absent audio or vision adds nothing to h. Without text the learned tokens of language
        stand alone.
        """
        features = with_absent(features, self.settings.absent)
        text = self.embed["text"](features.text, features.text_mask)
        audio = self.embed["audio"](features.audio, features.audio_mask)
        vision = self.embed["vision"](features.vision, features.vision_mask)

        levels = language_levels(text + self.language_positions, self.language)
        hyper = self.hyper_start.expand_as(text)
        for layer, level in zip(self.hyper, levels, strict=True):
            hyper = layer(hyper, level, audio, vision, features.present[:, 1:])
        prediction = self.head(self.fusion(hyper, levels[-1]))
        return FusionOutput({"multimodal": prediction})


def language_levels(tokens: Tensor, layers: nn.ModuleList) -> list[Tensor]:
    """Tokens (B, n, d), and the same after each layer."""
    levels = [tokens]
    for layer in layers:
        levels.append(layer(levels[-1], levels[-1]))
    return levels


def learned(count: int, width: int) -> nn.Parameter:
    """Learned tokens or positions, (count, width)."""
    return nn.Parameter(torch.randn(count, width))


class TokenEmbedding(nn.Module):
    """A sequence of any length → learned tokens that have read it, by transformer layers."""

    def __init__(
        self,
        input_width: int,
        width: int,
        tokens: int,
        positions: int,
        heads: int,
        feed_forward: int,
        layers: int = 1,
    ) -> None:
        super().__init__()
        self.project = nn.Linear(input_width, width)
        self.tokens = learned(tokens, width)
        self.token_positions = learned(tokens, width)
        self.frame_positions = learned(positions, width)
        self.layers = nn.ModuleList()
        for _ in range(layers):
            self.layers.append(CrossLayer(width, heads, feed_forward))

    def forward(self, frames: Tensor, mask: Tensor, read: Tensor | None = None) -> Tensor:
        """frames (B, F, input_width), mask (B, F), real ones first → (B, tokens, width).

        read (B, F): the frames that are looked at; None = all real ones.
        """
        own = (self.tokens + self.token_positions).expand(len(frames), -1, -1)
        x = self.project(frames) + self.frame_positions[self.position(mask)]
        sequence = torch.cat([own, x], dim=1)
        read = mask if read is None else read
        may_attend = torch.cat([mask.new_ones(own.shape[:2]), read], dim=1)[:, None]
        for layer in self.layers[:-1]:
            sequence = layer(sequence, sequence, may_attend)
        # Only the learned tokens are kept, so no frame is a query of the last layer.
        own = sequence[:, : len(self.tokens)]
        kept: Tensor = self.layers[-1](own, sequence, may_attend)
        return kept

    def position(self, mask: Tensor) -> Tensor:
        """The position of each frame, (B, F): its number, or in a longer clip its share of them."""
        positions = len(self.frame_positions)
        step = torch.arange(mask.shape[1], device=mask.device)[None]
        count = mask.sum(1, keepdim=True)
        stretched = step * positions // count.clamp(min=1)
        return torch.where(count > positions, stretched, step).clamp(max=positions - 1)


class CrossLayer(nn.Module):
    """x ← x + Att(LN_q x, LN_k c, LN_v c), x ← x + FFN(LN x), with an exact GELU."""

    def __init__(self, width: int, heads: int, feed_forward: int) -> None:
        super().__init__()
        self.norm_query = nn.LayerNorm(width)
        self.norm_key = nn.LayerNorm(width)
        self.norm_value = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads, HEAD_WIDTH, bias=False)
        self.norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, feed_forward), nn.GELU(), nn.Linear(feed_forward, width)
        )

    def forward(self, x: Tensor, source: Tensor, may_attend: Tensor | None = None) -> Tensor:
        """x (B, T, d), source (B, S, d), may_attend broadcastable to (B, T, S) → (B, T, d)."""
        if may_attend is None:
            may_attend = torch.ones(1, 1, source.shape[1], dtype=torch.bool, device=x.device)
        queries, keys = self.norm_query(x), self.norm_key(source)
        x = x + self.attention(queries, keys, self.norm_value(source), may_attend)
        result: Tensor = x + self.feed_forward(self.norm(x))
        return result


class HyperLayer(nn.Module):
    """h ← LN(h) + W_o(softmax(q k_aᵀ/√d) v_a + softmax(q k_vᵀ/√d) v_v), q from language."""

    def __init__(self, d: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_language = nn.LayerNorm(d)
        self.norm_audio = nn.LayerNorm(d)
        self.norm_vision = nn.LayerNorm(d)
        self.norm_hyper = nn.LayerNorm(d)
        self.to_query = nn.Linear(d, d, bias=False)
        self.from_audio = KeysAndValues(d, heads)
        self.from_vision = KeysAndValues(d, heads)
        self.to_output = nn.Linear(d, d)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, hyper: Tensor, language: Tensor, audio: Tensor, vision: Tensor, present: Tensor
    ) -> Tensor:
        """hyper, language, audio, vision (B, n, d); present (B, 2) of audio, vision → (B, n, d)."""
        queries = self.to_query(self.norm_language(language))
        has_audio, has_vision = present[:, :, None, None].unbind(1)
        from_audio = self.from_audio(queries, self.norm_audio(audio))
        from_vision = self.from_vision(queries, self.norm_vision(vision))
        taken = from_audio.masked_fill(~has_audio, 0.0) + from_vision.masked_fill(~has_vision, 0.0)
        # The residual is the norm of h, as in the original.
        result: Tensor = self.norm_hyper(hyper) + self.dropout(self.to_output(taken))
        return result


class KeysAndValues(nn.Module):
    """Attention of given queries to one modality, before the output map."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_key = nn.Linear(width, width, bias=False)
        self.to_value = nn.Linear(width, width, bias=False)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """queries (B, T, d), tokens (B, S, d) → (B, T, d)."""
        attended = attend(
            split_heads(queries, self.heads),
            split_heads(self.to_key(tokens), self.heads),
            split_heads(self.to_value(tokens), self.heads),
        )
        return merge_heads(attended)


class CrossTransformer(nn.Module):
    """Language queries h; one learned token in front of both carries the result."""

    def __init__(self, d: int, tokens: int, heads: int, feed_forward: int, layers: int) -> None:
        super().__init__()
        length = tokens + 1
        self.token = learned(1, d)
        self.source_positions = learned(length, d)
        self.target_positions = learned(length, d)
        self.layers = nn.ModuleList()
        for _ in range(layers):
            self.layers.append(CrossLayer(d, heads, feed_forward))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """source h and target, the last level of language, (B, n, d) → the token (B, d)."""
        token = self.token.expand(len(source), -1, -1)
        source = torch.cat([token, source], dim=1) + self.source_positions
        x = torch.cat([token, target], dim=1) + self.target_positions
        for layer in self.layers:
            x = layer(x, source)
        return x[:, 0]


MODEL = ModelEntry(
    name="almt",
    summary="ALMT: language guides a hyper-modality of audio and vision",
    settings=ALMTSettings,
    network=ALMT,
    space={
        "lr_rest": {"low": 5e-5, "high": 1e-3, "log": True},
        "width": [64, 128],
        "tokens": [4, 8, 16],
        "feed_forward": [64, 128, 256],
        "fusion_layers": [2, 3, 4],
        "dropout": {"low": 0.0, "high": 0.3},
    },
    reference="Zhang et al., Learning Language-guided Adaptive Hyper-modality, EMNLP 2023",
    notes=("padding is masked",),
)
