"""Self-MM's losses and labels: each modality learns a label of its own (Yu et al., 2021)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from semanticmac.core import MODALITIES, Task
from semanticmac.model.baselines.self_mm import SelfMMSettings
from semanticmac.model.features import FusionOutput
from semanticmac.train.config import TrainConfig
from semanticmac.train.losses import full_precision
from semanticmac.train.objectives.misa import presence
from semanticmac.train.objectives.task import TaskLoss, has_any_modality

HEADS = ("multimodal", *MODALITIES)
# Keeps the quotients of distances finite.
EPSILON = 1e-8


class SelfMMObjective:
    """L = Σ_s mean(w_s · ℓ(ŷ_s, y_s)) with w_M = 1 and w_m = tanh|y_m − y_M|.

    Labels y_m start as y_M. From the second epoch on they move after each batch, by the distances
    of a clip's features to two centres. Signed labels are scores minus their neutral point (0 for
    sentiment), and +1 for the presence and −1 for the absence of a class. Each of several classes
    or scores has its own centres. The weight w_m is taken over the scores that a clip has.
    """

    def __init__(
        self, settings: SelfMMSettings, config: TrainConfig, task: Task, truth: Tensor
    ) -> None:
        self.settings, self.task, self.truth = settings, task, truth
        self.task_loss = TaskLoss(config, task, truth)
        self.epoch = 1
        self.labels = truth.expand(len(MODALITIES), *truth.shape).clone()  # y_m (3, N, K)
        self.neutral = truth.new_tensor([dimension.neutral for dimension in task.dimensions])
        self.limit = greatest(self.signed(truth))  # (K,)
        if settings.label_limit:
            self.limit = torch.full_like(self.limit, settings.label_limit)
        widths = (
            settings.fusion_feature,
            settings.text_feature,
            settings.audio_feature,
            settings.vision_feature,
        )
        # The latest feature of each clip, and whether there is one.
        self.banks: dict[str, Tensor] = {}
        for name, width in zip(HEADS, widths, strict=True):
            self.banks[name] = truth.new_zeros(len(truth), width)
        self.seen = torch.zeros(len(HEADS), len(truth), dtype=torch.bool, device=truth.device)

    def loss(self, output: FusionOutput, rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The terms `total`, and one of each head."""
        present = presence(output)
        predictions = output.predictions["multimodal"]
        with full_precision(predictions):
            terms = {"multimodal": self.task_loss(predictions, targets, has_any_modality(output))}
            for labels, name in zip(self.labels, MODALITIES, strict=True):
                own = labels[rows]  # (B, K)
                moved = (self.signed(own) - self.signed(targets)).abs()
                weight = moved.nanmean(1).tanh()  # NaN: the clip has no label
                counted = present[name] & ~weight.isnan()
                terms[name] = self.task_loss.weighted(
                    output.predictions[name], own, counted, weight
                )
            total = torch.stack(list(terms.values())).sum()
        return {"total": total, **terms}

    @torch.no_grad()
    def after_backward(self, output: FusionOutput, rows: Tensor) -> None:
        """Moves the labels of this batch, then stores its features."""
        present = presence(output)
        has = {"multimodal": has_any_modality(output), **present}
        features = {}
        for name in HEADS:
            features[name] = output.states[f"feature.{name}"].detach().to(self.truth)
        if self.epoch > 1:
            self._move_labels(rows, features, has)
        for h, name in enumerate(HEADS):
            kept = self.banks[name][rows]
            self.banks[name][rows] = torch.where(has[name][:, None], features[name], kept)
            self.seen[h, rows] |= has[name]

    def end_epoch(self, epoch: int) -> None:
        self.epoch = epoch + 1

    def pseudo_labels(self) -> Tensor | None:
        """The labels of text, audio and vision; NaN for the shared sub-task, which has no head."""
        return torch.cat([torch.full_like(self.labels[:1], torch.nan), self.labels])

    def state_dict(self) -> dict[str, Tensor]:
        banks = {f"bank.{name}": bank for name, bank in self.banks.items()}
        state = {"labels": self.labels, "seen": self.seen, "epoch": torch.tensor(self.epoch)}
        return state | banks

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.labels.copy_(state["labels"])
        self.seen.copy_(state["seen"])
        self.epoch = int(state["epoch"])
        for name, bank in self.banks.items():
            bank.copy_(state[f"bank.{name}"])

    def signed(self, labels: Tensor) -> Tensor:
        """Scores minus their neutral point; a share of a class from 0 … 1 as −1 … 1."""
        return labels - self.neutral if self.task.kind == "regression" else 2 * labels - 1

    def centres(self, name: str) -> tuple[Tensor, Tensor]:
        """The centres C⁺ and C⁻ of a head, (K, width): means of its bank over the clips of a sign.

        NaN for a sign that no clip with a feature has. A label of 0 counts as `zero_is_positive`
        says.
        """
        h = HEADS.index(name)
        labels = self.truth if name == "multimodal" else self.labels[h - 1]
        signed = self.signed(labels)  # (N, K); NaN is neither positive nor negative
        positive = signed >= 0 if self.settings.zero_is_positive else signed > 0
        seen = self.seen[h][:, None]
        bank = self.banks[name]
        return group_means(bank, positive & seen), group_means(bank, (signed < 0) & seen)

    def _move_labels(
        self, rows: Tensor, features: Mapping[str, Tensor], has: Mapping[str, Tensor]
    ) -> None:
        """y_m ← (n−1)/(n+1)·y_m + 2/(n+1)·y_m′ for the clips that have the modality."""
        truth = self.signed(self.truth[rows])  # (B, K)
        joint = relative_distance(features["multimodal"], *self.centres("multimodal"))
        n = self.epoch
        moved = []
        for labels, name in zip(self.labels, MODALITIES, strict=True):
            own = relative_distance(features[name], *self.centres(name))
            new = new_labels(truth, own, joint, self.limit)
            old = self.signed(labels[rows])
            mixed = (n - 1) / (n + 1) * old + 2 / (n + 1) * new
            # A clip without the modality, or before both centres exist, keeps its label.
            unknown = mixed.isnan()
            if self.task.kind != "regression":
                unknown = unknown.any(1, keepdim=True)
            keep = ~has[name][:, None] | unknown
            moved.append(torch.where(keep, labels[rows], self._as_targets(mixed, rows)))
        self.labels[:, rows] = torch.stack(moved)

    def _as_targets(self, signed: Tensor, rows: Tensor) -> Tensor:
        """Signed labels (B, K) as targets. The shares of a single-label task sum to 1."""
        if self.task.kind == "regression":
            return signed + self.neutral
        shares = (signed + 1) / 2
        if self.task.kind != "single-label":
            return shares
        total = shares.sum(1, keepdim=True)
        return torch.where(total > 0, shares / total, self.truth[rows])


