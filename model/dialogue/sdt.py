"""SDT (Ma et al., IEEE TMM 2024): nine transformers between modalities, gates, self-distillation.

x_m = W_m·LN(m) + position + speaker; y = x_m + MHA(x_m; x_n, x_n), h_{n→m} = y + FFN(LN(y));
h_m = W[σ(V h)⊙h over n → m, from m itself first]; z = Σ_m softmax_m(V h_m) ⊙ h_m; ŷ = W z;
ŷ_m = W_m·ReLU(h_m) are the students. train/objectives/sdt.py has the loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.attention_layers import MultiHeadAttention
from semanticmac.model.baselines.mult import sinusoids
from semanticmac.model.dialogue.dialogues import Dialogues
from semanticmac.model.dialogue.layers import Inputs, may_read, softmax_over
from semanticmac.model.features import FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class SdtSettings:
    """Settings of SDT. The original is 1024 wide."""

    hidden: int = described(256, "width of every layer", at_least=2)
    heads: int = described(8, "attention heads; they divide hidden", at_least=1)
    speakers: int = described(9, "speakers with an embedding of their own", at_least=1)
    dropout: float = described(
        0.5, "dropout in the transformers and before the heads", at_least=0, below=1
    )
    student_weight: float = described(
        1.0, "γ₂, weight of the task losses of the students", at_least=0
    )
    distillation_weight: float = described(1.0, "γ₃, weight of the distillation", at_least=0)
    temperature: float = described(1.0, "τ of the distillation; 1 for IEMOCAP, 8 for MELD", above=0)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.hidden % self.heads or self.hidden % 2:
            raise ValueError(
                f"hidden={self.hidden} must be even and divisible by heads={self.heads}"
            )


class CrossLayer(nn.Module):
    """One transformer layer from modality n to modality m, with the gate of its output."""

    def __init__(self, settings: SdtSettings) -> None:
        super().__init__()
        width = settings.hidden
        self.attention = MultiHeadAttention(
            width, settings.heads, width // settings.heads, bias=True, dropout=settings.dropout
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)
        self.gate = nn.Linear(width, width, bias=False)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, target: Tensor, source: Tensor, allowed: Tensor) -> Tensor:
        """target x_m, source x_n (R, N, d); allowed (R, N, N) → σ(V h) ⊙ h (R, N, d)."""
        y = target + self.dropout(self.attention(target, source, source, allowed))
        inner = self.dropout(F.gelu(self.inner(self.norm(y)), approximate="tanh"))
        h = y + self.dropout(self.outer(inner))
        gated: Tensor = self.gate(h).sigmoid() * h
        return gated


class Sdt(nn.Module):
    """Teacher and students over the utterances of a dialogue."""

    def __init__(
        self, settings: SdtSettings, widths: Widths, outputs: int, both_directions: bool
    ) -> None:
        super().__init__()
        width = settings.hidden
        self.settings, self.both_directions = settings, both_directions
        self.inputs = Inputs(widths, width, 0.0)
        self.speakers = nn.Embedding(settings.speakers, width)
        self.layers = nn.ModuleDict()
        self.joins, self.heads = nn.ModuleDict(), nn.ModuleDict()
        for target in MODALITIES:
            for source in sources_of(target):
                self.layers[f"{source}_{target}"] = CrossLayer(settings)
            self.joins[target] = nn.Linear(len(MODALITIES) * width, width)
            self.heads[target] = nn.Linear(width, outputs)
        self.gate = nn.Linear(width, width, bias=False)
        self.head = nn.Linear(width, outputs)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, dialogues: Dialogues) -> FusionOutput:
        readable = may_read(dialogues.mask, None, None if self.both_directions else 0)
        numbers = dialogues.speakers.clamp(max=self.settings.speakers - 1)
        places = sinusoids(dialogues.mask.shape[1], self.settings.hidden).to(dialogues.text)
        inputs = {}
        for name, vectors in self.inputs(dialogues).items():
            inputs[name] = self.dropout(vectors + places + self.speakers(numbers))
        present = dict(zip(MODALITIES, dialogues.present.unbind(2), strict=True))

        predictions, states = {}, []
        for target in MODALITIES:
            gated = []
            for source in sources_of(target):
                allowed = readable & present[source][:, None]
                layer = self.layers[f"{source}_{target}"]
                gated.append(layer(inputs[target], inputs[source], allowed))
            joined = self.joins[target](torch.cat(gated, dim=2))  # h_m (R, N, d)
            predictions[target] = self.heads[target](self.dropout(joined.relu()))
            states.append(joined)
        every = torch.stack(states, dim=3)  # (R, N, d, 3)
        scores = torch.stack([self.gate(state) for state in states], dim=3)
        # An absent modality has no share.
        shares = softmax_over(scores, dialogues.present[:, :, None].expand_as(scores))
        fused = (shares * every).sum(3)  # z (R, N, d)
        return FusionOutput({"multimodal": self.head(fused), **predictions})


def sources_of(target: str) -> tuple[str, ...]:
    """The modality itself, then the others in the order of MODALITIES."""
    return (target, *(name for name in MODALITIES if name != target))


MODEL = ModelEntry(
    name="sdt",
    summary="SDT: transformers between modalities over a dialogue, gates, self-distillation",
    settings=SdtSettings,
    network=Sdt,
    objective="sdt",
    reads="dialogue",
    space={
        "lr_rest": {"low": 1e-5, "high": 1e-3, "log": True},
        "hidden": [128, 256, 512],
        "dropout": {"low": 0.1, "high": 0.6},
        "temperature": [1.0, 2.0, 4.0, 8.0],
    },
    reference="Ma et al., A Transformer-based Model with Self-distillation, IEEE TMM 2024",
)
