"""The scale of frames comes from the train clips, and makes the scale of an encoder irrelevant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.fusions import SMALL
from support.planted import WIDTH, Planted, planted_clips

from semanticmac.cache.layout import CacheLayout
from semanticmac.run.weights import load_run
from semanticmac.train.config import TrainConfig, with_name
from semanticmac.train.data import open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

CPU = torch.device("cpu")
Make = Callable[..., CacheLayout]


def settings_of(name: str, language: str, scaling: str) -> TrainConfig:
    own = SMALL.get(name, {"d_model": 8, "heads": 2})
    shared = {"language": language, "batch_size": 8, "epochs": 2, "frame_scaling": scaling}
    return override(with_name("planted", name), shared | own)


def scaled_clips(factor: float) -> list[Planted]:
    clips = []
    for clip in planted_clips("regression"):
        assert clip.audio is not None and clip.vision is not None
        # Rounded first, so that a power of two is exact in float16.
        audio, vision = (side.astype(np.float16) for side in (clip.audio, clip.vision))
        clips.append(replace(clip, audio=factor * audio, vision=factor * vision))
    return clips


def test_statistics_are_those_of_the_train_clips(
    planted: Make, families: dict[str, str], tmp_path: Path
) -> None:
    clips = planted_clips("regression")
    for number, clip in enumerate(clips):
        if clip.split != "train" and clip.vision is not None:
            clips[number] = replace(clip, vision=clip.vision + 1000)
    layout = planted(clips=clips)
    config = settings_of("attention", families["bert"], "standard")
    train(config, open_data(layout, "planted"), tmp_path / "run", CPU)

    scaling = load_run(tmp_path / "run", CPU).model.frame_scaling
    assert scaling is not None
    rows = [clip.vision for clip in clips if clip.split == "train" and clip.vision is not None]
    values = np.concatenate(rows).astype(np.float16).astype(np.float64)
    mean, factor = scaling.get_buffer("vision_mean"), scaling.get_buffer("vision_factor")
    np.testing.assert_allclose(mean.numpy(), values.mean(0), atol=1e-6)
    np.testing.assert_allclose(factor.numpy(), 1 / values.std(0), rtol=1e-6)


@pytest.mark.parametrize("name", ["semanticmac", "self-mm", "mult"])
def test_a_factor_of_all_embeddings_changes_nothing(
    name: str, planted: Make, families: dict[str, str], tmp_path: Path
) -> None:
    losses = []
    for factor in (1.0, 64.0):
        data = open_data(planted(clips=scaled_clips(factor)), "planted")
        for scaling in ("unit", "none"):
            run = tmp_path / f"{scaling}-{factor}"
            info = train(settings_of(name, families["bert"], scaling), data, run, CPU)
            losses.append(info.valid_score)
    scaled, as_cached, scaled_64, as_cached_64 = losses
    assert scaled == pytest.approx(scaled_64, abs=1e-5)
    assert abs(as_cached - as_cached_64) > 1e-4


def test_a_modality_without_frames_stays_as_it_is_cached(
    planted: Make, families: dict[str, str], tmp_path: Path
) -> None:
    """As where no face was found in any train clip: the clips have pictures and no embedding."""
    clips = []
    for clip in planted_clips("regression"):
        clips.append(replace(clip, vision=np.zeros((0, WIDTH))))
    data = open_data(planted(clips=clips), "planted")
    assert data.modalities == ("text", "audio", "vision")
    train(settings_of("attention", families["bert"], "standard"), data, tmp_path / "run", CPU)
    scaling = load_run(tmp_path / "run", CPU).model.frame_scaling
    assert scaling is not None and scaling.get_buffer("vision_factor").eq(1).all()
    assert not scaling.get_buffer("audio_factor").eq(1).any()