def greatest(labels: Tensor) -> Tensor:
    """Labels (N, K) → (K,): the greatest absolute one; NaN = not labelled, 0 where none is."""
    if not len(labels):
        return labels.new_zeros(labels.shape[1])
    return labels.nan_to_num(0.0).abs().amax(0)


def group_means(bank: Tensor, members: Tensor) -> Tensor:
    """bank (N, d), members (N, K) bool → the mean of the members (K, d); NaN where there are none.

    The sums run over all rows, so that a small group costs no more than a large one.
    """
    means: Tensor = (members.to(bank).mT @ bank) / members.sum(0)[:, None]
    return means


def relative_distance(features: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """α = (D⁻ − D⁺)/(D⁺ + ε) with D = ‖f − C‖; features (B, d), centres (K, d) → (B, K)."""
    to_positive = (features[:, None] - positive).norm(dim=2)
    to_negative = (features[:, None] - negative).norm(dim=2)
    relative: Tensor = (to_negative - to_positive) / (to_positive + EPSILON)
    return relative


def new_labels(truth: Tensor, own: Tensor, joint: Tensor, limit: Tensor) -> Tensor:
    """y′ = ½·(α_m/(α_M + ε))·y_M + ½·(y_M + α_m − α_M), clamped to ± limit (K,); else (B, K)."""
    new = own / (joint + EPSILON) * truth / 2 + (truth + own - joint) / 2
    return new.clamp(-limit, limit)
