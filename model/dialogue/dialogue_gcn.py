"""DialogueGCN (Ghosal et al., EMNLP 2019): a graph over the utterances near each other.

g = GRU(u); α_ij = softmax over the window of i of g_iᵀ W_e g_j;
h′_i = ReLU(Σ_r Σ_{j ∈ N_r(i)} α_ij/|N_r(i)| · W_r g_j + α_ii W_0 g_i);
h_i = ReLU(Σ_{j ∈ N(i)} W′ h′_j + W′_0 h′_i); z_i = [g_i; h_i];
z̃_i = Σ_k β_k z_k with β = softmax(z_iᵀ W_β [z_1 … z_N]); ŷ = W·ReLU(W_l z̃_i).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from semanticmac.model.baselines.sequences import RealSteps
from semanticmac.model.dialogue.dialogues import Dialogues
from semanticmac.model.dialogue.graph import RelationalConv, relation_count, relations
from semanticmac.model.dialogue.layers import JoinedInputs, may_read, softmax_over
from semanticmac.model.features import FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class DialogueGcnSettings:
    """Settings of DialogueGCN. The defaults are those of the original for IEMOCAP."""

    input_width: int = described(100, "width of each modality before the LSTM", at_least=1)
    context_hidden: int = described(100, "width of the LSTM, in each direction", at_least=1)
    graph_hidden: int = described(100, "width of the graph", at_least=1)
    past: int = described(10, "utterances before each that its edges reach", at_least=0)
    next: int = described(10, "utterances after each, where the future is read", at_least=0)
    speakers: int = described(2, "speakers with relations of their own", at_least=1)
    bases: int = described(30, "matrices that the relations share", at_least=1)
    dropout: float = described(0.4, "dropout on inputs and the last layer", at_least=0, below=1)

    def __post_init__(self) -> None:
        check_settings(self)


class DialogueGcn(nn.Module):
    """The graph convolutions are masked dense products over the utterances of a dialogue."""

    def __init__(
        self, settings: DialogueGcnSettings, widths: Widths, outputs: int, both_directions: bool
    ) -> None:
        super().__init__()
        self.settings, self.both_directions = settings, both_directions
        self.inputs = JoinedInputs(widths, settings.input_width, settings.dropout)
        self.context = RealSteps(
            self.inputs.width, settings.context_hidden, both_directions=both_directions
        )
        width = settings.context_hidden * (2 if both_directions else 1)
        hidden = settings.graph_hidden
        self.edge_attention = nn.Linear(width, width, bias=False)  # W_e
        self.relational = RelationalConv(
            width, hidden, relation_count(settings.speakers), settings.bases
        )
        self.root = nn.Linear(width, hidden)  # W_0
        self.neighbour = nn.Linear(hidden, hidden, bias=False)  # W′
        self.second_root = nn.Linear(hidden, hidden)  # W′_0
        self.attention = nn.Linear(width + hidden, width + hidden, bias=False)  # W_β
        self.linear = nn.Linear(width + hidden, hidden)
        self.head = nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, dialogues: Dialogues) -> FusionOutput:
        mask, settings = dialogues.mask, self.settings
        context = self.context(self.inputs(dialogues), mask)[0]  # g (R, N, d)
        edges = may_read(mask, settings.past, settings.next if self.both_directions else 0)
        weights = softmax_over(self.edge_attention(context) @ context.mT, edges)  # α (R, N, N)
        kinds = relations(dialogues.speakers, settings.speakers)
        own = weights.diagonal(dim1=1, dim2=2)[..., None]  # α_ii
        first = self.relational(context, weights, edges, kinds) + own * self.root(context)
        first = first.relu()
        second = edges.to(first) @ self.neighbour(first) + self.second_root(first)
        states = torch.cat([context, second.relu()], dim=2)  # z
        everything = may_read(mask, None, None if self.both_directions else 0)
        read = softmax_over(self.attention(states) @ states.mT, everything) @ states
        hidden = self.dropout(self.linear(read).relu())
        return FusionOutput({"multimodal": self.head(hidden)})


MODEL = ModelEntry(
    name="dialogue-gcn",
    summary="DialogueGCN: a graph convolution over near utterances, by speakers and order",
    settings=DialogueGcnSettings,
    network=DialogueGcn,
    reads="dialogue",
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "context_hidden": [50, 100, 200],
        "graph_hidden": [50, 100, 200],
        "past": [5, 10],
        "dropout": {"low": 0.0, "high": 0.5},
    },
    reference="Ghosal et al., DialogueGCN, EMNLP 2019",
)
