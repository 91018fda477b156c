"""Graph-MFN: MFN with a dynamic fusion graph in place of attention (Zadeh et al., ACL 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.ef_lstm import aligned_words
from semanticmac.model.baselines.mfn import LSTMSystem, one_step_earlier, run_memory, two_layer_net
from semanticmac.model.baselines.sequences import ABSENT, ALIGNMENT, with_absent
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described

# Nodes of more than one modality, and what each one reads, in the order of the efficacies.
NODES = {
    "text_audio": ("text", "audio"),
    "text_vision": ("text", "vision"),
    "audio_vision": ("audio", "vision"),
    "all": ("text", "audio", "vision", "text_audio", "text_vision", "audio_vision"),
}
SUMMARY = (*MODALITIES, *NODES)  # what the last node reads
# Hidden width of the nets of the nodes and of the efficacies.
NODE_HIDDEN = 100


@dataclass(frozen=True)
class GraphMFNSettings:
    """Sizes and dropout; the defaults are those for MOSI."""

    text_hidden: int = described(256, "width of the LSTM over text", at_least=1)
    audio_hidden: int = described(32, "width of the LSTM over audio", at_least=1)
    vision_hidden: int = described(256, "width of the LSTM over vision", at_least=1)
    node: int = described(64, "width of each node of several modalities", at_least=1)
    memory: int = described(300, "width of the memory", at_least=1)
    candidate_hidden: int = described(32, "hidden width of the net of new content", at_least=1)
    keep_hidden: int = described(128, "hidden width of the gate that keeps", at_least=1)
    update_hidden: int = described(64, "hidden width of the gate that updates", at_least=1)
    out_hidden: int = described(256, "hidden width of the head", at_least=1)
    candidate_dropout: float = described(
        0.0, "dropout in the net of new content", at_least=0, below=1
    )
    keep_dropout: float = described(0.5, "dropout in the gate that keeps", at_least=0, below=1)
    update_dropout: float = described(0.5, "dropout in the gate that updates", at_least=0, below=1)
    out_dropout: float = described(0.0, "dropout in the head", at_least=0, below=1)
    absent: Literal["absent", "zeros"] = described("absent", ABSENT)

    def __post_init__(self) -> None:
        check_settings(self)


class GraphMFN(nn.Module):
    """An LSTM per modality, a graph over the seven subsets of modalities, and a gated memory."""

    def __init__(self, settings: GraphMFNSettings, widths: Widths, outputs: int) -> None:
        super().__init__()
        self.settings = settings
        self.system = LSTMSystem(settings, widths)
        memory = settings.memory
        self.singletons = nn.ModuleDict()
        for modality in MODALITIES:
            hidden = getattr(settings, f"{modality}_hidden")
            self.singletons[modality] = nn.Linear(2 * hidden, hidden)
        self.graph = FusionGraph(settings)
        self.candidate = two_layer_net(
            settings.node, settings.candidate_hidden, memory, settings.candidate_dropout
        )
        self.keep = two_layer_net(
            settings.node + memory, settings.keep_hidden, memory, settings.keep_dropout
        )
        self.update = two_layer_net(
            settings.node + memory, settings.update_hidden, memory, settings.update_dropout
        )
        self.head = two_layer_net(
            self.system.width + memory, settings.out_hidden, outputs, settings.out_dropout
        )

    def forward(self, features: Features) -> FusionOutput:
        """Features of B clips → predictions (B, K); an absent modality is a zero in every node."""
        features = with_absent(features, self.settings.absent)
        mask, words = aligned_words(features)
        hidden = self.system(words, mask, features.present)[0]

        sizes = [getattr(self.settings, f"{modality}_hidden") for modality in MODALITIES]
        earlier = torch.split(one_step_earlier(hidden), sizes, dim=2)
        now = torch.split(hidden, sizes, dim=2)
        vertices = {}
        for m, modality in enumerate(MODALITIES):
            both = torch.cat([earlier[m], now[m]], dim=2)
            singleton = self.singletons[modality](both).relu()
            vertices[modality] = singleton.masked_fill(~features.present[:, m, None, None], 0.0)

        summary = self.graph(vertices)
        memory = run_memory(summary, self.candidate(summary).tanh(), self.keep, self.update, mask)
        prediction = self.head(torch.cat([hidden[:, -1], memory], dim=1))
        return FusionOutput({"multimodal": prediction})


class FusionGraph(nn.Module):
    """Each node is a net of what it reads, each input times its learned efficacy."""

    def __init__(self, settings: GraphMFNSettings) -> None:
        super().__init__()
        sizes = {modality: getattr(settings, f"{modality}_hidden") for modality in MODALITIES}
        sizes |= dict.fromkeys(NODES, settings.node)
        self.nodes = nn.ModuleDict()
        edges = len(SUMMARY)
        for name, inputs in NODES.items():
            width = sum(sizes[vertex] for vertex in inputs)
            self.nodes[name] = linear_net(width, settings.node)
            edges += len(inputs)
        self.summary = linear_net(sum(sizes[vertex] for vertex in SUMMARY), settings.node)
        total = sum(sizes[modality] for modality in MODALITIES)
        self.efficacy = nn.Sequential(
            *linear_net(total, settings.node), nn.Linear(settings.node, edges)
        )

    def forward(self, vertices: dict[str, Tensor]) -> Tensor:
        """Vertices of the modalities (B, S, d_m) → the summary (B, S, node).

        The 19 efficacies are used in the order of the edges.
        """
        joined = torch.cat([vertices[modality] for modality in MODALITIES], dim=2)
        edges = iter(torch.split(self.efficacy(joined), 1, dim=2))
        values = dict(vertices)
        for name, inputs in NODES.items():
            values[name] = self.nodes[name](weighed(values, inputs, edges))
        summary: Tensor = self.summary(weighed(values, SUMMARY, edges))
        return summary


def weighed(values: dict[str, Tensor], inputs: tuple[str, ...], edges: Iterator[Tensor]) -> Tensor:
    """The inputs of a node side by side, each times the next efficacy."""
    return torch.cat([values[vertex] * next(edges) for vertex in inputs], dim=2)


def linear_net(width: int, out: int) -> nn.Sequential:
    """Two linear maps without anything between them, as in the original."""
    return nn.Sequential(nn.Linear(width, NODE_HIDDEN), nn.Linear(NODE_HIDDEN, out))


MODEL = ModelEntry(
    name="graph-mfn",
    summary="Graph-MFN: MFN with a dynamic fusion graph",
    settings=GraphMFNSettings,
    network=GraphMFN,
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "text_hidden": [64, 128, 256],
        "audio_hidden": [16, 32],
        "vision_hidden": [64, 128, 256],
        "node": [32, 64, 128],
        "memory": [64, 128, 300],
        "candidate_dropout": [0.0, 0.2, 0.5],
        "keep_dropout": [0.0, 0.2, 0.5, 0.7],
        "update_dropout": [0.0, 0.2, 0.5],
        "out_dropout": [0.0, 0.2, 0.5],
    },
    reference="Zadeh et al., CMU-MOSEI and the Dynamic Fusion Graph, ACL 2018",
    notes=(ALIGNMENT, "the nets of the nodes are trained"),
)
