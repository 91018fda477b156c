"""The perceiver equals a loop over clips and heads; long clips are subsampled evenly."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from semanticmac.model.config import ModelConfig
from semanticmac.model.perceiver import FrameEncoder, compact_frames


def frame_encoder_loop(encoder: FrameEncoder, frames: Tensor) -> Tensor:
    """Equations 3 and 4 for one clip without padding, shorter than max_frames.

    frames (F, E) → tokens (T, d).
    """
    if encoder.position is not None:
        frames = torch.stack([frame + encoder.position[k] for k, frame in enumerate(frames)])
    if encoder.perceiver is None:
        assert encoder.project is not None
        return encoder.project(frames)
    x = encoder.perceiver.tokens
    for layer in encoder.perceiver.layers:
        d_h = x.shape[1] // layer.heads
        q = layer.to_query(layer.norm_tokens(x))
        k, v = layer.to_key(layer.norm_frames(frames)), layer.to_value(layer.norm_frames(frames))
        heads = []
        for i in range(layer.heads):
            own = slice(i * d_h, (i + 1) * d_h)
            heads.append((q[:, own] @ k[:, own].T / math.sqrt(d_h)).softmax(1) @ v[:, own])
        attended = layer.to_output(torch.cat(heads, dim=1))
        y = x + attended if layer.residual else attended
        thought = layer.feed_forward(layer.norm_hidden(y))
        x = y + thought if layer.residual else thought
    return x


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"perceiver": False},
        {"frame_embedding": False},
        {"perceiver_layer_norm": False},
        {"perceiver_residual": False},
    ],
)
def test_frame_encoder_equals_the_loop(switches: dict[str, bool]) -> None:
    config = ModelConfig(d_model=12, heads=3, perceiver_tokens=4, **switches)
    encoder = FrameEncoder(config, width=10).double().eval()
    frames, mask = torch.randn(3, 6, 10, dtype=torch.float64), torch.rand(3, 6) < 0.6
    mask[:, 2] = True
    tokens, token_mask = encoder(frames, mask)
    for clip in range(3):
        expected = frame_encoder_loop(encoder, frames[clip, mask[clip]])
        torch.testing.assert_close(tokens[clip, token_mask[clip]], expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.booleans(), max_size=20),
    st.integers(min_value=1, max_value=8),
    st.integers(min_value=0, max_value=5),
)
def test_a_long_clip_is_subsampled_evenly_whatever_its_padding(
    real: list[bool], limit: int, padding: int
) -> None:
    mask = torch.tensor([real + [False] * padding], dtype=torch.bool)
    frames = torch.arange(mask.shape[1], dtype=torch.float64)[None, :, None]
    kept, kept_mask = compact_frames(torch.where(mask[..., None], frames, torch.nan), mask, limit)
    own = [float(place) for place, is_real in enumerate(real) if is_real]
    if len(own) > limit:
        own = [own[j * len(own) // limit] for j in range(limit)]
    assert kept[0, kept_mask[0], 0].tolist() == own
    assert (kept[0, ~kept_mask[0]] == 0).all()
    assert kept_mask.sum() == 0 or kept_mask[0, : int(kept_mask.sum())].all()
