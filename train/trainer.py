"""The trainer: everything that changes while a model is trained, and one optimisation step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from semanticmac.core import Task
from semanticmac.model.build import Network
from semanticmac.model.language.base import kept_tensors, load_kept_tensors
from semanticmac.model.registry import SEMANTICMAC
from semanticmac.train.config import TrainConfig
from semanticmac.train.distributed import DistributedContext
from semanticmac.train.logger import EpochLog, StepMetrics, epoch_log
from semanticmac.train.objectives.registry import make_objective
from semanticmac.train.optim import make_optimizer, parameter_groups, rate_factor, set_rates
from semanticmac.train.seeding import seed_everything
from semanticmac.train.weight_average import WeightAverage

if TYPE_CHECKING:
    from semanticmac.train.train_batch import TrainBatch
    from semanticmac.train.validation import Score


class Trainer:
    """Model, optimizer, objective, and how far the run is.

    With several processes each one has a trainer, and all of them stay equal.
    """

    def __init__(
        self,
        config: TrainConfig,
        task: Task,
        model: Network,
        truth: Tensor,
        steps_per_epoch: int,
        distributed: DistributedContext,
    ) -> None:
        """truth: (N, K) labels of the train clips on the model's device, NaN = not labelled."""
        self.config, self.task, self.distributed = config, task, distributed
        self.device = truth.device
        self.steps_per_epoch = steps_per_epoch
        self.total_steps = config.epochs * steps_per_epoch

        self.model = model
        self.trainable = [weight for weight in model.parameters() if weight.requires_grad]
        rates = (config.lr_language, config.lr_rest, config.weight_decay)
        self.optimizer = make_optimizer(parameter_groups(model, model.language, *rates))
        self.average: WeightAverage | None = None
        if config.weight_average:
            span = config.weight_average * steps_per_epoch
            self.average = WeightAverage(self.trainable, span)
        self.truth = truth
        self.objective = make_objective(config, task, truth)
        self.loss_names: tuple[str, ...] = ()  # the terms of the objective
        self.step_count = 0  # finished steps of the run
        self.epoch = 1  # the epoch that is being trained
        self.epoch_steps = 0  # its finished steps
        # Terms and the norm of the gradient, over these steps; one zero before the first step.
        self.loss_sums = torch.zeros(1, device=self.device)
        self.best: Score | None = None

        if config.compile:
            model.compile()
        self.forward: nn.Module = model
        if distributed.world_size > 1:
            devices = [self.device.index or 0] if self.device.type == "cuda" else None
            # The heads of another model may not all be in its loss.
            unused = config.model.name != SEMANTICMAC
            self.forward = DistributedDataParallel(
                model, device_ids=devices, find_unused_parameters=unused
            )

    @property
    def use_bfloat16(self) -> bool:
        """Whether the model runs in bfloat16; losses and scores stay in float32."""
        return self.config.precision == "bfloat16"

    def step(self, batches: Sequence[TrainBatch]) -> StepMetrics:
        """One optimisation step on the mean gradient of the batches."""
        config = self.config
        factor = rate_factor(
            self.step_count, self.steps_per_epoch, self.total_steps, config.schedule
        )
        rates = set_rates(self.optimizer, factor)
        seed_everything(config.seed, self.step_count, self.distributed.rank)

        # Not at the end of a step: here the allocator can use the same memory again at once.
        self.optimizer.zero_grad(set_to_none=True)
        losses = []
        for i, batch in enumerate(batches, 1):
            with self._gradient_exchange(last=i == len(batches)):
                losses.append(self._backward(batch, len(batches)))
        norm = self._clip_gradients()
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.step_count)

        values = torch.cat([torch.stack(losses).mean(0), norm.detach()[None]])
        self.loss_sums = self.loss_sums + values
        self.step_count += 1
        self.epoch_steps += 1
        clip_ids: list[str] = []
        for batch in batches:
            clip_ids += batch.clip_ids
        return StepMetrics(self.step_count, self.epoch, self.loss_names, values, rates, clip_ids)

    def finish_epoch(self, score: Score) -> EpochLog:
        """Compares the epoch with the best one, and starts the next epoch."""
        is_best = score.beats(self.best)
        means = self.loss_sums / self.steps_per_epoch
        result = epoch_log(self.epoch, self.loss_names, means, score.name, score.value, is_best)
        if is_best:
            self.best = score
        self.objective.end_epoch(self.epoch)
        self.epoch += 1
        self.epoch_steps = 0
        self.loss_sums = torch.zeros_like(self.loss_sums)
        return result

    def state_dict(self) -> dict[str, Tensor]:
        """All tensors that change. Those of the model are not copied, and a base is left out."""
        tensors = {f"model.{name}": tensor for name, tensor in kept_tensors(self.model).items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            for name, tensor in moments.items():
                tensors[f"optimizer.{index}.{name}"] = tensor
        for name, tensor in self.objective.state_dict().items():
            tensors[f"labels.{name}"] = tensor
        if self.average is not None:
            for index, tensor in enumerate(self.average.weights):
                tensors[f"average.{index}"] = tensor
        tensors["step"] = torch.tensor(self.step_count)
        tensors["sums"] = self.loss_sums
        return tensors

    def load_state_dict(
        self, tensors: Mapping[str, Tensor], epoch: int, epoch_steps: int, best: Score | None
    ) -> None:
        """Continues where `state_dict` was taken.

        Raises ValueError or RuntimeError for the state of another model or other data.
        """
        parts: dict[str, dict[str, Tensor]] = {}
        for part in ("model", "optimizer", "labels", "average"):
            parts[part] = {}
        for name, tensor in tensors.items():
            part, dot, rest = name.partition(".")
            if dot:
                parts[part][rest] = tensor
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimizer"].items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = tensor
        groups = self.optimizer.state_dict()["param_groups"]

        load_kept_tensors(self.model, parts["model"])
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.objective.load_state_dict(parts["labels"])
        if self.average is not None:
            self.average.load(parts["average"])
        self.step_count = int(tensors["step"])
        self.loss_sums = tensors["sums"].to(self.device)
        self.epoch, self.epoch_steps, self.best = epoch, epoch_steps, best

    def kept_weights(self) -> AbstractContextManager[None]:
        """Inside the block the model has the weights that are validated and kept."""
        return nullcontext() if self.average is None else self.average.in_place()

    def _backward(self, batch: TrainBatch, batches: int) -> Tensor:
        """Adds the gradients of one batch out of `batches` → the terms of its loss."""
        local = batch.local_on(self.device)
        rows = batch.rows_beside(local)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.use_bfloat16):
            output = self.forward(local)
        sizes = batch.sizes or self.distributed.share_sizes(len(batch.rows))
        output = self.distributed.gather_output(output, list(sizes))
        losses = self.objective.loss(output, rows, self.truth[rows])
        # Each process has the loss of the whole batch, and its gradient covers this process's
        # share. DistributedDataParallel averages these parts of a sum: hence the world size.
        torch.autograd.backward(losses["total"] * (self.distributed.world_size / batches))
        self.objective.after_backward(output, rows)
        self.loss_names = tuple(losses)
        # One vector, so that a step needs one transfer from the device.
        return torch.stack(list(losses.values())).detach()

    def _clip_gradients(self) -> Tensor:
        """Scales the gradients down to `clip_norm` if it is set → their norm before that."""
        gradients = [weight.grad for weight in self.trainable if weight.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if self.config.clip_norm:
            nn.utils.clip_grads_with_norm_(self.trainable, self.config.clip_norm, norm)
        return norm

    def _gradient_exchange(self, *, last: bool) -> AbstractContextManager[None]:
        """Only the last batch of a step exchanges gradients between processes."""
        if not last and isinstance(self.forward, DistributedDataParallel):
            return self.forward.no_sync()
        return nullcontext()
