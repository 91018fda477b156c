"""bc-LSTM (Poria et al., ACL 2017): an LSTM over the utterances of a dialogue, per modality first.

h_m = LSTM_m(LN(x_m)), d_m = tanh(W_m h_m); h = LSTM([d_t; d_a; d_v]); ŷ = W·tanh(W_f h).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.sequences import RealSteps
from semanticmac.model.dialogue.dialogues import Dialogues
from semanticmac.model.features import FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class BcLstmSettings:
    """Settings of bc-LSTM."""

    hidden: int = described(300, "hidden width of every LSTM, in each direction", at_least=1)
    dense: int = described(100, "width of the layer after an LSTM", at_least=1)
    dropout: float = described(0.5, "dropout after the layers", at_least=0, below=1)

    def __post_init__(self) -> None:
        check_settings(self)


class BcLstm(nn.Module):
    """Two levels of LSTMs over the utterances; each ends at the last real utterance."""

    def __init__(
        self, settings: BcLstmSettings, widths: Widths, outputs: int, both_directions: bool
    ) -> None:
        super().__init__()
        hidden, dense = settings.hidden, settings.dense
        directions = 2 if both_directions else 1
        self.norms, self.lstms, self.dense = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for name in MODALITIES:
            width: int = getattr(widths, name)
            self.norms[name] = nn.LayerNorm(width)
            self.lstms[name] = RealSteps(width, hidden, both_directions=both_directions)
            self.dense[name] = nn.Linear(directions * hidden, dense)
        joined = dense * len(MODALITIES)
        self.fusion = RealSteps(joined, hidden, both_directions=both_directions)
        self.fusion_dense = nn.Linear(directions * hidden, dense)
        self.head = nn.Linear(dense, outputs)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, dialogues: Dialogues) -> FusionOutput:
        states = []
        for name, (values, present) in dialogues.modalities().items():
            # An utterance without the modality is a step with an input of zero.
            inputs = self.norms[name](values).masked_fill(~present[..., None], 0.0)
            states.append(self._layer(self.lstms[name], self.dense[name], inputs, dialogues.mask))
        fused = torch.cat(states, dim=2)  # (R, N, 3·dense)
        fused = self._layer(self.fusion, self.fusion_dense, fused, dialogues.mask)
        return FusionOutput({"multimodal": self.head(fused)})

    def _layer(self, lstm: nn.Module, dense: nn.Module, inputs: Tensor, mask: Tensor) -> Tensor:
        """(R, N, d) → (R, N, dense)"""
        outputs = lstm(inputs, mask)[0]
        state: Tensor = self.dropout(torch.tanh(dense(self.dropout(outputs))))
        return state


MODEL = ModelEntry(
    name="bc-lstm",
    summary="bc-LSTM: LSTMs over the utterances of a dialogue, per modality and over all",
    settings=BcLstmSettings,
    network=BcLstm,
    reads="dialogue",
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "hidden": [100, 200, 300],
        "dropout": {"low": 0.0, "high": 0.6},
    },
    reference="Poria et al., Context-Dependent Sentiment Analysis, ACL 2017",
)
