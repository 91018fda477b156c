"""COGMEN (Joshi et al., NAACL 2022): a transformer over the dialogue, then two graph layers.

x = transformer(u); x′_i = W_0 x_i + Σ_r Σ_{j ∈ N_r(i)} 1/|N_r(i)| · W_r x_j;
h_i = W_1 x′_i + Σ_{j ∈ N(i)} α_ij W_2 x′_j, α_ij = softmax((W_3 x′_i)ᵀ(W_4 x′_j)/√d), per head;
ŷ = W·ReLU(W_l LeakyReLU(LN(h_i))).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from semanticmac.model.attention import attend, merge_heads, split_heads
from semanticmac.model.baselines.attention_layers import MultiHeadAttention
from semanticmac.model.dialogue.dialogues import Dialogues
from semanticmac.model.dialogue.graph import RelationalConv, relation_count, relations
from semanticmac.model.dialogue.layers import JoinedInputs, may_read
from semanticmac.model.features import FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class CogmenSettings:
    """Settings of COGMEN."""

    input_width: int = described(128, "width of each modality before the transformer", at_least=1)
    layers: int = described(2, "layers of the transformer", at_least=1)
    heads: int = described(8, "heads of the transformer; they divide 3·input_width", at_least=1)
    feed_forward: int = described(512, "width inside the transformer's layers", at_least=1)
    graph_hidden: int = described(100, "width of the graph, of one head", at_least=1)
    graph_heads: int = described(7, "heads of the second graph layer", at_least=1)
    past: int = described(5, "utterances before each that its edges reach", at_least=0)
    next: int = described(5, "utterances after each, where the future is read", at_least=0)
    speakers: int = described(2, "speakers with relations of their own", at_least=1)
    bases: int = described(30, "matrices that the relations share", at_least=1)
    dropout: float = described(0.1, "dropout in all parts", at_least=0, below=1)

    def __post_init__(self) -> None:
        check_settings(self)
        if 3 * self.input_width % self.heads:
            raise ValueError(f"heads={self.heads} must divide 3·input_width={3 * self.input_width}")


class ContextLayer(nn.Module):
    """x ← LN(x + drop(MHA(x))); x ← LN(x + drop(W₂·drop(ReLU(W₁ x))))."""

    def __init__(self, width: int, settings: CogmenSettings) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(
            width, settings.heads, width // settings.heads, bias=True, dropout=settings.dropout
        )
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inner = nn.Linear(width, settings.feed_forward)
        self.outer = nn.Linear(settings.feed_forward, width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        x = self.first_norm(x + self.dropout(self.attention(x, x, x, allowed)))
        inner = self.dropout(self.inner(x).relu())
        out: Tensor = self.second_norm(x + self.dropout(self.outer(inner)))
        return out


class Cogmen(nn.Module):
    """Context of the whole dialogue, then edges to near utterances by speakers and order."""

    def __init__(
        self, settings: CogmenSettings, widths: Widths, outputs: int, both_directions: bool
    ) -> None:
        super().__init__()
        self.settings, self.both_directions = settings, both_directions
        self.inputs = JoinedInputs(widths, settings.input_width, settings.dropout)
        width, hidden = self.inputs.width, settings.graph_hidden
        self.layers = nn.ModuleList(ContextLayer(width, settings) for _ in range(settings.layers))
        self.relational = RelationalConv(
            width, hidden, relation_count(settings.speakers), settings.bases
        )
        self.root = nn.Linear(width, hidden)  # W_0
        joined = hidden * settings.graph_heads
        self.skip = nn.Linear(hidden, joined)  # W_1
        self.query, self.key = nn.Linear(hidden, joined), nn.Linear(hidden, joined)  # W_3, W_4
        self.value = nn.Linear(hidden, joined)  # W_2
        self.norm = nn.LayerNorm(joined)
        self.activation = nn.LeakyReLU()
        self.linear = nn.Linear(joined, hidden)
        self.head = nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, dialogues: Dialogues) -> FusionOutput:
        mask, settings = dialogues.mask, self.settings
        x = self.inputs(dialogues)
        everything = may_read(mask, None, None if self.both_directions else 0)
        for layer in self.layers:
            x = layer(x, everything)
        edges = may_read(mask, settings.past, settings.next if self.both_directions else 0)
        kinds = relations(dialogues.speakers, settings.speakers)
        x = self.root(x) + self.relational(x, edges.to(x), edges, kinds)
        heads = settings.graph_heads
        q, k = split_heads(self.query(x), heads), split_heads(self.key(x), heads)
        v = split_heads(self.value(x), heads)
        h = self.skip(x) + merge_heads(attend(q, k, v, edges[:, None]))
        hidden = self.dropout(self.linear(self.activation(self.norm(h))).relu())
        return FusionOutput({"multimodal": self.head(hidden)})


MODEL = ModelEntry(
    name="cogmen",
    summary="COGMEN: a transformer over the dialogue, a relational graph, attention on its edges",
    settings=CogmenSettings,
    network=Cogmen,
    reads="dialogue",
    space={
        "lr_rest": {"low": 1e-5, "high": 1e-3, "log": True},
        "layers": [1, 2, 3],
        "past": [5, 10],
        "graph_heads": [1, 4, 7],
        "dropout": {"low": 0.0, "high": 0.5},
    },
    reference="Joshi et al., COGMEN, NAACL 2022",
)
