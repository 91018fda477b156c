"""Many texts through the language model, so few at once that they fit into memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Encode = Callable[[Tensor, Tensor], Tensor]  # ids (u, L), mask (u, L) → states (u, D)


def encode_in_chunks(encode: Encode, ids: Tensor, mask: Tensor, size: int) -> Tensor:
    """States of U texts (U, D); `size` of them are encoded at once, 0: all.

    A chunk is as long as its longest text. Where gradients are needed and there are several chunks,
    the activations of a chunk are computed again in the backward pass: the memory is that of one
    chunk, and the time a third more.
    """
    if not size or len(ids) <= size:
        return encode(ids, mask)
    chunks = []
    for start in range(0, len(ids), size):
        some_ids, some_mask = ids[start : start + size], mask[start : start + size]
        used = some_mask.any(0)
        used[0] = True
        some_ids, some_mask = some_ids[:, used], some_mask[:, used]
        if torch.is_grad_enabled():
            states = checkpoint(encode, some_ids, some_mask, use_reentrant=False)
        else:
            states = encode(some_ids, some_mask)
        chunks.append(states)
    return torch.cat(chunks)
