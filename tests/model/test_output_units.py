"""Outputs of a head in the units of the scores: no map where none is needed."""

import pytest
import torch
from support.tasks import AFFECT, task_of
from torch import nn

from semanticmac.core import Dimension, Task
from semanticmac.model.output_units import open_units, units_of


@pytest.mark.parametrize(
    "task",
    [
        Task("regression"),
        Task("regression", low=-1.0, high=1.0),
        Task("regression", dimensions=(Dimension("a", -3, 3), Dimension("b", -1, 2))),
        task_of("binary"),
        task_of("single-label"),
    ],
)
def test_sentiment_and_classes_are_predicted_as_they_are(task: Task) -> None:
    assert units_of(task) == ()
    assert isinstance(open_units(()), nn.Identity)


def test_other_ranges_are_reached_from_small_outputs() -> None:
    units = units_of(AFFECT)
    assert units == ("0.0:1.0", "3.0:1.0", f"50.0:{50 / 3!r}")
    outputs = torch.tensor([[0.0, 0.0, 0.0], [3.0, 2.0, 3.0], [-3.0, -2.0, -3.0]])
    expected = torch.tensor([[0.0, 3.0, 50.0], [3.0, 5.0, 100.0], [-3.0, 1.0, 0.0]])
    torch.testing.assert_close(open_units(units)(outputs), expected)
    assert not open_units(units).state_dict()  # run.json has the units, not the weights
