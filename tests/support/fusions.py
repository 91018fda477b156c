"""Small fusions of every published method, in float64, and clips for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from semanticmac.model.config import ModelConfig
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.fusion_model import FusionModel
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.registry import model_entry

WIDTHS = Widths(text=12, audio=5, vision=7)
VOCABULARY = 30
# Small sizes without dropout, and the shared defaults of everything else.
SMALL: dict[str, dict[str, Any]] = {
    "concat": {
        "text_hidden": 8,
        "text_out": 5,
        "audio_hidden": 4,
        "vision_hidden": 6,
        "post_fusion": 10,
    },
    "attention": {"hidden": 6},
    "ef-lstm": {"hidden": 8, "layers": 2},
    "tfn": {
        "text_hidden": 8,
        "text_out": 5,
        "audio_hidden": 4,
        "vision_hidden": 6,
        "post_fusion": 9,
    },
    "lmf": {"text_hidden": 8, "text_out": 4, "audio_hidden": 4, "vision_hidden": 6, "rank": 3},
    "mult": {
        "width": 6,
        "heads": 2,
        "layers": 2,
        "text_kernel": 1,
        "audio_kernel": 3,
        "vision_kernel": 5,
    },
    "misa": {"hidden": 6, "frame_width": 4, "feed_forward": 16},
    "mag": {},
    "self-mm": {
        "audio_hidden": 5,
        "vision_hidden": 6,
        "audio_out": 4,
        "vision_out": 5,
        "fusion_feature": 10,
        "text_feature": 7,
        "audio_feature": 4,
        "vision_feature": 6,
    },
    "mmim": {
        "audio_hidden": 4,
        "vision_hidden": 5,
        "audio_out": 9,
        "vision_out": 8,
        "fusion_hidden": 10,
    },
    "almt": {
        "width": 8,
        "tokens": 4,
        "heads": 2,
        "feed_forward": 10,
        "language_heads": 1,
        "positions": 16,
    },
    "lnln": {
        "width": 8,
        "tokens": 4,
        "heads": 2,
        "feed_forward": 10,
        "depth": 1,
        "positions": 16,
        "discriminator_hidden": 6,
    },
    "mfn": {
        "text_hidden": 8,
        "audio_hidden": 4,
        "vision_hidden": 6,
        "memory": 7,
        "attention_hidden": 5,
        "candidate_hidden": 9,
        "keep_hidden": 10,
        "update_hidden": 11,
        "out_hidden": 13,
    },
    "graph-mfn": {
        "text_hidden": 8,
        "audio_hidden": 4,
        "vision_hidden": 6,
        "node": 5,
        "memory": 7,
        "candidate_hidden": 9,
        "keep_hidden": 10,
        "update_hidden": 11,
        "out_hidden": 13,
    },
}


def small_settings(name: str, **changes: object) -> Any:
    """The settings of a small fusion without dropout."""
    settings = model_entry(name).settings(**SMALL[name])
    off = {key: 0.0 for key in vars(settings) if key.endswith("dropout")}
    return replace(settings, **(off | changes))


def make_fusion(name: str, outputs: int = 1, **changes: object) -> nn.Module:
    """A small fusion in float64 and evaluation mode, all of whose weights count."""
    fusion = model_entry(name).network(small_settings(name, **changes), WIDTHS, outputs)
    return perturbed(fusion)


def perturbed(network: nn.Module) -> nn.Module:
    """Initial zeros and ones would hide a bias or a norm that is not used.

    Greater biases keep the few units of a small network from being dead behind a ReLU.
    """
    for name, weight in network.named_parameters():
        weight.data.add_(torch.randn_like(weight) * 0.1)
        if name.endswith("bias"):
            weight.data.add_(0.2)
    return network.double().eval()


def tiny_bert() -> LanguageModel:
    """A random BERT of two layers and width 12, without dropout."""
    config = BertConfig(
        hidden_size=WIDTHS.text,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=20,
        vocab_size=VOCABULARY,
        max_position_embeddings=16,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return LanguageModel(BertModel(config))


def make_network(name: str, outputs: int = 1, **changes: object) -> FusionModel:
    """A tiny BERT and a small fusion as one network, in float64 and evaluation mode."""
    config = ModelConfig(
        name=name,
        outputs=outputs,
        audio_width=WIDTHS.audio,
        vision_width=WIDTHS.vision,
        method=small_settings(name, **changes),
    )
    network = FusionModel(config, tiny_bert())
    perturbed(network)
    return network


@dataclass(frozen=True)
class Clips:
    """B clips, as the network reads them. Padding holds large garbage."""

    token_ids: Tensor
    token_mask: Tensor
    audio: Tensor
    audio_mask: Tensor
    vision: Tensor
    vision_mask: Tensor
    token_types: Tensor | None = None
    frame_context: Tensor | None = None

    def rows(self, rows: list[int]) -> Clips:
        return Clips(*(value[rows] for value in list(vars(self).values())[:6]))

    def padded(self, more: int) -> Clips:
        """The same clips with so many more tokens and frames of padding."""
        grown = []
        for value in list(vars(self).values())[:6]:
            fill: Any = False if value.dtype == torch.bool else 7
            extra = value.new_full((value.shape[0], more, *value.shape[2:]), fill)
            grown.append(torch.cat([value, extra], dim=1))
        return Clips(*grown)


def make_clips(text: list[int], audio: list[int], vision: list[int]) -> Clips:
    """One clip an entry: numbers of tokens and frames, 0 = absent."""
    token_mask = torch.arange(max(1, *text))[None] < torch.tensor(text)[:, None]
    token_ids = torch.randint(1, VOCABULARY, token_mask.shape)
    audio_frames, audio_mask = garbage_padded(audio, WIDTHS.audio, 1e30)
    vision_frames, vision_mask = garbage_padded(vision, WIDTHS.vision, 1e30)
    return Clips(token_ids, token_mask, audio_frames, audio_mask, vision_frames, vision_mask)


def make_features(text: list[int], audio: list[int], vision: list[int]) -> Features:
    """The same for a fusion alone: hidden states in place of tokens, padding is zero."""
    sequences = []
    for lengths, width in zip((text, audio, vision), vars(WIDTHS).values(), strict=True):
        sequences += garbage_padded(lengths, width, 0.0)
    return Features(*sequences)


def garbage_padded(lengths: list[int], width: int, garbage: float) -> tuple[Tensor, Tensor]:
    longest = max(1, *lengths)
    mask = torch.arange(longest)[None] < torch.tensor(lengths)[:, None]
    content = torch.randn(len(lengths), longest, width, dtype=torch.float64)
    return torch.where(mask[..., None], content, garbage), mask


def clip_of(features: Features, row: int) -> dict[str, Tensor]:
    """The real tokens and frames of one clip: modality → (n, d)."""
    clip = {}
    for modality in ("text", "audio", "vision"):
        mask = getattr(features, f"{modality}_mask")[row]
        clip[modality] = getattr(features, modality)[row][mask]
    return clip


def multimodal(output: FusionOutput) -> Tensor:
    return output.predictions["multimodal"]
