"""Sequences of a fusion: absent modalities, alignment to the tokens, LSTMs, vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from semanticmac.model.features import Features

AbsentRule = Literal["absent", "zeros"]

ABSENT = "zeros: an absent modality is one frame of zeros, as in most papers"
# What every result table says of a word-aligned model.
ALIGNMENT = "token i of n reads the frame at (i + ½)·F/n"


def with_absent(features: Features, absent: AbsentRule) -> Features:
    """The same clips. With absent="zeros" an absent modality is one real frame of zeros."""
    if absent == "absent":
        return features
    return replace(
        features,
        text_mask=with_one_frame(features.text_mask),
        audio_mask=with_one_frame(features.audio_mask),
        vision_mask=with_one_frame(features.vision_mask),
    )


def with_one_frame(mask: Tensor) -> Tensor:
    """The mask (B, F), where a row without True gets one at its first frame."""
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return mask | (~mask.any(1, keepdim=True) & first)


def step_counts(features: Features) -> Tensor:
    """Steps of each clip in a word-aligned model (B,): its tokens.

    A clip without text has as many steps as the longer of its audio and vision has frames.
    """
    tokens = features.text_mask.sum(1)
    frames = torch.maximum(features.audio_mask.sum(1), features.vision_mask.sum(1))
    return torch.where(tokens > 0, tokens, frames)


def aligned(frames: Tensor, mask: Tensor, steps: Tensor, length: int) -> Tensor:
    """Frames at the time of each step: step i of n reads frame ⌊(i + ½)·F/n⌋ of F real frames.

    frames (B, F, d), mask (B, F), real frames first; steps n (B,) → (B, length, d), zero behind
    step n and for a clip without real frames.
    """
    step = torch.arange(length, device=mask.device)[None]  # (1, length)
    count = mask.sum(1, keepdim=True)  # (B, 1)
    index = (2 * step + 1) * count // (2 * steps[:, None]).clamp(min=1)
    index = index.clamp(max=mask.shape[1] - 1)
    chosen = frames.gather(1, index[..., None].expand(-1, -1, frames.shape[2]))
    real = (step < steps[:, None]) & (count > 0)
    return chosen.masked_fill(~real[..., None], 0.0)


def last_token(tokens: Tensor, mask: Tensor) -> Tensor:
    """tokens (B, T, d), mask (B, T), real ones first → the last real one (B, d), or zero."""
    index = (mask.sum(1) - 1).clamp(min=0)  # (B,)
    last = tokens[torch.arange(len(tokens), device=tokens.device), index]
    return only_present(last, mask.any(1))


def only_present(vectors: Tensor, present: Tensor) -> Tensor:
    """vectors (B, d), zero where present (B,) is False."""
    return vectors.masked_fill(~present[:, None], 0.0)


class RealSteps(nn.Module):
    """An LSTM that ends at the last real step, in both directions if it has two.

    It runs in the precision of its weights, because few kernels have an LSTM in half precision.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        layers: int = 1,
        both_directions: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.rnn = nn.LSTM(
            width,
            hidden,
            layers,
            batch_first=True,
            bidirectional=both_directions,
            dropout=dropout if layers > 1 else 0.0,
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B, T, d), mask (B, T), real ones first.

        Returns the outputs (B, T, directions·hidden), zero in padding, and the final states of the
        last layer (B, directions·hidden), forward before backward, zero for a clip without tokens.
        """
        lengths = mask.sum(1).clamp(min=1).cpu()
        with torch.autocast(tokens.device.type, enabled=False):
            packed = nn.utils.rnn.pack_padded_sequence(
                tokens.to(self.rnn.all_weights[0][0].dtype),
                lengths,
                batch_first=True,
                enforce_sorted=False,
            )
            outputs, (hidden, _) = self.rnn(packed)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(
            outputs, batch_first=True, total_length=mask.shape[1]
        )
        directions = 2 if self.rnn.bidirectional else 1
        final = hidden[-directions:].transpose(0, 1).flatten(1)
        return outputs.masked_fill(~mask[..., None], 0.0), only_present(final, mask.any(1))


class SubNet(nn.Module):
    """A norm, a dropout, then three times a linear map and a ReLU: (B, width) → (B, hidden)."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm: nn.Module = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.linear_1 = nn.Linear(width, hidden)
        self.linear_2 = nn.Linear(hidden, hidden)
        self.linear_3 = nn.Linear(hidden, hidden)

    def forward(self, vectors: Tensor) -> Tensor:
        hidden = self.linear_1(self.dropout(self.norm(vectors))).relu()
        result: Tensor = self.linear_3(self.linear_2(hidden).relu()).relu()
        return result


class TextVector(nn.Module):
    """The text as one vector: the end of an LSTM over its tokens or its state, and a linear map."""

    def __init__(self, width: int, hidden: int, out: int, use_lstm: bool) -> None:
        super().__init__()
        self.lstm = RealSteps(width, hidden) if use_lstm else None
        self.linear = nn.Linear(hidden if use_lstm else width, out)

    def forward(self, features: Features) -> Tensor:
        """Features of B clips → (B, out)."""
        if self.lstm is None:
            state = features.text_state()
        else:
            state = self.lstm(features.text, features.text_mask)[1]
        vector: Tensor = self.linear(state)
        return vector
