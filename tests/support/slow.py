"""Layers of one clip, number by number, for comparison with the fast ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """One vector (d,) through a linear map."""
    out = []
    for row, weights in enumerate(layer.weight.tolist()):
        total = sum(w * v for w, v in zip(weights, x.tolist(), strict=True))
        out.append(total + (0.0 if layer.bias is None else layer.bias[row].item()))
    return torch.tensor(out, dtype=torch.float64)


def layer_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    mean = x.sum() / len(x)
    variance = ((x - mean) ** 2).sum() / len(x)
    return norm.weight * (x - mean) / (variance + norm.eps).sqrt() + norm.bias


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


def net(layers: nn.Sequential, x: Tensor) -> Tensor:
    """Linear maps with a ReLU between them."""
    linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
    for layer in linears[:-1]:
        x = linear(layer, x).relu()
    return linear(linears[-1], x)


def three_vectors(fusion: nn.Module, clip: dict[str, Tensor]) -> list[Tensor]:
    """The vectors of text, audio and vision in TFN, LMF and LF-DNN; zero for an absent one."""
    text = torch.zeros(fusion.text.linear.out_features, dtype=torch.float64)
    if len(clip["text"]):
        text = linear(fusion.text.linear, lstm(fusion.text.lstm.rnn, clip["text"])[1])
    vectors = [text]
    for modality in ("audio", "vision"):
        net_, frames = getattr(fusion, modality), clip[modality]
        vector = torch.zeros(net_.linear_3.out_features, dtype=torch.float64)
        if len(frames):
            vector = layer_norm(net_.norm, frames.sum(0) / len(frames))
            for layer in (net_.linear_1, net_.linear_2, net_.linear_3):
                vector = linear(layer, vector).relu()
        vectors.append(vector)
    return vectors


def words(clip: dict[str, Tensor]) -> dict[str, Tensor]:
    """The three sequences of a word-aligned model, zero for an absent modality."""
    steps = len(clip["text"]) or max(len(clip["audio"]), len(clip["vision"]))
    sequences = {}
    for modality, frames in clip.items():
        sequences[modality] = torch.zeros(steps, frames.shape[1], dtype=torch.float64)
        if len(frames):
            sequences[modality] = align(frames, steps)
    return sequences


def lstm_system(system: nn.Module, clip: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The hidden and cell states of MFN's three LSTMs side by side, (n, width) twice."""
    hidden, cells = [], []
    for modality, sequence in words(clip).items():
        cell = system.cells[modality]
        states = lstm_steps(cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh, sequence)
        here = float(len(clip[modality]) > 0)
        hidden.append(here * states[0])
        cells.append(here * states[1])
    return torch.cat(hidden, dim=1), torch.cat(cells, dim=1)
