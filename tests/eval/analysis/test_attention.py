"""Attention weights against a loop."""

from __future__ import annotations

import numpy as np
import torch

from semanticmac.eval.analysis import attention
from semanticmac.model.attention import split_heads


def test_attention_equals_the_loop_and_sums_to_one_over_real_frames(walks):
    data = walks["regression"].open()
    encoder = data.trained.model.frame_encoders["vision"]
    [batch] = data.batches(data.rows("test"))
    with torch.no_grad():
        weights = attention.attention_of(encoder, batch.vision, batch.vision_mask)
        layer = encoder.perceiver.layers[0]
        for n in range(len(batch)):
            real = batch.vision[n, batch.vision_mask[n]]
            keys = layer.to_key(layer.norm_frames(real + encoder.position[: len(real)]))
            queries = layer.to_query(layer.norm_tokens(encoder.perceiver.tokens))
            slow = torch.zeros(len(real))
            for q, k in zip(
                split_heads(queries[None], 2)[0], split_heads(keys[None], 2)[0], strict=True
            ):
                slow += (q @ k.T / q.shape[1] ** 0.5).softmax(1).mean(0) / 2
            torch.testing.assert_close(weights[n, : len(real)], slow, atol=1e-5, rtol=1e-5)
            assert not weights[n, len(real) :].any()
    torch.testing.assert_close(weights.sum(1), torch.ones(len(batch)))
    alone = attention.attention(data, data.rows("test")[2:3])[0]
    together = attention.attention(data, data.rows("test"))[2]
    np.testing.assert_allclose(alone["audio"][1], together["audio"][1], atol=1e-6)
