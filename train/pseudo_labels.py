"""Semantic-centric label generation: pseudo labels of four sub-tasks out of each clip's neighbours (eq. 13-15)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

# Beyond k, clips whose exact distance is looked at, as the fast distances are rounded.
SPARE_CANDIDATES = 6
BLOCK_DISTANCES = 1 << 23  # at once, 32 MiB in float32
GROUP = 16  # distances whose least one stands for all of them at first
# How much the factors of a product are rounded first, by torch's setting; a truncated factor loses
# one unit in the last of 10 (TF32) or 7 (bfloat16) binary places.
FACTOR_ROUNDING = {"highest": 0.0, "high": 2.0**-10, "medium": 2.0**-7}


@dataclass(frozen=True)
class PseudoLabelConfig:
    """Ablation switches and numbers of the label generation."""

    enabled: bool = True  # off: every sub-task learns the multimodal ground truth
    momentum: bool = True  # off: ŷ = y + Δ, without history
    neighbours: int = 10  # k of eq. 14
    start_epoch: int = 1  # e of eq. 15: up to and including this epoch ŷ = y

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ValueError(f"neighbours={self.neighbours} must be at least 1")
        if self.start_epoch < 1:
            # Before the first epoch there is no representation to find neighbours by.
            raise ValueError(f"start_epoch={self.start_epoch} must be at least 1")


class PseudoLabels:
    """One pseudo label a train clip for each s ∈ {S, t, a, v}, in the order of SUB_TASKS[1:]; epochs count from 1."""

    def __init__(self, truth: Tensor, width: int, config: PseudoLabelConfig | None = None) -> None:
        """truth y (N, K), the multimodal ground truth of the train clips, NaN = unlabelled; width d of the banks.

        Everything lives on the device of `truth` and in its dtype.
        """
        self.config = config or PseudoLabelConfig()
        self.truth = truth
        self.labelled = ~truth.isnan().any(1)  # (N,)
        self.epoch = 1
        self.labels = truth.expand(4, *truth.shape).clone()  # ŷ (4, N, K)
        self.banks = truth.new_zeros(
            4, len(truth), width
        )  # the latest representation of every clip (4, N, d)
        self.present = torch.zeros(
            4, len(truth), dtype=torch.bool, device=truth.device
        )  # (4, N): has one been seen?

    @torch.no_grad()
    def record(self, rows: Tensor, representations: Tensor, present: Tensor) -> None:
        """Keep what the model just said of some clips; of a modality that it did not see, what it said before.

        rows (B,) int64, their places in the train split; representations (B, 4, d) and present (B,
        3) of its Output.
        """
        if not self.config.enabled:
            return
        rows = rows.to(self.truth.device)
        seen = torch.cat(
            [present.any(1, keepdim=True), present], dim=1
        )  # (B, 4): the shared one needs any modality
        seen = seen.to(self.present.device).T  # (4, B)
        latest = representations.detach().to(self.banks).transpose(0, 1)  # (4, B, d)
        self.banks[:, rows] = torch.where(seen[..., None], latest, self.banks[:, rows])
        self.present[:, rows] |= seen

    @torch.no_grad()
    def update(self, epoch: int) -> None:
        """At the end of an epoch, the labels for the next one, whose number n `epoch` is (eq. 15).

        ŷ = y for n ≤ e; ŷ ← (n−1)/(n+1) · ŷ + 2/(n+1) · (y + Δ) for n > e; without momentum ŷ = y +
        Δ.
        """
        if epoch != self.epoch + 1:
            raise ValueError(
                f"pseudo labels of epoch {self.epoch} become those of {self.epoch + 1}, not of {epoch}"
            )
        self.epoch = epoch
        if not self.config.enabled or epoch <= self.config.start_epoch:
            return
        history = (epoch - 1) / (epoch + 1) if self.config.momentum else 0.0
        for labels, bank, present in zip(self.labels, self.banks, self.present, strict=True):
            moved = self.truth + movement(
                bank, self.truth, present & self.labelled, self.config.neighbours
            )
            labels.copy_(moved.lerp(labels, history) if history else moved)

    def targets(self, rows: Tensor) -> Tensor:
        """rows (B,) int64 → what the sub-tasks learn, (B, 5, K): y for s = M, ŷ_s for the others; NaN: nothing."""
        rows = rows.to(self.truth.device)
        return torch.cat([self.truth[rows, None], self.labels[:, rows].transpose(0, 1)], dim=1)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that `load_state_dict` needs to go on exactly here; the tensors are copies."""
        state = {"labels": self.labels, "banks": self.banks, "present": self.present}
        return {name: value.clone() for name, value in state.items()} | {
            "epoch": torch.tensor(self.epoch)
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state_dict` was taken.

        Raises ValueError for the state of another train split or width.
        """
        own = {"labels": self.labels, "banks": self.banks, "present": self.present}
        for name, tensor in own.items():
            if state[name].shape != tensor.shape:
                raise ValueError(
                    f"pseudo labels: saved {name} are {tuple(state[name].shape)}, this train split and model need "
                    f"{tuple(tensor.shape)}; resume with the data and configuration the run was started with"
                )
        for name, tensor in own.items():
            tensor.copy_(state[name])
        self.epoch = int(state["epoch"])


def movement(bank: Tensor, truth: Tensor, valid: Tensor, k: int) -> Tensor:
    """Δ of eq. 14: bank (N, d); truth y (N, K); valid (N,), True = has a representation and a label → (N, K).

    Δ_i = (1/k) Σ_{j ∈ kNN(i)} exp(−D_ij²) · (y_j − y_i). With fewer than k other valid clips k is
    their number; a clip that is not valid, or alone, has Δ = 0. As 0 ≤ exp(−D²) ≤ 1, y + Δ stays
    within the range of the valid labels.
    """
    indices, distances = neighbours(bank, k, valid)
    if indices.shape[1] == 0:
        return torch.zeros_like(truth)
    kernel = distances.square().neg().exp()[..., None]  # (N, k, 1)
    moved = (kernel * (truth[indices] - truth[:, None])).mean(1)  # (N, K)
    return moved.masked_fill(~valid[:, None], 0.0)


def neighbours(
    bank: Tensor, k: int, valid: Tensor, block: int | None = None
) -> tuple[Tensor, Tensor]:
    """The exact k nearest valid clips of every valid clip, itself left out (eq. 13), in memory O(block · N).

    bank r (N, d); valid (N,) bool → indices (N, k′) int64 and distances D_ij = ‖r_i − r_j‖₂ / √d
    (N, k′), nearest first, k′ = min(k, number of valid clips − 1), at least 0. A clip that is not
    valid has itself, at distance ∞. block: clips at once; None: as many as BLOCK_DISTANCES allows.
    """
    places = valid.nonzero()[:, 0]  # (V,)
    found = max(min(k, len(places) - 1), 0)
    indices = torch.arange(len(bank), device=bank.device)[:, None].repeat(1, found)  # (N, k′)
    distances = bank.new_full((len(bank), found), math.inf)
    if found == 0:
        return indices, distances
    # Distances are the same without a common offset, which eats the digits of a product.
    centred = bank[places]  # (V, d)
    centred -= centred.mean(0)
    norms = centred.square().sum(1)
    # Rounding of the factors, then of a sum of d products, in units of ‖r_i‖² + ‖r_j‖² ≥ 2 ‖r_i‖
    # ‖r_j‖.
    factors = FACTOR_ROUNDING[torch.get_float32_matmul_precision()]
    rounding = 2 * (factors + bank.shape[1] * torch.finfo(bank.dtype).eps)
    block = min(block or max(1, BLOCK_DISTANCES // len(places)), len(places))
    space = bank.new_empty(
        block, len(places)
    )  # once: fresh memory costs more than what is written there
    for start in range(0, len(places), block):
        rows = torch.arange(start, min(start + block, len(places)), device=bank.device)  # (R,)
        # ‖r_j‖² − 2⟨r_i, r_j⟩ orders the neighbours of i as ‖r_i − r_j‖² does.
        rough = space[: len(rows)]  # (R, V)
        torch.addmm(norms, centred[rows], centred.T, alpha=-2.0, out=rough)
        rough[rows - start, rows] = math.inf
        bounds, candidates = smallest(
            rough, min(found + SPARE_CANDIDATES, len(places) - 1)
        )  # (R, C)
        exact = (bank[places[candidates]] - bank[places[rows], None]).norm(dim=2)  # (R, C)
        nearest, order = exact.topk(found, largest=False)  # (R, k′)
        chosen = candidates.gather(1, order)
        # Nobody outside the candidates is nearer than the last of them, up to rounding.
        unsure = (
            bounds[:, -1] - rounding * (norms[rows] + norms.max())
            < nearest[:, -1].square() - norms[rows]
        )
        if candidates.shape[1] < len(places) - 1 and unsure.any():
            nearest[unsure], chosen[unsure] = compare_directly(bank[places], rows[unsure], found)
        indices[places[rows]], distances[places[rows]] = (
            places[chosen],
            nearest / math.sqrt(bank.shape[1]),
        )
    return indices, distances


def smallest(values: Tensor, count: int, group: int = GROUP) -> tuple[Tensor, Tensor]:
    """values (R, V) → the `count` smallest of each row, ascending, and where they stand, both (R, count).

    They lie in the `count` groups with the smallest minima, for each of those minima is itself a
    value. So most values are read once, by a minimum, which costs a tenth of what sorting them out
    does.
    """
    groups = values.shape[1] // group
    if groups <= count:
        return torch.topk(values, count, largest=False)
    whole = groups * group
    # (R, groups): of every groups-th value
    minima = values[:, :whole].reshape(-1, group, groups).amin(1)
    best = minima.topk(count, largest=False, sorted=False).indices  # (R, count)
    inside = best[:, :, None] + torch.arange(
        0, whole, groups, device=values.device
    )  # (R, count, group)
    rest = torch.arange(whole, values.shape[1], device=values.device).expand(
        len(values), -1
    )  # of no group
    places = torch.cat([inside.flatten(1), rest], dim=1)
    least, order = values.gather(1, places).topk(count, largest=False)
    return least, places.gather(1, order)


def compare_directly(points: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The slow way, for clips whose neighbours are too alike for the fast one: (V, d), (R,) → two (R, k)."""
    distances = torch.cdist(
        points[rows], points, compute_mode="donot_use_mm_for_euclid_dist"
    )  # (R, V)
    distances[torch.arange(len(rows), device=rows.device), rows] = math.inf
    nearest, chosen = distances.topk(k, largest=False)
    return nearest, chosen
