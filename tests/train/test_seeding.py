"""Fixed order on a GPU: what torch is set to, and operations that have no such kernel."""

from __future__ import annotations

import pytest
import torch

from semanticmac.train.seeding import deterministic, in_fixed_order

NO_KERNEL = (
    "adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation, but you set "
    "'torch.use_deterministic_algorithms(True)'."
)


def settings() -> tuple[bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
    )


def test_a_gpu_raises_instead_of_warning_so_that_attention_takes_its_fixed_kernel() -> None:
    before = settings()
    with deterministic(torch.device("cuda")):
        assert settings() == (True, False, False)
    assert settings() == before


def test_a_cpu_keeps_its_settings() -> None:
    before = settings()
    with deterministic(torch.device("cpu")):
        assert settings() == before


def test_an_operation_without_a_fixed_order_is_named_once_and_allowed() -> None:
    calls: list[bool] = []

    def work() -> int:
        calls.append(torch.is_deterministic_algorithms_warn_only_enabled())
        if not calls[-1]:
            raise RuntimeError(NO_KERNEL)
        return 7

    notes: list[str] = []
    with deterministic(torch.device("cuda")):
        assert in_fixed_order(work, notes.append) == 7
        assert in_fixed_order(work, notes.append) == 7
    assert calls == [False, True, True]
    assert notes == [
        "adaptive_avg_pool2d_backward_cuda has no kernel on this device that adds in a fixed "
        "order: the last bits of two equal trainings may differ"
    ]
    assert not torch.is_deterministic_algorithms_warn_only_enabled()


def test_any_other_error_is_raised_as_it_is() -> None:
    def work() -> None:
        raise RuntimeError("CUDA out of memory")

    with deterministic(torch.device("cuda")), pytest.raises(RuntimeError, match="out of memory"):
        in_fixed_order(work, print)
