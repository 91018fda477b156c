"""The scale of frames: the formula, and padding that still changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.planted import CPU
from torch import Tensor

from semanticmac.cache.batch import Batch
from semanticmac.model.build import build_network
from semanticmac.model.config import ModelConfig
from semanticmac.model.frame_scaling import FrameScaling, Scaling, open_scaling
from semanticmac.train.config import with_name
from semanticmac.train.overrides import override

WIDTHS = {"audio": 3, "vision": 4}


def frames(count: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    values = 50 * torch.randn(count, width, generator=generator) + 7
    values[:, 1] = 2.5  # a number without variation
    return values


@pytest.mark.parametrize("scaling", ["standard", "unit"])
def test_every_number_has_the_same_scale(scaling: Scaling) -> None:
    values = frames(200, WIDTHS["vision"])
    scaled = FrameScaling(scaling, WIDTHS)
    assert scaled("vision", values) is not values and scaled("vision", values).equal(values)
    scaled.set("vision", values.mean(0), values.std(0, correction=0))

    length = 1.0 if scaling == "standard" else WIDTHS["vision"] ** 0.5
    expected = torch.zeros_like(values)
    for number in (0, 2, 3):
        column = values[:, number]
        deviation = ((column - column.mean()) ** 2).mean().sqrt()
        expected[:, number] = (column - column.mean()) / deviation / length
    torch.testing.assert_close(scaled("vision", values), expected, atol=1e-5, rtol=1e-5)
    assert scaled("audio", values[:, :3]).equal(values[:, :3])  # was not set


def test_embeddings_stay_as_they_are_by_default() -> None:
    assert open_scaling("none", ("audio", "vision"), WIDTHS) is None
    only_audio = open_scaling("unit", ("text", "audio"), WIDTHS)
    assert only_audio is not None and only_audio.modalities == ("audio",)
    values = frames(3, 4)
    assert only_audio("vision", values) is values


@pytest.mark.parametrize("name", ["semanticmac", "self-mm", "mult", "mfn"])
def test_padding_and_other_clips_change_nothing(name: str) -> None:
    """Padding is not zero after the scaling, and must be none the less."""
    settings = {"modalities": ["audio", "vision"], "frame_scaling": "standard"}
    config = override(with_name("any", name), settings).model
    config = replace(config, audio_width=3, vision_width=4)
    torch.manual_seed(0)
    network = build_network(config).to(CPU).eval()
    assert network.frame_scaling is not None
    for modality, width in WIDTHS.items():
        values = frames(100, width)
        network.frame_scaling.set(modality, values.mean(0), values.std(0))

    alone, together = batch(config, [5]), batch(config, [5, 9, 0])
    with torch.no_grad():
        ours, theirs = network(alone).sub_tasks(), network(together).sub_tasks()[:1]
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5, equal_nan=True)


def batch(config: ModelConfig, counts: list[int]) -> Batch:
    """Clips with so many frames; their content depends on the count alone."""
    longest = max(counts)
    mask = torch.arange(longest) < torch.tensor(counts)[:, None]
    sides = {}
    for modality, width in WIDTHS.items():
        sides[modality] = torch.zeros(len(counts), longest, width)
        for row, count in enumerate(counts):
            if count:
                sides[modality][row, :count] = frames(count, width)
    return Batch(
        clip_ids=tuple(map(str, counts)),
        rows=torch.arange(len(counts)),
        token_ids=torch.zeros(len(counts), 1, dtype=torch.int64),
        token_mask=torch.zeros(len(counts), 1, dtype=torch.bool),
        vision=sides["vision"],
        vision_mask=mask,
        audio=sides["audio"],
        audio_mask=mask,
        labels=torch.zeros(len(counts), config.outputs),
    )
