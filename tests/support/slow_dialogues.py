"""One dialogue, utterance by utterance, for comparison with the fast models of dialogues."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from semanticmac.core import MODALITIES
from semanticmac.model.dialogue.dialogues import Dialogues
from support import slow
from support.dialogues import make_dialogues, make_network


@dataclass(frozen=True)
class SlowDialogue:
    """The real utterances of one dialogue."""

    vectors: list[dict[str, Tensor | None]]  # of each utterance; None: the modality is absent
    speakers: list[int]

    def __len__(self) -> int:
        return len(self.vectors)


def dialogue_of(dialogues: Dialogues, row: int) -> SlowDialogue:
    vectors, speakers = [], []
    for i in range(int(dialogues.mask[row].sum())):
        utterance: dict[str, Tensor | None] = {}
        for m, name in enumerate(MODALITIES):
            is_present = bool(dialogues.present[row, i, m])
            utterance[name] = getattr(dialogues, name)[row, i] if is_present else None
        vectors.append(utterance)
        speakers.append(int(dialogues.speakers[row, i]))
    return SlowDialogue(vectors, speakers)


def assert_equals_the_loop(
    name: str, loop: Callable[[Any, SlowDialogue, bool], list[Tensor]], both_directions: bool
) -> None:
    """Dialogues of five, three and one utterances, with absent modalities and three speakers.

    loop: network, dialogue and both_directions → the prediction (K,) of each utterance.
    """
    dialogues = make_dialogues((5, 3, 1))
    network = make_network(name, both_directions)
    predictions = network(dialogues).predictions["multimodal"]
    for row in range(3):
        dialogue = dialogue_of(dialogues, row)
        expected = torch.stack(loop(network, dialogue, both_directions))
        torch.testing.assert_close(predictions[row, : len(dialogue)], expected, rtol=0, atol=1e-10)


def mapped(inputs: Any, name: str, vector: Tensor | None) -> Tensor:
    """W·LN(x), zero for an absent modality."""
    if vector is None:
        return torch.zeros(inputs.maps[name].out_features, dtype=torch.float64)
    return slow.linear(inputs.maps[name], slow.layer_norm(inputs.norms[name], vector))


def joined(inputs: Any, dialogue: SlowDialogue) -> list[Tensor]:
    """u of each utterance."""
    utterances = []
    for vectors in dialogue.vectors:
        parts = [mapped(inputs.inputs, name, vectors[name]) for name in MODALITIES]
        utterances.append(torch.cat(parts))
    return utterances


def readable(i: int, length: int, past: int | None, future: int | None) -> list[int]:
    """The utterances that utterance i may read."""
    first = 0 if past is None else max(0, i - past)
    last = length - 1 if future is None else min(length - 1, i + future)
    return list(range(first, last + 1))


def softmax(scores: list[Tensor]) -> Tensor:
    powers = torch.stack(scores).exp()
    return powers / powers.sum()


def matching_attention(weight: Tensor, states: list[Tensor], future: int | None) -> list[Tensor]:
    """Σ_k β_k s_k with β = softmax(s_iᵀ W s_k), for each i."""
    read = []
    for i, state in enumerate(states):
        others = readable(i, len(states), None, future)
        shares = softmax([(weight @ state) @ states[k] for k in others])
        read.append(sum(share * states[k] for share, k in zip(shares, others, strict=True)))
    return read


def gru(cell: Any, x: Tensor, h: Tensor) -> Tensor:
    """One step of a GRU."""
    of_input = cell.weight_ih @ x + cell.bias_ih
    of_state = cell.weight_hh @ h + cell.bias_hh
    r_x, z_x, n_x = of_input.chunk(3)
    r_h, z_h, n_h = of_state.chunk(3)
    reset, update = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
    new = (n_x + reset * n_h).tanh()
    return (1 - update) * new + update * h


def relational(
    layer: Any, x: list[Tensor], weights: list[dict[int, Tensor]], speakers: list[int], most: int
) -> list[Tensor]:
    """weights: of each utterance, for the utterances that it reads."""
    results = []
    for i, of_utterance in enumerate(weights):
        kinds = {}
        for j in of_utterance:
            first, second = min(speakers[i], most - 1), min(speakers[j], most - 1)
            kinds[j] = 2 * (first * most + second) + int(j > i)
        total = torch.zeros(layer.bases.shape[2], dtype=torch.float64)
        for j, weight in of_utterance.items():
            count = sum(kind == kinds[j] for kind in kinds.values())
            matrix = torch.zeros_like(layer.bases[0])
            for b in range(len(layer.bases)):
                matrix = matrix + layer.coefficients[kinds[j], b] * layer.bases[b]
            total = total + weight / count * (x[j] @ matrix)
        results.append(total)
    return results


def attention(layer: Any, query: Tensor, sources: list[Tensor]) -> Tensor:
    """Multi-head attention of one query over the sources that it may read; zero without any."""
    if not sources:
        return torch.zeros(layer.to_output.out_features, dtype=torch.float64)
    q = layer.to_query(query)
    keys, values = [layer.to_key(s) for s in sources], [layer.to_value(s) for s in sources]
    width = len(q) // layer.heads
    heads = []
    for head in range(layer.heads):
        part = slice(head * width, (head + 1) * width)
        shares = softmax([q[part] @ key[part] / math.sqrt(width) for key in keys])
        heads.append(sum(s * v[part] for s, v in zip(shares, values, strict=True)))
    return slow.linear(layer.to_output, torch.cat(heads))
