"""Graphs of a dialogue as masked dense products: relations, and a relational convolution."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def relation_count(speakers: int) -> int:
    """Relations of so many speakers: each ordered pair, before and after."""
    return 2 * speakers * speakers


def relations(speakers: Tensor, most: int) -> Tensor:
    """The relation of each pair of utterances, 2·(s_i·S + s_j) + [j > i]: (R, N) → (R, N, N).

    most: S; further speakers count as the last of them.
    """
    numbers = speakers.clamp(max=most - 1)
    pairs = numbers[:, :, None] * most + numbers[:, None, :]
    position = torch.arange(speakers.shape[1], device=speakers.device)
    later = (position[None] > position[:, None]).long()  # (N, N)
    return 2 * pairs + later


class RelationalConv(nn.Module):
    """h_i = Σ_r Σ_{j ∈ N_r(i)} w_ij/|N_r(i)| · W_r x_j, with W_r = Σ_b a_rb V_b.

    With as many bases as relations, the matrices W_r are free.
    """

    def __init__(self, width: int, out: int, relations: int, bases: int) -> None:
        super().__init__()
        bases = min(bases, relations)
        self.relations = relations
        self.bases = nn.Parameter(torch.empty(bases, width, out))  # V
        self.coefficients = nn.Parameter(torch.empty(relations, bases))  # a
        bound = 1 / math.sqrt(width)
        nn.init.uniform_(self.bases, -bound, bound)
        nn.init.normal_(self.coefficients, std=1 / math.sqrt(bases))

    def forward(self, x: Tensor, weights: Tensor, edges: Tensor, relation: Tensor) -> Tensor:
        """x (R, N, d); weights w, edges (True = i reads j) and relation (R, N, N) → (R, N, out)."""
        kinds = F.one_hot(relation, self.relations).to(x) * edges[..., None]  # (R, N, N, relations)
        counts = kinds.sum(2, keepdim=True).clamp(min=1)
        shares = (kinds / counts) @ self.coefficients * weights[..., None]  # (R, N, N, bases)
        mapped = torch.einsum("rjd,bde->rjbe", x, self.bases)
        return torch.einsum("rijb,rjbe->rie", shares, mapped)
