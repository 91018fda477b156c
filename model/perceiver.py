"""Frame embeddings of one modality → tokens: frame embedding, Affective Perceiver (eq. 3-4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.model.attention import FeedForward, attend, merge_heads, split_heads
from semanticmac.model.config import ModelConfig


def compact_frames(frames: Tensor, mask: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Moves the real frames of each clip to the front, and subsamples them uniformly to `limit`.

    frames (B, F, E); mask (B, F), True = real frame, in any pattern → frames (B, F′, E) and mask
    (B, F′) with F′ = min(F, limit), at least 1. A clip of n > limit frames keeps ⌊j·n/limit⌋, j = 0
    … limit − 1, whatever the other clips of the batch. Padding becomes zero.
    """
    if frames.shape[1] == 0:
        frames, mask = F.pad(frames, (0, 0, 0, 1)), F.pad(mask, (0, 1))
    length = mask.sum(1, keepdim=True)  # (B, 1)
    slot = torch.arange(min(frames.shape[1], limit), device=frames.device)[None]  # (1, F′)
    # (B, F′): the number of the real frame for each slot
    rank = torch.where(length > limit, slot * length // limit, slot)
    # (B, F): real frames first, in time
    order = mask.int().argsort(dim=1, descending=True, stable=True)
    chosen = order.gather(1, rank)
    kept = slot < length
    # Indexed by frame: the backward pass of `gather` would sort every number of every frame.
    clip = torch.arange(len(frames), device=frames.device)[:, None]  # (B, 1)
    frames = frames[clip, chosen]  # (B, F′, E)
    return frames.masked_fill(~kept[..., None], 0.0), kept


class PerceiverLayer(nn.Module):
    """Cross-attention from learned tokens to frames, then a feed-forward block, each residual."""

    def __init__(self, config: ModelConfig, source_width: int) -> None:
        """source_width: E, width of the frames."""
        super().__init__()
        d = config.d_model
        self.heads, self.residual = config.heads, config.perceiver_residual

        def norm(width: int) -> nn.Module:
            return nn.LayerNorm(width) if config.perceiver_layer_norm else nn.Identity()

        self.norm_tokens, self.norm_frames, self.norm_hidden = norm(d), norm(source_width), norm(d)
        self.to_query = nn.Linear(d, d)
        self.to_key = nn.Linear(source_width, d)
        self.to_value = nn.Linear(source_width, d)
        self.to_output = nn.Linear(d, d)
        self.feed_forward = FeedForward(d, config.feed_forward, config.dropout)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, frames: Tensor, mask: Tensor) -> Tensor:
        """tokens X (B, n, d); frames Ê (B, F, E); mask (B, F), True = real frame → (B, n, d).

        Y = X + MHA(q = LN(X), k = v = LN(Ê)), out = Y + FFN(LN(Y)) (eq. 4).
        """
        frames = self.norm_frames(frames)
        q = split_heads(self.to_query(self.norm_tokens(tokens)), self.heads)  # (B, h, n, d_h)
        k = split_heads(self.to_key(frames), self.heads)  # (B, h, F, d_h)
        v = split_heads(self.to_value(frames), self.heads)
        attended = merge_heads(attend(q, k, v, mask[:, None, None, :]))  # (B, n, d)
        hidden: Tensor = self.dropout(self.to_output(attended))
        if self.residual:
            hidden = tokens + hidden
        out: Tensor = self.dropout(self.feed_forward(self.norm_hidden(hidden)))
        if self.residual:
            out = hidden + out
        return out


class AffectivePerceiver(nn.Module):
    """n learned affect tokens that query the frames of one modality in several layers (eq. 4)."""

    def __init__(self, config: ModelConfig, source_width: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(config.perceiver_tokens, config.d_model) * 0.02)
        layers = [PerceiverLayer(config, source_width) for _ in range(config.perceiver_layers)]
        self.layers = nn.ModuleList(layers)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """frames (B, F, E); mask (B, F), True = real frame → affect tokens (B, n, d)."""
        tokens = self.tokens.expand(len(frames), -1, -1)  # (n, d) → (B, n, d)
        for layer in self.layers:
            tokens = layer(tokens, frames, mask)
        return tokens


class FrameEncoder(nn.Module):
    """X_m of vision or audio: subsampling, frame embedding, perceiver (eq. 3-4)."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        """width: E, width of the embeddings of this modality."""
        super().__init__()
        self.max_frames = config.max_frames
        self.dropout = nn.Dropout(config.frame_dropout)
        self.position: nn.Parameter | None = None
        if config.frame_embedding:
            positions = torch.randn(config.max_frames, width)
            self.position = nn.Parameter(positions * 0.02)
        self.context: nn.Parameter | None = None
        if config.setting == "conversation" and config.context_embedding:
            # Row 0 is added to frames of the target, row 1 to frames of its context.
            self.context = nn.Parameter(torch.randn(2, width) * 0.02)
        self.perceiver: AffectivePerceiver | None = None
        self.project: nn.Linear | None = None
        if config.perceiver:
            self.perceiver = AffectivePerceiver(config, width)
        else:
            self.project = nn.Linear(width, config.d_model)

    def forward(
        self, frames: Tensor, mask: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """frames (B, F, E); mask (B, F), True = real frame → X_m (B, T, d) and its mask (B, T).

        Ê = E + P[0:F] (eq. 3). With the perceiver T = n_m and a clip's tokens are all real or,
        where it has no frame, all padding; without it X_m is a linear map of the frames and T =
        min(F, max_frames). In the conversation setting Ê = E + P + C[context]; context (B, F), True
        = frame of a clip before the target, None = there is none.
        """
        if self.context is not None:
            # Before frames are moved, so that each gets the embedding of its own clip.
            target, before = self.context
            added = target if context is None else torch.where(context[..., None], before, target)
            frames = frames + added
        frames, mask = compact_frames(frames, mask, self.max_frames)
        frames = self.dropout(frames)
        if self.position is not None:
            frames = frames + self.position[: frames.shape[1]]
        if self.project is not None:
            return self.project(frames), mask
        assert self.perceiver is not None
        tokens = self.perceiver(frames, mask)
        return tokens, mask.any(1, keepdim=True).expand(-1, tokens.shape[1])
