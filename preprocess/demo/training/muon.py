"""Muon, an optimizer for the hidden matrices of a transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonal updates of matrices (Jordan et al., 2024), in float32.

    torch's implementation computes in bfloat16 and is ten times slower on a CPU without bfloat16.
    """

    def __init__(self, weights: list[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                average = self.state[weight].setdefault("average", torch.zeros_like(weight))
                average.lerp_(weight.grad, 1 - group["momentum"])
                update = orthogonal(weight.grad.lerp(average, group["momentum"]))
                weight.add_(
                    update, alpha=-group["lr"] * max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
                )


def orthogonal(matrix: Tensor) -> Tensor:
    """matrix (m, n) → nearly U Vᵀ of its singular value decomposition, by Newton-Schulz steps."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    result: Tensor = x if wide else x.T
    return result
