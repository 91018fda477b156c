"""Layers of one clip, number by number, for comparison with the fast ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """One vector (d,) through a linear map."""
    out = []
    for row in range(layer.out_features):
        total = sum(float(w) * float(v) for w, v in zip(layer.weight[row], x, strict=True))
        out.append(total + (0.0 if layer.bias is None else float(layer.bias[row])))
    return torch.tensor(out, dtype=torch.float64)


def layer_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    mean = x.sum() / len(x)
    variance = ((x - mean) ** 2).sum() / len(x)
    return norm.weight * (x - mean) / math.sqrt(variance + norm.eps) + norm.bias


def lstm(rnn: nn.LSTM, sequence: Tensor) -> tuple[Tensor, Tensor]:
    """All outputs (n, directions·h) and final states of the last layer (directions·h,)."""
    directions = ("", "_reverse") if rnn.bidirectional else ("",)
    for layer in range(rnn.num_layers):
        outputs, finals = [], []
        for suffix in directions:
            weights = [
                getattr(rnn, f"{kind}_l{layer}{suffix}")
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            steps = sequence.flip(0) if suffix else sequence
            states = lstm_steps(*weights, steps)[0]
            finals.append(states[-1])
            outputs.append(states.flip(0) if suffix else states)
        sequence = torch.cat(outputs, dim=1)
    return sequence, torch.cat(finals)


def lstm_steps(
    weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor, sequence: Tensor
) -> tuple[Tensor, Tensor]:
    """The hidden and the cell state after each step, (n, h) twice; gates i, f, g, o."""
    h = c = torch.zeros(weight_hh.shape[1], dtype=sequence.dtype)
    hidden, cells = [], []
    for x in sequence:
        i, f, g, o = (weight_ih @ x + bias_ih + weight_hh @ h + bias_hh).chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        hidden.append(h)
        cells.append(c)
    return torch.stack(hidden), torch.stack(cells)


def attention(queries: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """Multi-head attention of projected queries (T, d), keys and values (S, d) → (T, d)."""
    width = queries.shape[1] // heads
    out = torch.zeros(len(queries), heads * width, dtype=queries.dtype)
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        for i, query in enumerate(queries[:, part]):
            scores = torch.stack([query @ key / math.sqrt(width) for key in keys[:, part]])
            weights = scores.exp() / scores.exp().sum()
            for weight, value in zip(weights, values[:, part], strict=True):
                out[i, part] += weight * value
    return out


def align(frames: Tensor, steps: int) -> Tensor:
    """Step i of n reads frame ⌊(i + ½)·F/n⌋."""
    rows = [frames[math.floor((i + 0.5) * len(frames) / steps)] for i in range(steps)]
    return torch.stack(rows)
