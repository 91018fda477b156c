"""Planted dialogues, and small models of dialogues with random input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from semanticmac.core import Task
from semanticmac.model.dialogue.dialogues import Dialogues, Layout
from semanticmac.model.features import Widths
from semanticmac.model.registry import model_entry
from support.planted import WIDTH, Planted

TASK = Task("single-label", ("bad", "good"))
WORD = {0: "hate", 1: "love"}


def planted_dialogues(
    dialogues: tuple[int, int, int] = (24, 8, 8), utterances: int = 5, seed: int = 0
) -> list[Planted]:
    """The label of an utterance is what the *other* speaker said last, shown by text and audio.

    The first utterances of a dialogue have no label. Turns are irregular, so that the utterance
    before the target is often of the same speaker. Vision is noise.
    """
    random = np.random.default_rng(seed)
    direction = np.random.default_rng(100).normal(size=WIDTH)
    clips = []
    for split, count in zip(("train", "valid", "test"), dialogues, strict=True):
        for number in range(count):
            last: dict[str, int] = {}
            speaker = "A"
            for position in range(utterances):
                if position and random.random() < 0.6:
                    speaker = "B" if speaker == "A" else "A"
                other = "B" if speaker == "A" else "A"
                label = None
                if other in last:
                    label = [float(last[other] == value) for value in (0, 1)]
                said = int(random.integers(2))
                last[speaker] = said
                noise = 0.1 * random.normal(size=(2, 2, WIDTH))
                clips.append(
                    Planted(
                        f"{split}{number}-{position}",
                        f"i {WORD[said]} the film",
                        noise[0] + (2 * said - 1) * direction,
                        noise[1],
                        label,
                        split,
                        f"{split}{number}",
                        position,
                        speaker,
                    )
                )
    return clips


# Small sizes without dropout.
SMALL: dict[str, dict[str, Any]] = {
    "bc-lstm": {"hidden": 6, "dense": 5},
    "dialogue-rnn": {
        "input_width": 4,
        "global_hidden": 6,
        "party_hidden": 5,
        "emotion_hidden": 7,
        "out_hidden": 6,
    },
    "dialogue-gcn": {
        "input_width": 4,
        "context_hidden": 5,
        "graph_hidden": 6,
        "past": 3,
        "next": 2,
        "bases": 3,
    },
    "cogmen": {
        "input_width": 4,
        "layers": 2,
        "heads": 3,
        "feed_forward": 8,
        "graph_hidden": 6,
        "graph_heads": 2,
        "past": 2,
        "next": 1,
    },
    "sdt": {"hidden": 8, "heads": 2, "speakers": 2},
}
WIDTHS = Widths(text=7, audio=4, vision=5)


def make_network(name: str, both_directions: bool = False, outputs: int = 2, **changes: Any) -> Any:
    """The network of a model of dialogues in float64, with random weights."""
    entry = model_entry(name)
    torch.manual_seed(0)
    settings = entry.settings(**{"dropout": 0.0, **SMALL[name], **changes})
    network = entry.network(settings, WIDTHS, outputs, both_directions).double().eval()
    for weight in network.parameters():
        weight.data = torch.randn_like(weight) * 0.5
    return network


def make_dialogues(lengths: Sequence[int], absent: bool = True, seed: int = 0) -> Dialogues:
    """Random dialogues of these lengths with three speakers; some modalities are absent."""
    generator = torch.Generator().manual_seed(seed)
    rows, longest = len(lengths), max(lengths)
    mask = torch.arange(longest)[None] < torch.tensor(lengths)[:, None]
    present = torch.ones(rows, longest, 3, dtype=torch.bool)
    if absent:
        present = torch.rand(rows, longest, 3, generator=generator) < 0.7
    present = present & mask[..., None]
    vectors = []
    for m, width in enumerate((WIDTHS.text, WIDTHS.audio, WIDTHS.vision)):
        values = torch.randn(rows, longest, width, dtype=torch.float64, generator=generator)
        vectors.append(values.masked_fill(~present[..., m, None], 0.0))
    speakers = torch.randint(3, (rows, longest), generator=generator).masked_fill(~mask, 0)
    return Dialogues(*vectors, present, mask, speakers)


def layout_of_lengths(lengths: Sequence[int]) -> Layout:
    """Every utterance of dialogues of these lengths is scored."""
    dialogue, position = [], []
    for number, length in enumerate(lengths):
        dialogue += [number] * length
        position += range(length)
    scored = torch.ones(len(dialogue), dtype=torch.bool)
    places = torch.tensor(dialogue), torch.tensor(position)
    return Layout(len(lengths), max(lengths), *places, torch.zeros_like(places[0]), scored)
