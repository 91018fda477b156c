"""MFN: an LSTM per modality and a gated memory of what they do together (Zadeh et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.ef_lstm import aligned_words
from semanticmac.model.baselines.sequences import ABSENT, ALIGNMENT, with_absent
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class MFNSettings:
    """Sizes and dropout; the defaults are those for MOSI."""

    text_hidden: int = described(256, "width of the LSTM over text", at_least=1)
    audio_hidden: int = described(32, "width of the LSTM over audio", at_least=1)
    vision_hidden: int = described(256, "width of the LSTM over vision", at_least=1)
    memory: int = described(400, "width of the memory", at_least=1)
    attention_hidden: int = described(32, "hidden width of the attention net", at_least=1)
    candidate_hidden: int = described(64, "hidden width of the net of new content", at_least=1)
    keep_hidden: int = described(256, "hidden width of the gate that keeps", at_least=1)
    update_hidden: int = described(32, "hidden width of the gate that updates", at_least=1)
    out_hidden: int = described(128, "hidden width of the head", at_least=1)
    attention_dropout: float = described(0.2, "dropout in the attention net", at_least=0, below=1)
    candidate_dropout: float = described(
        0.0, "dropout in the net of new content", at_least=0, below=1
    )
    keep_dropout: float = described(0.7, "dropout in the gate that keeps", at_least=0, below=1)
    update_dropout: float = described(0.5, "dropout in the gate that updates", at_least=0, below=1)
    out_dropout: float = described(0.0, "dropout in the head", at_least=0, below=1)
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)


class MFN(nn.Module):
    """Delta-memory attention over the cell states of two steps, and a multi-view gated memory."""

    def __init__(self, settings: MFNSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        self.system = LSTMSystem(settings, widths)
        both = 2 * self.system.width
        memory = settings.memory
        self.attention = two_layer_net(
            both, settings.attention_hidden, both, settings.attention_dropout
        )
        self.candidate = two_layer_net(
            both, settings.candidate_hidden, memory, settings.candidate_dropout
        )
        self.keep = two_layer_net(
            both + memory, settings.keep_hidden, memory, settings.keep_dropout
        )
        self.update = two_layer_net(
            both + memory, settings.update_hidden, memory, settings.update_dropout
        )
        self.head = two_layer_net(
            self.system.width + memory, settings.out_hidden, outputs, settings.out_dropout
        )

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K); the LSTM of an absent modality stays at 0."""
        features = with_absent(features, self.settings.absent)
        mask, words = aligned_words(features)
        hidden, cells = self.system(words, mask, features.present)
        joint = torch.cat([one_step_earlier(cells), cells], dim=2)  # (B, S, 2·width)
        attended = self.attention(joint).softmax(2) * joint
        memory = run_memory(attended, self.candidate(attended).tanh(), self.keep, self.update, mask)
        prediction = self.head(torch.cat([hidden[:, -1], memory], dim=1))
        return FusionOutput({"multimodal": prediction})


class LSTMWidths(Protocol):
    """Settings that have the width of each LSTM."""

    @property
    def text_hidden(self) -> int: ...
    @property
    def audio_hidden(self) -> int: ...
    @property
    def vision_hidden(self) -> int: ...


class LSTMSystem(nn.Module):
    """One LSTM per modality. A step that is not real leaves its states as they are."""

    def __init__(self, settings: LSTMWidths, widths: Widths) -> None:
        super().__init__()
        self.cells = nn.ModuleDict()
        self.width = 0
        for modality in MODALITIES:
            hidden = getattr(settings, f"{modality}_hidden")
            self.cells[modality] = nn.LSTMCell(getattr(widths, modality), hidden)
            self.width += hidden

    def forward(
        self, words: dict[str, Tensor], mask: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor]:
        """words (B, S, d_m), mask (B, S), present (B, 3) → hidden and cell states (B, S, width)."""
        hidden, cells = [], []
        for m, modality in enumerate(MODALITIES):
            real = mask & present[:, m, None]
            states = run_cell(self.cells[modality], words[modality], real)
            hidden.append(states[0])
            cells.append(states[1])
        return torch.cat(hidden, dim=2), torch.cat(cells, dim=2)


def run_cell(cell: nn.Module, sequence: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """All hidden and cell states (B, S, h) of an LSTM cell; real (B, S): steps that it takes."""
    assert isinstance(cell, nn.LSTMCell)
    with torch.autocast(sequence.device.type, enabled=False):
        sequence = sequence.to(cell.weight_ih.dtype)
        h = c = sequence.new_zeros(len(sequence), cell.hidden_size)
        hidden, cells = [], []
        for step in range(sequence.shape[1]):
            new_h, new_c = cell(sequence[:, step], (h, c))
            take = real[:, step, None]
            h, c = torch.where(take, new_h, h), torch.where(take, new_c, c)
            hidden.append(h)
            cells.append(c)
    return torch.stack(hidden, dim=1), torch.stack(cells, dim=1)


def one_step_earlier(states: Tensor) -> Tensor:
    """states (B, S, d) → those of the step before, zero at the first step."""
    return torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], dim=1)


def run_memory(
    read: Tensor, candidates: Tensor, keep: nn.Module, update: nn.Module, mask: Tensor
) -> Tensor:
    """The memory after the last real step: u ← γ₁·u + γ₂·û, γ = σ(net([read; u])).

    read (B, S, r), candidates û (B, S, n), mask (B, S) → (B, n).
    """
    memory = torch.zeros_like(candidates[:, 0])
    for step in range(read.shape[1]):
        both = torch.cat([read[:, step], memory], dim=1)
        new = keep(both).sigmoid() * memory + update(both).sigmoid() * candidates[:, step]
        memory = torch.where(mask[:, step, None], new, memory)
    return memory


def two_layer_net(width: int, hidden: int, out: int, dropout: float) -> nn.Sequential:
    """Linear, ReLU, dropout, linear."""
    return nn.Sequential(
        nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, out)
    )


MODEL = ModelEntry(
    name="mfn",
    summary="MFN: an LSTM per modality and a gated memory",
    settings=MFNSettings,
    network=MFN,
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "text_hidden": [64, 128, 256],
        "audio_hidden": [16, 32],
        "vision_hidden": [64, 128, 256],
        "memory": [64, 128, 400],
        "attention_dropout": [0.0, 0.2, 0.5],
        "candidate_dropout": [0.0, 0.2, 0.5],
        "keep_dropout": [0.0, 0.2, 0.5, 0.7],
        "update_dropout": [0.0, 0.2, 0.5],
        "out_dropout": [0.0, 0.2, 0.5],
    },
    reference="Zadeh et al., Memory Fusion Network, AAAI 2018",
    notes=(ALIGNMENT,),
)
