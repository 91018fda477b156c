"""Dialogues: what a model of dialogues reads, and how much of the future it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from semanticmac.model.attention import masked_mean
from semanticmac.model.features import Features, FusionOutput
from semanticmac.model.inputs import DialogueInputs

DialogueNetwork = Callable[["Dialogues"], FusionOutput]


@dataclass(frozen=True)
class Dialogues:
    """R dialogues of at most N utterances, real ones first. In a mask True = real.

    The content of padding and of an absent modality is zero.
    """

    text: Tensor  # (R, N, D_t) one state of each text
    audio: Tensor  # (R, N, E_a) mean of the frames of each utterance
    vision: Tensor  # (R, N, E_v)
    present: Tensor  # (R, N, 3) bool in the order of MODALITIES
    mask: Tensor  # (R, N) bool, False = behind the end of the dialogue
    speakers: Tensor  # (R, N) int64, numbered by first appearance; 0 in padding

    def modalities(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Modality → its vectors (R, N, d) and where they are present (R, N)."""
        text, audio, vision = self.present.unbind(2)
        return {
            "text": (self.text, text),
            "audio": (self.audio, audio),
            "vision": (self.vision, vision),
        }

    def cut(self, rows: Tensor, ends: Tensor) -> Dialogues:
        """Dialogues `rows` (R′,), each cut before its utterance `ends` (R′,)."""
        position = torch.arange(self.mask.shape[1], device=ends.device)
        kept = position < ends[:, None]  # (R′, N)
        return Dialogues(
            self.text[rows].masked_fill(~kept[..., None], 0.0),
            self.audio[rows].masked_fill(~kept[..., None], 0.0),
            self.vision[rows].masked_fill(~kept[..., None], 0.0),
            self.present[rows] & kept[..., None],
            self.mask[rows] & kept,
            self.speakers[rows].masked_fill(~kept, 0),
        )


@dataclass(frozen=True)
class Layout:
    """The places of U utterances; a `DialogueInputs`."""

    dialogues: int
    longest: int
    dialogue: Tensor
    position: Tensor
    speaker: Tensor
    scored: Tensor


def each_alone(utterances: int, device: torch.device) -> Layout:
    """Each utterance is a dialogue of its own, and is scored."""
    zeros = torch.zeros(utterances, dtype=torch.int64, device=device)
    numbers = torch.arange(utterances, device=device)
    scored = torch.ones(utterances, dtype=torch.bool, device=device)
    return Layout(utterances, 1, numbers, zeros, zeros, scored)


def arrange(features: Features, layout: DialogueInputs) -> Dialogues:
    """Features of U utterances → their D dialogues of at most N utterances."""
    cells = layout.dialogue * layout.longest + layout.position  # (U,)

    def placed(values: Tensor) -> Tensor:
        """(U, …) → (D, N, …)"""
        shape = (layout.dialogues, layout.longest)
        grid = values.new_zeros(shape[0] * shape[1], *values.shape[1:])
        return grid.index_copy(0, cells, values).reshape(*shape, *values.shape[1:])

    return Dialogues(
        placed(features.text_state()),
        placed(masked_mean(features.audio, features.audio_mask)),
        placed(masked_mean(features.vision, features.vision_mask)),
        placed(features.present),
        placed(torch.ones_like(layout.scored)),
        placed(layout.speaker),
    )


def read_dialogues(
    network: DialogueNetwork, dialogues: Dialogues, layout: DialogueInputs, future: int
) -> FusionOutput:
    """Predicts the B scored utterances, in their order.

    network: returns (R, N, K) predictions and states. With future=0 it reads no later utterance,
    and one pass gives all predictions. With future=n it may read all of its input, so that each
    target is read from its dialogue cut n utterances after it: one row for each such place.
    """
    dialogue = layout.dialogue[layout.scored]  # (B,)
    position = layout.position[layout.scored]
    rows = dialogue
    if future:
        lengths = dialogues.mask.sum(1)[dialogue]  # (B,)
        ends = torch.minimum(position + future + 1, lengths)
        places = dialogue * (layout.longest + 1) + ends
        places, rows = torch.unique(places, return_inverse=True)
        dialogues = dialogues.cut(places // (layout.longest + 1), places % (layout.longest + 1))
    output = network(dialogues)
    cells = rows * layout.longest + position

    def scored(values: dict[str, Tensor]) -> dict[str, Tensor]:
        """(R, N, …) → (B, …)"""
        return {name: tensor.flatten(0, 1)[cells] for name, tensor in values.items()}

    return FusionOutput(scored(output.predictions), scored(output.states))
