"""Semantic-centric label generation: pseudo labels from each clip's neighbours (eq. 13-15)."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

# The fast distances are rounded, so the exact distances of k + 6 candidates are compared.
SPARE_CANDIDATES = 6
BLOCK_DISTANCES = 1 << 23  # in one block on a CPU: 32 MiB in float32
# On a GPU a block may use this share of the free memory, in distances of about four copies.
FREE_MEMORY_SHARE = 1 / 16
# Rounding of the factors of a matrix product, by torch's older and newer setting: a truncated
# factor loses one unit in the last of 10 (TF32) or 7 (bfloat16) binary places.
FACTOR_ROUNDING = {"high": 2.0**-10, "tf32": 2.0**-10, "medium": 2.0**-7, "bf16": 2.0**-7}


# paper: exp(−D²); median: exp(−(D/σ)²) with σ the median distance of a clip to its neighbours.
LabelKernel = Literal["paper", "median"]


@dataclass(frozen=True)
class PseudoLabelConfig:
    """Settings of the label generation."""

    enabled: bool = True  # off: all sub-tasks learn the multimodal ground truth
    momentum: bool = True  # off: ŷ = y + Δ, without history
    neighbours: int = 10  # k of eq. 14
    start_epoch: int = 1  # e of eq. 15: up to and including this epoch ŷ = y
    kernel: LabelKernel = "paper"  # of eq. 14

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ValueError(f"neighbours={self.neighbours} must be at least 1")
        if self.start_epoch < 1:
            # Before the first epoch there are no representations to compare.
            raise ValueError(f"start_epoch={self.start_epoch} must be at least 1")


class PseudoLabels:
    """A pseudo label for each train clip and sub-task s ∈ {S, t, a, v}.

    The order is that of SUB_TASKS[1:]. Epochs count from 1.
    """

    def __init__(self, truth: Tensor, width: int, config: PseudoLabelConfig | None = None) -> None:
        """truth: y (N, K), labels of the train clips, NaN = unlabelled; width: d of the banks.

        A single score of a labelled clip may be NaN: it has no pseudo label.

        All tensors have the device and dtype of `truth`.
        """
        self.config = config or PseudoLabelConfig()
        self.truth = truth
        self.labelled = ~truth.isnan().all(1)  # (N,)
        self.epoch = 1
        self.labels = truth.expand(4, *truth.shape).clone()  # ŷ (4, N, K)
        # The latest representation of each clip (4, N, d), and whether there is one (4, N).
        self.banks = truth.new_zeros(4, len(truth), width)
        self.present = torch.zeros(4, len(truth), dtype=torch.bool, device=truth.device)

    @torch.no_grad()
    def record(self, rows: Tensor, representations: Tensor, present: Tensor) -> None:
        """Stores new representations of some clips. An absent modality keeps its earlier one.

        rows: (B,) int64, positions in the train split; representations: (B, 4, d) and present:
        (B, 3) of the model's Output.
        """
        if not self.config.enabled:
            return
        rows = rows.to(self.truth.device)
        # The shared representation needs any modality.
        seen = torch.cat([present.any(1, keepdim=True), present], dim=1)  # (B, 4)
        seen = seen.to(self.present.device).T  # (4, B)
        latest = representations.detach().to(self.banks).transpose(0, 1)  # (4, B, d)
        self.banks[:, rows] = torch.where(seen[..., None], latest, self.banks[:, rows])
        self.present[:, rows] |= seen

    @torch.no_grad()
    def update(self, epoch: int) -> None:
        """Makes the labels of the next epoch, with the number n = `epoch` (eq. 15).

        ŷ = y for n ≤ e; ŷ ← (n−1)/(n+1) · ŷ + 2/(n+1) · (y + Δ) for n > e; without momentum ŷ = y +
        Δ.
        """
        if epoch != self.epoch + 1:
            raise ValueError(
                f"pseudo labels of epoch {self.epoch} are followed by those of {self.epoch + 1}, "
                f"not of {epoch}"
            )
        self.epoch = epoch
        if not self.config.enabled or epoch <= self.config.start_epoch:
            return
        history = (epoch - 1) / (epoch + 1) if self.config.momentum else 0.0
        for labels, bank, present in zip(self.labels, self.banks, self.present, strict=True):
            moved = self.truth + movement(
                bank,
                self.truth,
                present & self.labelled,
                self.config.neighbours,
                self.config.kernel,
            )
            labels.copy_(moved.lerp(labels, history) if history else moved)

    def targets(self, rows: Tensor) -> Tensor:
        """rows (B,) int64 → targets of the sub-tasks (B, 5, K): y for s = M, ŷ_s for the others."""
        rows = rows.to(self.truth.device)
        return torch.cat([self.truth[rows, None], self.labels[:, rows].transpose(0, 1)], dim=1)

    def state_dict(self) -> dict[str, Tensor]:
        """The state for `load_state_dict`; the tensors are copies."""
        return {
            "labels": self.labels.clone(),
            "banks": self.banks.clone(),
            "present": self.present.clone(),
            "epoch": torch.tensor(self.epoch),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continues where `state_dict` was taken.

        Raises ValueError for the state of another train split or width.
        """
        current = {"labels": self.labels, "banks": self.banks, "present": self.present}
        for name, tensor in current.items():
            if state[name].shape != tensor.shape:
                raise ValueError(
                    f"pseudo labels: saved {name} are {tuple(state[name].shape)}, this train split "
                    f"and model need {tuple(tensor.shape)}; resume with the data and configuration "
                    "the run was started with"
                )
        for name, tensor in current.items():
            tensor.copy_(state[name])
        self.epoch = int(state["epoch"])


