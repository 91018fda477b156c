"""Everything that changes while a model learns (weights, optimizer, pseudo labels, the step), and one step of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from semanticmac.cache.dataset import Batch
from semanticmac.core import Kind
from semanticmac.model.network import SemanticMAC
from semanticmac.train.config import TrainConfig
from semanticmac.train.distributed import DistributedContext
from semanticmac.train.logger import StepMetrics
from semanticmac.train.losses import balanced_weights
from semanticmac.train.objectives.semantic_centric import objective
from semanticmac.train.optim import optimizer, parameter_groups, rate_factor, set_rates
from semanticmac.train.pseudo_labels import PseudoLabelConfig, PseudoLabels
from semanticmac.train.seeding import seed_everything


class Trainer:
    """A model that learns.

    In a world of several processes every one has a learner, and all of them stay the same.
    """

    def __init__(
        self,
        config: TrainConfig,
        kind: Kind,
        model: SemanticMAC,
        truth: Tensor,
        steps_an_epoch: int,
        world: DistributedContext,
    ) -> None:
        """truth (N, K), the labels of the train clips, on the model's device; NaN = not labelled."""
        self.config, self.kind, self.world = config, kind, world
        self.device = truth.device
        self.model = model
        self.labels = PseudoLabels(truth, config.model.d_model, _label_config(config))
        self.class_weights = (
            balanced_weights(truth, kind) if config.class_weights == "balanced" else None
        )
        self.step = 0  # how many were done
        self.steps_an_epoch = steps_an_epoch
        rates = (config.lr_language, config.lr_rest, config.weight_decay)
        self.adamw = optimizer(parameter_groups(model, model.language, *rates))
        self.learning = [weight for weight in model.parameters() if weight.requires_grad]
        if config.compile:
            model.compile()
        self.forward: nn.Module = model
        if world.size > 1:
            devices = [self.device.index or 0] if self.device.type == "cuda" else None
            self.forward = DistributedDataParallel(model, device_ids=devices)

    def learn(
        self, epoch: int, group: Sequence[tuple[Sequence[int], Batch]], clip_ids: Sequence[str]
    ) -> StepMetrics:
        """One step on a group of batches, each as the places of its clips in the train split and our share of them.

        clip_ids: of all clips of the split.
        """
        config, steps = self.config, self.config.epochs * self.steps_an_epoch
        rates = set_rates(
            self.adamw, rate_factor(self.step, self.steps_an_epoch, steps, config.schedule)
        )
        seed_everything(config.seed, self.step, self.world.rank)
        vectors = []
        for i, (places, batch) in enumerate(group, 1):
            if (
                i == 1
            ):  # not after the step: memory that is taken again at once need not be asked for from the system
                self.adamw.zero_grad(set_to_none=True)
            with nullcontext() if i == len(group) else self._gradients_stay_here():
                vectors.append(self._backward(places, batch, len(group)))
        norm = nn.utils.clip_grad_norm_(self.learning, config.clip_norm or float("inf"))
        self.adamw.step()
        self.step += 1
        numbers = torch.cat([torch.stack(vectors).mean(0), norm.detach()[None]])
        return StepMetrics(
            self.step,
            epoch,
            numbers,
            rates,
            [clip_ids[place] for places, _ in group for place in places],
        )

    def _backward(self, places: Sequence[int], batch: Batch, batches: int) -> Tensor:
        """The gradients of one batch, added to those that are there → its losses (8,)."""
        rows = torch.tensor(places, device=self.device)
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"
        ):
            output = self.forward(batch.to(self.device))
        output = self.world.gather_output(output, len(places))
        losses = objective(
            self.config, self.kind, output, self.labels.targets(rows), self.class_weights
        )
        # Every process has the loss of the whole batch, and DistributedDataParallel takes the mean
        # of what are parts of one sum: hence the number of processes.
        torch.autograd.backward(losses.total * (self.world.size / batches))
        self.labels.record(rows, output.representations, output.present)
        return losses.vector()

    def _gradients_stay_here(self) -> AbstractContextManager[None]:
        """Until the last batch of a step the processes need not exchange gradients."""
        return (
            self.forward.no_sync()
            if isinstance(self.forward, DistributedDataParallel)
            else nullcontext()
        )

    def state(self) -> dict[str, Tensor]:
        """Everything that changes, as named tensors; those of the model are the model's own, not copies."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, moments in self.adamw.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
        tensors |= {f"labels.{name}": tensor for name, tensor in self.labels.state_dict().items()}
        return tensors | {"step": torch.tensor(self.step)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on where `state` was taken.

        Raises ValueError or RuntimeError for the state of another model or data.
        """
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "labels": {}}
        for name, tensor in tensors.items():
            part, dot, rest = name.partition(".")
            if dot:
                parts[part][rest] = tensor
        self.model.load_state_dict(parts["model"])
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimizer"].items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = tensor
        self.adamw.load_state_dict(
            {"state": moments, "param_groups": self.adamw.state_dict()["param_groups"]}
        )
        self.labels.load_state_dict(parts["labels"])
        self.step = int(tensors["step"])


def _label_config(config: TrainConfig) -> PseudoLabelConfig:
    return PseudoLabelConfig(
        config.pseudo_labels, config.momentum, config.neighbours, config.start_epoch
    )
