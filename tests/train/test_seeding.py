"""Fixed order on a GPU: what torch is set to, and operations that have no such kernel."""

from __future__ import annotations

import os
import subprocess
import sys

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


CUBLAS = (
    "Deterministic behavior was enabled with either `torch.use_deterministic_algorithms(True)` or "
    "`at::Context::setDeterministicAlgorithms(true)`, but this operation is not deterministic "
    "because it uses CuBLAS and you have CUDA >= 10.2. To enable deterministic behavior in this "
    "case, you must set an environment variable before running your PyTorch application: "
    "CUBLAS_WORKSPACE_CONFIG=:4096:8 or CUBLAS_WORKSPACE_CONFIG=:16:8."
)


def test_products_before_the_setting_of_cublas_are_noted_and_allowed() -> None:
    def work() -> int:
        if not torch.is_deterministic_algorithms_warn_only_enabled():
            raise RuntimeError(CUBLAS)
        return 7

    notes: list[str] = []
    with deterministic(torch.device("cuda")):
        assert in_fixed_order(work, notes.append) == 7
    assert notes == [
        "CUBLAS_WORKSPACE_CONFIG was not :4096:8 or :16:8 at the first matrix product of this "
        "process on the GPU, so products add in no fixed order: the last bits of two equal "
        "trainings may differ"
    ]


@pytest.mark.parametrize(("given", "expected"), [(None, ":4096:8"), (":16:8", ":16:8")])
def test_the_import_sets_cublas_before_an_encoder_can_use_the_gpu(
    given: str | None, expected: str
) -> None:
    """torch reads the variable once, at the first product: the start of training is too late."""
    environment = {k: v for k, v in os.environ.items() if k != "CUBLAS_WORKSPACE_CONFIG"}
    if given is not None:
        environment["CUBLAS_WORKSPACE_CONFIG"] = given
    code = "import os, semanticmac; print(os.environ['CUBLAS_WORKSPACE_CONFIG'])"
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert printed.strip() == expected
