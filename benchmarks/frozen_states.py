"""A frozen language model that reads each text once: for experiments about the other weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar
from unittest.mock import patch

import torch
from torch import Tensor, nn

from semanticmac.model.build import Network, build_network
from semanticmac.model.config import ModelConfig
from semanticmac.model.language.language_model import LanguageModel


class FrozenStates(nn.Module):
    """The hidden states of a frozen language model, remembered for each text of this process."""

    _encoders: ClassVar[dict[str, LanguageModel]] = {}
    _states: ClassVar[dict[tuple[str, bytes], Tensor]] = {}

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        if name not in self._encoders:
            self._encoders[name] = LanguageModel.pretrained(name).eval()
        self.width = self._encoders[name].width

    @torch.no_grad()
    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask (B, L) → hidden states (B, L, width), zero in padding."""
        hidden = torch.zeros(*ids.shape, self.width)
        for row in range(len(ids)):
            real = ids[row][mask[row]]
            if not len(real):
                continue
            key = (self._name, real.numpy().tobytes())
            if key not in self._states:
                alone = self._encoders[self._name](real[None], torch.ones_like(real[None]).bool())
                self._states[key] = alone[0]
            hidden[row, mask[row]] = self._states[key]
        return hidden


def build_with_frozen_states(config: ModelConfig, language: nn.Module | None = None) -> Network:
    """As `build_network`, with a language model that reads each text once in this process."""
    return build_network(config, None if language is None else FrozenStates(config.language))


@contextmanager
def frozen_states() -> Iterator[None]:
    """Inside the block `train` and `load_run` build such networks."""
    with (
        patch("semanticmac.train.loop.build_network", build_with_frozen_states),
        patch("semanticmac.run.weights.build_network", build_with_frozen_states),
    ):
        yield