def movement(
    bank: Tensor, truth: Tensor, valid: Tensor, k: int, kernel: LabelKernel = "paper"
) -> Tensor:
    """Δ of eq. 14: bank (N, d), truth y (N, K), valid (N,) → (N, K).

    valid: True = the clip has a representation and a label.

    Δ_i = (1/k) Σ_{j ∈ kNN(i)} exp(−D_ij²) · (y_j − y_i). With fewer than k other valid clips k is
    their number; a clip that is not valid, or alone, has Δ = 0. Several scores share the neighbours
    and the kernel, and each moves by itself, over the neighbours that have this score (not NaN). As
    0 ≤ exp(−D²) ≤ 1, y + Δ stays within the range of the valid labels.
    """
    indices, distances = neighbours(bank, k, valid)
    if indices.shape[1] == 0:
        return torch.zeros_like(truth)
    if kernel == "median":
        # A distance of 0 to every neighbour leaves a kernel of 1.
        distances = distances / distances[valid].median().clamp(min=1e-12)
    closeness = distances.square().neg().exp()[..., None]  # (N, k, 1)
    difference = truth[indices] - truth[:, None]  # (N, k, K)
    neighbour_count = (~difference.isnan()).sum(1).clamp(min=1)  # (N, K)
    moved = (closeness * difference.nan_to_num(0.0)).sum(1) / neighbour_count
    return moved.masked_fill(~valid[:, None], 0.0)


