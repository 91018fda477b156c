"""CLIP-L/14 and WavLM-large with random weights, and the matrix products of one forward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, WavLMConfig, WavLMModel

from semanticmac.cache.records import RawClip
from semanticmac.preprocess.encoders.identity import Identity
from semanticmac.preprocess.encoders.images import DEFAULTS, prepare_images
from semanticmac.preprocess.encoders.transformers_audio import WaveformEncoder
from semanticmac.preprocess.encoders.transformers_vision import CHUNK_ROWS, TransformersVision

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Shape:
    """One encoder at its real size."""

    name: str
    encode: Callable[[], object]  # one chunk or clip, prepared samples or frames to embeddings
    pairs: list[Pair]  # factors of its matrix products
    rows: int


def transformer_products(
    width: int, inner: int, heads: int, rows: int, tokens: int, layers: int
) -> list[Pair]:
    """The products of a transformer's layers: projections, attention, feed-forward."""
    flat, head, many = rows * tokens, width // heads, rows * heads
    sizes = [(flat, width, width)] * 4 + [(flat, width, inner), (flat, inner, width)]
    pairs = [(torch.randn(m, k), torch.randn(k, n)) for m, k, n in sizes]
    pairs.append((torch.randn(many, tokens, head), torch.randn(many, head, tokens)))
    pairs.append((torch.randn(many, tokens, tokens), torch.randn(many, tokens, head)))
    return pairs * layers


def moved(pairs: list[Pair], device: str) -> list[Pair]:
    """The factors on the device."""
    return [(left.to(device), right.to(device)) for left, right in pairs]


def clip_large(layers: int, device: str = "cpu") -> Shape:
    """Chunks of 16 frames; `layers` of the 24, since all layers are alike."""
    config = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=layers,
        num_attention_heads=16,
        patch_size=14,
        projection_dim=768,
    )
    model = CLIPVisionModelWithProjection(config).eval().requires_grad_(False)
    identity = Identity("vision", "clip-large", "", "", 768)

    def prepare(frames: np.ndarray) -> dict[str, Tensor]:
        return {"pixel_values": prepare_images(frames, DEFAULTS["clip"])}

    encoder = TransformersVision(model, prepare, identity, device=device)
    frames = np.random.default_rng(0).integers(0, 256, (CHUNK_ROWS, 224, 398, 3), dtype=np.uint8)
    inputs = prepare(frames)
    pairs = transformer_products(1024, 4096, 16, CHUNK_ROWS, 257, layers)
    pairs.append((torch.randn(CHUNK_ROWS * 256, 588), torch.randn(588, 1024)))
    return Shape("clip_large", lambda: encoder.forward(inputs), moved(pairs, device), CHUNK_ROWS)


def wavlm_large(seconds: float, device: str = "cpu") -> Shape:
    """A clip of so many seconds through all 24 layers."""
    config = WavLMConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        do_stable_layer_norm=True,
        feat_extract_norm="layer",
    )
    model = WavLMModel(config).eval().requires_grad_(False)
    identity = Identity("audio", "wavlm-large", "", "", 1024)
    encoder = WaveformEncoder(model, identity, normalised=True, device=device)
    samples = round(seconds * 16_000)
    waveform = np.random.default_rng(0).normal(0, 3000, samples).astype(np.int16)
    raw = RawClip(None, waveform, seconds)

    pairs: list[Pair] = []
    frames, channels = samples, 1
    for width, kernel, stride in zip(
        config.conv_dim, config.conv_kernel, config.conv_stride, strict=True
    ):
        frames = (frames - kernel) // stride + 1
        pairs.append(
            (torch.randn(frames, kernel * channels), torch.randn(kernel * channels, width))
        )
        channels = width
    pairs.append((torch.randn(frames, 512), torch.randn(512, 1024)))
    groups = config.num_conv_pos_embedding_groups
    reach = 1024 // groups * config.num_conv_pos_embeddings
    pairs.append((torch.randn(groups, frames, reach), torch.randn(groups, reach, 1024 // groups)))
    pairs += transformer_products(1024, 4096, 16, 1, frames, 24)
    return Shape(
        "wavlm_large", lambda: encoder.encode(raw), moved(pairs, device), round(2 * seconds)
    )
