"""MMIM's losses: task, contrastive prediction, lower bounds and entropy (Han et al., 2021)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from semanticmac.core import MODALITIES, Task
from semanticmac.model.baselines.mmim import MMIMSettings
from semanticmac.model.features import FusionOutput
from semanticmac.train.config import TrainConfig
from semanticmac.train.losses import full_precision, mean_where, sides_of_neutral, wide
from semanticmac.train.objectives.misa import presence
from semanticmac.train.objectives.task import TaskLoss, has_any_modality

# Added to the diagonal of a covariance, so that its determinant is never zero.
RIDGE = 1e-6


class MMIMObjective:
    """L = task + α·nce − β·bound − β·H, and −fit, which trains the nets of the bounds.

    `bound` and `fit` are the same number. The gradient of `bound` reaches the inputs alone, that of
    `fit` the nets alone: the two stages of the original, in each step. H reads this batch and the
    batch before it in the same epoch; in the first batch of an epoch it is 0.
    """

    def __init__(
        self, settings: MMIMSettings, config: TrainConfig, task: Task, truth: Tensor
    ) -> None:
        self.settings, self.task = settings, task
        self.task_loss = TaskLoss(config, task, truth)
        # Pair → projections (n, d) of the batch before; `groups` (G, n) and what is counted.
        self.memory: dict[str, Tensor] = {}
        self.latest: dict[str, Tensor] = {}

    def loss(self, output: FusionOutput, rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The terms `total`, `task`, `nce`, `bound`, `entropy` and `fit`."""
        settings, states = self.settings, output.states
        predictions = output.predictions["multimodal"]
        present = presence(output)
        groups = entropy_groups(targets, self.task)
        self.latest = {"groups": groups}
        with full_precision(predictions):
            task = self.task_loss(predictions, targets, has_any_modality(output))
            nce, bound = task.new_zeros(()), task.new_zeros(())
            fit, entropy = task.new_zeros(()), task.new_zeros(())
            for m in MODALITIES:
                nce = nce + contrastive_prediction(
                    wide(states[f"vector.{m}"]), wide(states[f"predicted.{m}"]), present[m]
                )
            for x, y in settings.pairs:
                name, both = f"{x}_{y}", present[x] & present[y]
                vector = wide(states[f"vector.{y}"])
                bound = bound + gaussian_bound(
                    wide(states[f"mean.{name}"]), wide(states[f"log_variance.{name}"]), vector, both
                )
                fit = fit + gaussian_bound(
                    wide(states[f"fit_mean.{name}"]),
                    wide(states[f"fit_log_variance.{name}"]),
                    vector.detach(),
                    both,
                )
                entropy = entropy + self._entropy(
                    name, wide(states[f"entropy.{name}"]), groups & both
                )
            total = task + settings.nce_weight * nce
            total = total - settings.bound_weight * (bound + entropy) - fit
        return {
            "total": total,
            "task": task,
            "nce": nce,
            "bound": bound,
            "entropy": entropy,
            "fit": fit,
        }

    def _entropy(self, name: str, projections: Tensor, groups: Tensor) -> Tensor:
        """H of one pair over this batch and the one before; remembers this batch as the latest."""
        self.latest[name] = projections.detach()
        self.latest[f"{name}.groups"] = groups
        if name not in self.memory:
            return nothing(projections)
        earlier = self.memory[name].to(projections)
        return group_entropy(
            torch.cat([earlier, projections]),
            torch.cat([self.memory[f"{name}.groups"], groups], dim=1),
        )

    def after_backward(self, output: FusionOutput, rows: Tensor) -> None:
        """This batch becomes the memory."""
        self.memory, self.latest = self.latest, {}

    def end_epoch(self, epoch: int) -> None:
        """An epoch starts without a memory."""
        self.memory = {}

    def pseudo_labels(self) -> Tensor | None:
        return None

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.memory)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.memory = dict(state)


def contrastive_prediction(vectors: Tensor, predicted: Tensor, counted: Tensor) -> Tensor:
    """InfoNCE without a temperature: −mean_i(x_i·x̂_i − log Σ_j e^{x_i·x̂_j}), all of length 1.

    vectors x and predicted x̂ (B, d); counted (B,): clips that take part → scalar.
    """
    scores = F.normalize(vectors, dim=1) @ F.normalize(predicted, dim=1).mT  # (B, B)
    others = scores.masked_fill(~counted, torch.finfo(scores.dtype).min).logsumexp(1)
    return mean_where(others - scores.diagonal(), counted)


def gaussian_bound(mean: Tensor, log_variance: Tensor, vectors: Tensor, counted: Tensor) -> Tensor:
    """The mean log density of y under q(y | x), without its constant.

    Σ_j −(μ_j − y_j)²/(2σ_j²) − ½·log σ_j², averaged over the counted clips; all (B, d), counted
    (B,) → scalar.
    """
    error = (mean - vectors).square() / (2 * log_variance.exp())
    return mean_where((-error - log_variance / 2).sum(1), counted)


def entropy_groups(targets: Tensor, task: Task) -> Tensor:
    """The groups whose entropy is estimated: targets (B, K) → (G, B) bool.

    regression: for each score, the clips above and those below its neutral point (0 for sentiment);
    binary: both classes; otherwise one group per class. An unlabelled clip is in no group.
    """
    if task.kind == "regression":
        sides = sides_of_neutral(targets, task).mT  # (K, B)
        groups = torch.cat([sides > 0, sides < 0])
    elif task.kind == "binary":
        groups = torch.stack([targets[:, 0] > 0.5, targets[:, 0] <= 0.5])
    elif task.kind == "single-label":
        classes = torch.arange(targets.shape[1], device=targets.device)
        groups = targets.argmax(1) == classes[:, None]
    else:
        groups = targets.mT > 0.5
    return groups & ~targets.isnan().all(1)


def group_entropy(projections: Tensor, groups: Tensor, ridge: float = RIDGE) -> Tensor:
    """H = the mean of ½·log det Σ_g over the groups of more than d clips; 0 where there is none.

    projections (n, d), groups (G, n) bool → scalar. Σ_g is the covariance of a group, divided by
    its size, plus `ridge` on the diagonal.
    """
    width = projections.shape[1]
    identity = torch.eye(width, dtype=projections.dtype, device=projections.device)
    entropies = []
    for group in groups:
        count = int(group.sum())
        if count <= width:
            continue
        members = projections[group]
        members = members - members.mean(0)
        covariance = members.mT @ members / count + ridge * identity
        entropies.append(torch.logdet(covariance) / 2)
    if not entropies:
        return nothing(projections)
    return torch.stack(entropies).mean()


def nothing(projections: Tensor) -> Tensor:
    """0, with a gradient of 0: training in several processes waits for every gradient."""
    return 0.0 * projections.sum()
