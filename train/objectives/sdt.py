"""SDT's losses: task, students, and distillation from the fused prediction to the students."""

from __future__ import annotations

import torch
from torch import Tensor

from semanticmac.core import MODALITIES, Task
from semanticmac.model.dialogue.sdt import SdtSettings
from semanticmac.model.features import FusionOutput
from semanticmac.train.config import TrainConfig
from semanticmac.train.losses import full_precision, mean_where, on_device, wide
from semanticmac.train.objectives.misa import presence
from semanticmac.train.objectives.task import TaskLoss, WithoutState, has_any_modality


class SdtObjective(WithoutState):
    """L = task + γ₂ Σ_m task_m + γ₃ Σ_m KL(all ‖ m); a student learns where it has its modality."""

    def __init__(
        self, settings: SdtSettings, config: TrainConfig, task: Task, truth: Tensor
    ) -> None:
        self.settings, self.task = settings, task
        self.task_loss = TaskLoss(config, task, truth)

    def loss(self, output: FusionOutput, rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The terms `total`, `multimodal`, one of each student, and `distillation`."""
        settings, present = self.settings, presence(output)
        fused = output.predictions["multimodal"]
        with full_precision(fused):
            terms = {"multimodal": self.task_loss(fused, targets, has_any_modality(output))}
            distillation = fused.new_zeros((), dtype=terms["multimodal"].dtype)
            students = torch.zeros_like(distillation)
            for name in MODALITIES:
                student = output.predictions[name]
                terms[name] = self.task_loss(student, targets, present[name])
                students = students + terms[name]
                each = divergence(wide(fused), wide(student), self.task, settings.temperature)
                distillation = distillation + mean_where(each, present[name])
            total = terms["multimodal"] + settings.student_weight * students
            total = total + settings.distillation_weight * distillation
        return {"total": total, **terms, "distillation": distillation}


def divergence(teacher: Tensor, student: Tensor, task: Task, temperature: float) -> Tensor:
    """KL(teacher ‖ student) of the class probabilities at a temperature, (B, K) → (B,).

    single-label: over the classes; multi-label and binary: the sum over classes of that of two
    outcomes. Scores have no probabilities: the mean of (teacher − student)², each difference times
    its weight in `Task.loss_weights`.
    """
    if task.kind == "regression":
        weights = on_device(tuple(task.loss_weights), teacher.dtype, teacher.device)
        return ((teacher - student) * weights).square().mean(1)
    teacher, student = teacher / temperature, student / temperature
    if task.kind == "single-label":
        of_teacher, of_student = teacher.log_softmax(1), student.log_softmax(1)
        return (of_teacher.exp() * (of_teacher - of_student)).sum(1)
    logsigmoid = torch.nn.functional.logsigmoid
    positive = teacher.sigmoid() * (logsigmoid(teacher) - logsigmoid(student))
    negative = (-teacher).sigmoid() * (logsigmoid(-teacher) - logsigmoid(-student))
    return (positive + negative).sum(1)
