"""DialogueRNN (Majumder et al., AAAI 2019): a state of the dialogue, of each speaker, of emotion.

g_t = GRU_G(g_{t−1}, [u_t; q_s]); c_t = Σ_k α_k g_k with α = softmax(u_tᵀ W_α [g_1 … g_{t−1}]);
q_s ← GRU_P(q_s, [u_t; c_t]) for the speaker s of u_t; e_t = GRU_E(e_{t−1}, q_s);
ẽ_t = Σ_k β_k e_k with β = softmax(e_tᵀ W_β [e_1 … e_N]); ŷ = W·ReLU(W_l ẽ_t).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semanticmac.model.dialogue.dialogues import Dialogues
from semanticmac.model.dialogue.layers import JoinedInputs, may_read, reversed_steps, softmax_over
from semanticmac.model.features import FusionOutput, Widths
from semanticmac.model.registry import ModelEntry
from semanticmac.model.settings import check_settings, described


@dataclass(frozen=True)
class DialogueRnnSettings:
    """Settings of DialogueRNN. The defaults are those of the original for IEMOCAP."""

    input_width: int = described(100, "width of each modality before the GRUs", at_least=1)
    global_hidden: int = described(500, "width of the state of the dialogue, D_g", at_least=1)
    party_hidden: int = described(500, "width of the state of a speaker, D_p", at_least=1)
    emotion_hidden: int = described(300, "width of the state of emotion, D_e", at_least=1)
    out_hidden: int = described(300, "width of the layer before the head", at_least=1)
    dropout: float = described(
        0.1, "dropout on inputs, states and the last layer", at_least=0, below=1
    )

    def __post_init__(self) -> None:
        check_settings(self)


class DialogueRnnCells(nn.Module):
    """The three GRUs in one direction."""

    def __init__(self, settings: DialogueRnnSettings, width: int) -> None:
        super().__init__()
        self.settings = settings
        of_dialogue, of_party = settings.global_hidden, settings.party_hidden
        self.global_cell = nn.GRUCell(width + of_party, of_dialogue)
        self.party_cell = nn.GRUCell(width + of_dialogue, of_party)
        self.emotion_cell = nn.GRUCell(of_party, settings.emotion_hidden)
        self.attention = nn.Linear(width, of_dialogue, bias=False)  # W_α
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, inputs: Tensor, mask: Tensor, speakers: Tensor) -> Tensor:
        """u (R, N, d), mask and speakers (R, N) → e (R, N, D_e). Behind the end states stand still.

        It runs in the precision of its weights, as every recurrent layer here.
        """
        with torch.autocast(inputs.device.type, enabled=False):
            return self._run(inputs.to(self.attention.weight.dtype), mask, speakers)

    def _run(self, inputs: Tensor, mask: Tensor, speakers: Tensor) -> Tensor:
        rows, steps = mask.shape
        parties = int(speakers.max()) + 1
        # (R, N, P) bool: the speaker whose state an utterance changes; none behind the end.
        speaks = (speakers[..., None] == torch.arange(parties, device=mask.device)) & mask[
            ..., None
        ]
        queries = self.attention(inputs)  # (R, N, D_g)
        state = inputs.new_zeros(rows, self.settings.global_hidden)  # g
        party = inputs.new_zeros(rows, parties, self.settings.party_hidden)  # q
        emotion = inputs.new_zeros(rows, self.settings.emotion_hidden)  # e
        history: list[Tensor] = []
        emotions: list[Tensor] = []
        for t in range(steps):
            utterance, real = inputs[:, t], mask[:, t, None]
            chosen = speaks[:, t, :, None]  # (R, P, 1)
            of_speaker = (party * chosen).sum(1)  # q of the speaker, before
            context = torch.zeros_like(state)
            if history:
                before = torch.stack(history, dim=1)  # (R, t, D_g)
                weights = (before @ queries[:, t, :, None])[..., 0].softmax(1)  # (R, t)
                context = (weights[:, None] @ before)[:, 0]
            new_state = self.global_cell(torch.cat([utterance, of_speaker], dim=1), state)
            new_party = self.party_cell(torch.cat([utterance, context], dim=1), of_speaker)
            new_party = self.dropout(new_party)
            new_emotion = self.dropout(self.emotion_cell(new_party, emotion))
            state = torch.where(real, self.dropout(new_state), state)
            party = torch.where(chosen, new_party[:, None], party)
            emotion = torch.where(real, new_emotion, emotion)
            history.append(state)
            emotions.append(emotion)
        return torch.stack(emotions, dim=1).masked_fill(~mask[..., None], 0.0)


class DialogueRnn(nn.Module):
    """BiDialogueRNN with attention where the future is read, else DialogueRNN with attention."""

    def __init__(
        self, settings: DialogueRnnSettings, widths: Widths, outputs: int, both_directions: bool
    ) -> None:
        super().__init__()
        self.inputs = JoinedInputs(widths, settings.input_width, settings.dropout)
        self.forward_cells = DialogueRnnCells(settings, self.inputs.width)
        self.backward_cells: DialogueRnnCells | None = None
        width = settings.emotion_hidden
        if both_directions:
            self.backward_cells = DialogueRnnCells(settings, self.inputs.width)
            width *= 2
        self.attention = nn.Linear(width, width, bias=False)  # W_β
        self.linear = nn.Linear(width, settings.out_hidden)
        self.head = nn.Linear(settings.out_hidden, outputs)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, dialogues: Dialogues) -> FusionOutput:
        inputs, mask, speakers = self.inputs(dialogues), dialogues.mask, dialogues.speakers
        emotions = self.forward_cells(inputs, mask, speakers)
        if self.backward_cells is not None:
            backward = self.backward_cells(
                reversed_steps(inputs, mask), mask, reversed_steps(speakers, mask)
            )
            emotions = torch.cat([emotions, reversed_steps(backward, mask)], dim=2)
        future = None if self.backward_cells is not None else 0
        scores = self.attention(emotions) @ emotions.mT  # (R, N, N)
        read = softmax_over(scores, may_read(mask, None, future)) @ emotions
        hidden = self.dropout(self.linear(read).relu())
        return FusionOutput({"multimodal": self.head(hidden)})


MODEL = ModelEntry(
    name="dialogue-rnn",
    summary="DialogueRNN: GRUs of the dialogue, of each speaker and of emotion",
    settings=DialogueRnnSettings,
    network=DialogueRnn,
    reads="dialogue",
    space={
        "lr_rest": {"low": 1e-4, "high": 5e-3, "log": True},
        "global_hidden": [100, 150, 300, 500],
        "party_hidden": [100, 150, 300, 500],
        "emotion_hidden": [100, 300],
        "dropout": {"low": 0.0, "high": 0.5},
    },
    reference="Majumder et al., DialogueRNN, AAAI 2019",
)
