"""The moving average of the weights."""

import math

import torch
from torch import nn

from semanticmac.train.weight_average import WeightAverage


def test_the_average_equals_its_recursion_and_the_model_gets_its_weights_back() -> None:
    weight = nn.Parameter(torch.zeros(3))
    average = WeightAverage([weight], span=5.0)
    expected = torch.zeros(3)
    for step in range(1, 30):
        weight.data.copy_(torch.randn(3))
        decay = min(math.exp(-1 / 5), (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight.data
        average.update(step)
    last = weight.detach().clone()
    with average.in_place():
        torch.testing.assert_close(weight.data, expected)
    assert torch.equal(weight.data, last)


def test_a_saved_average_goes_on() -> None:
    weight = nn.Parameter(torch.ones(2))
    first, second = WeightAverage([weight], 4.0), WeightAverage([weight], 4.0)
    weight.data.add_(1)
    first.update(1)
    second.load({"0": first.weights[0].clone()})
    first.update(2)
    second.update(2)
    assert torch.equal(first.weights[0], second.weights[0])
