"""Pooling: the states of a text's tokens become one state."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semanticmac.model.attention import masked_mean
from semanticmac.model.language.family import Pooling


def pool(hidden: Tensor, mask: Tensor, pooling: Pooling, window: int = 0) -> Tensor:
    """hidden (B, L, D); mask (B, L), True = real token → (B, D), zero for a text without tokens.

    window: length of the windows that a long text was read in; each is pooled, then their mean is
    taken. 0: the text was read at once.
    """
    length = mask.shape[1]
    if not window or length <= window:
        return _pool(hidden, mask, pooling)
    missing = -length % window
    hidden = F.pad(hidden, (0, 0, 0, missing))
    clips, padded, width = hidden.shape
    shape = (clips, padded // window, window)  # (B, W, w)
    windows = F.pad(mask, (0, missing)).reshape(shape)
    pooled = _pool(hidden.reshape(*shape, width), windows, pooling)  # (B, W, D)
    return masked_mean(pooled, windows.any(-1))


def _pool(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """(…, L, D), (…, L) → (…, D)"""
    if pooling == "mean":
        return masked_mean(hidden, mask)
    positions = torch.arange(mask.shape[-1], device=mask.device)
    if pooling == "last":
        index = positions.masked_fill(~mask, -1).amax(-1)
    else:
        index = positions.masked_fill(~mask, mask.shape[-1]).amin(-1)
    chosen = (positions == index[..., None]) & mask  # (…, L), one True in a row with tokens
    return masked_mean(hidden, chosen)
