"""Prediction: the output of a model for one clip, with its interval, flags and remarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semanticmac.core import SCORE, Task
from semanticmac.eval.report.formatting import class_probabilities, prediction_text


def interval_columns(name: str) -> tuple[str, str]:
    """The columns of a table for the two ends of the interval of a score."""
    return ("low", "high") if name == SCORE else (f"{name} low", f"{name} high")


@dataclass(frozen=True)
class Prediction:
    """The output of the model for one clip."""

    clip_id: str
    task: Task
    outputs: dict[str, list[float] | None]
    """Sub-task → its scores, or one logit per class. None: the video lacks this modality.

    Models other than SemanticMAC predict `multimodal`, and some of them single modalities too.
    """
    notes: tuple[str, ...] = ()
    """Remarks on the video, such as damaged frames or no audio track."""
    intervals: tuple[tuple[float, float] | None, ...] = ()
    """For each score: holds the truth of nine clips in ten that are like those of validation.

    Each interval is of its score alone. Empty for classes, for a clip that lacks a modality, and
    for a run that `eval` has not scored.
    """
    unusual: tuple[str, ...] = ()
    """Modalities in which the clip is unlike the train clips, so that no promise holds."""
    temperature: float = 1.0
    """The logits are divided by it before they become probabilities."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the logits; empty for a score."""
        return self.task.classes

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval of a single score; None where there is none, or where there are several."""
        return self.intervals[0] if len(self.intervals) == 1 else None

    @property
    def score(self) -> list[float]:
        """The multimodal output: its scores, or one logit per class."""
        output = self.outputs["multimodal"]
        assert output is not None
        return output

    @property
    def summary(self) -> str:
        """The multimodal output for a person: "+1.20 positive", "valence 3.20", "joy 71%"."""
        return self.describe("multimodal")

    @property
    def probabilities(self) -> dict[str, list[float] | None]:
        """Sub-task → one probability per class, in the order of `classes`.

        Softmax of the logits; for multi-label sigmoid, so that they do not sum to 1. The logits are
        divided by `temperature` first. Empty for a score.
        """
        if self.task.kind == "regression":
            return {}
        found: dict[str, list[float] | None] = {}
        for sub_task, output in self.outputs.items():
            if output is None:
                found[sub_task] = None
            else:
                logits = [logit / self.temperature for logit in output]
                found[sub_task] = class_probabilities(self.task, logits)
        return found

    def describe(self, sub_task: str) -> str:
        """The output of one sub-task for a person; "absent" if the video lacks the modality.

        The probability of a class is that of `probabilities`.
        """
        output = self.outputs[sub_task]
        if output is None:
            return "absent"
        if self.task.kind == "regression":
            return prediction_text(self.task, np.asarray(output))
        return prediction_text(self.task, np.asarray(output) / self.temperature)