def neighbours(
    bank: Tensor, k: int, valid: Tensor, block: int | None = None
) -> tuple[Tensor, Tensor]:
    """The exact k nearest valid clips of each valid clip, without itself (eq. 13).

    bank r (N, d); valid (N,) bool → indices (N, k′) int64 and distances D_ij = ‖r_i − r_j‖₂ / √d
    (N, k′), nearest first, with k′ = min(k, number of valid clips − 1), at least 0. A clip that is
    not valid has itself, at distance ∞. block: clips compared at once, None = as many as the memory
    allows (`block_distances`); the memory is O(block · N). A GPU is waited for before and after the
    loop over the blocks, not inside it.
    """
    valid_rows = valid.nonzero()[:, 0]  # (V,)
    count = max(min(k, len(valid_rows) - 1), 0)  # k′
    indices = torch.arange(len(bank), device=bank.device)[:, None].repeat(1, count)  # (N, k′)
    distances = bank.new_full((len(bank), count), math.inf)
    if count == 0:
        return indices, distances

    # A common offset changes no distance, but it costs digits in a product.
    centred = bank[valid_rows]  # (V, d)
    centred -= centred.mean(0)
    norms = centred.square().sum(1)
    # Rounding of the factors and of a sum of d products, in units of
    # ‖r_i‖² + ‖r_j‖² ≥ 2 ‖r_i‖ ‖r_j‖.
    rounding = 2 * (factor_rounding() + bank.shape[1] * torch.finfo(bank.dtype).eps)
    candidate_count = min(count + SPARE_CANDIDATES, len(valid_rows) - 1)
    block = block or max(1, block_distances(bank) // len(valid_rows))
    block = min(block, len(valid_rows))
    # Allocated once: new memory costs more time than writing to it.
    buffer = bank.new_empty(block, len(valid_rows))
    points = bank[valid_rows]  # (V, d)
    greatest_norm = norms.max()
    nearest = bank.new_empty(len(valid_rows), count)  # (V, k′), distances without 1/√d
    chosen = valid_rows.new_empty(len(valid_rows), count)  # (V, k′), positions in valid_rows
    unsure = torch.zeros_like(valid_rows, dtype=torch.bool)  # (V,)

    for start in range(0, len(valid_rows), block):
        end = min(start + block, len(valid_rows))
        # ‖r_j‖² − 2⟨r_i, r_j⟩ orders the neighbours of i like ‖r_i − r_j‖².
        rough = buffer[: end - start]  # (R, V)
        torch.addmm(norms, centred[start:end], centred.T, alpha=-2.0, out=rough)
        rough.diagonal(offset=start).fill_(math.inf)
        bounds, candidates = rough.topk(candidate_count, largest=False)  # (R, C)
        exact = (points[candidates] - points[start:end, None]).norm(dim=2)  # (R, C)
        nearest[start:end], order = exact.topk(count, largest=False)  # (R, k′)
        chosen[start:end] = candidates.gather(1, order)
        # All other clips are farther than the last candidate, up to rounding.
        row_norms = norms[start:end]
        lower_bounds = bounds[:, -1] - rounding * (row_norms + greatest_norm)
        unsure[start:end] = lower_bounds < nearest[start:end, -1].square() - row_norms

    if candidate_count < len(valid_rows) - 1:
        for rows in torch.split(unsure.nonzero()[:, 0], block):
            nearest[rows], chosen[rows] = _compare_directly(points, rows, count)
    indices[valid_rows] = valid_rows[chosen]
    distances[valid_rows] = nearest / math.sqrt(bank.shape[1])
    return indices, distances


def block_distances(bank: Tensor) -> int:
    """How many distances are compared at once: by the free memory of a GPU, fixed on a CPU."""
    if bank.device.type != "cuda":
        return BLOCK_DISTANCES
    free_bytes, _ = torch.cuda.mem_get_info(bank.device)
    return max(BLOCK_DISTANCES, int(free_bytes * FREE_MEMORY_SHARE) // bank.element_size())


def factor_rounding() -> float:
    """The relative rounding of a factor of a float32 product, by every setting that allows it.

    torch has an older and a newer setting, and a program may use either one. NVIDIA_TF32_OVERRIDE=1
    makes cuBLAS use TF32 whatever torch is set to.
    """
    settings = ["high"] if os.environ.get("NVIDIA_TF32_OVERRIDE") == "1" else []
    # torch refuses to answer after a program has used the newer setting.
    with suppress(RuntimeError):
        settings.append(torch.get_float32_matmul_precision())
    for backend in (torch.backends.cuda, torch.backends.mkldnn):
        products = getattr(backend, "matmul", None)  # torch 2.9 and later have both
        settings.append(getattr(products, "fp32_precision", "highest"))
    return max(FACTOR_ROUNDING.get(setting, 0.0) for setting in settings)


def _compare_directly(points: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The slow way, for clips whose neighbours are too similar: (V, d), (R,) → (R, k) twice."""
    distances = torch.cdist(points[rows], points, compute_mode="donot_use_mm_for_euclid_dist")
    distances[torch.arange(len(rows), device=rows.device), rows] = math.inf
    nearest, chosen = distances.topk(k, largest=False)
    return nearest, chosen
