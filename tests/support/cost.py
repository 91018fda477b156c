"""What a network costs: its parameters, and its multiply-adds for one batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def parameter_count(network: nn.Module) -> int:
    """The number of trainable weights; a shared weight counts once."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def multiply_adds(compute: Callable[[], object]) -> int:
    """Multiply-adds of the matrix products and convolutions in one call of `compute` on the CPU.

    Attention and LSTMs count as the matrix products that they consist of. Sums, norms, activations
    and element-wise products are not counted.
    """
    counter = FlopCounterMode(display=False)
    # Fused kernels would hide the products of LSTMs and attention from the counter.
    fused_off = torch.backends.mkldnn.flags(enabled=False)
    with torch.inference_mode(), fused_off, sdpa_kernel(SDPBackend.MATH), counter:
        compute()
    return int(counter.get_total_flops()) // 2
