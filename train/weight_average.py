"""The moving average of the trained weights, against the noise between epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """An exponential moving average of the weights after each step."""

    def __init__(self, weights: Sequence[nn.Parameter], span: float) -> None:
        """span: steps after which a weight counts 1/e of the present one."""
        self._current = weights
        self._decay = math.exp(-1 / span)
        self.weights: list[Tensor] = [weight.detach().clone() for weight in weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after step 0, 1, …. In the first steps it follows them faster."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.weights, list(self._current), 1 - decay)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continues with saved averages, by their position."""
        for index, averaged in enumerate(self.weights):
            averaged.copy_(tensors[str(index)])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside the block the model has the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for averaged, current in zip(self.weights, self._current, strict=True):
            kept = current.clone()
            current.copy_(averaged)
            averaged.copy_(kept)
