"""The Python API: its functions return objects, print nothing, and load libraries when used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.planted import Walk

import semanticmac
from semanticmac.cache.layout import CacheLayout
from semanticmac.errors import ConfigError, RunError
from semanticmac.eval.evaluate import evaluate
from semanticmac.model.baselines.single import FramesOnly, FramesSettings
from semanticmac.model.features import Features, FusionOutput, Widths
from semanticmac.model.registry import ModelEntry, register
from semanticmac.run.folder import RunInfo
from semanticmac.run.weights import load_run
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import names
from semanticmac.train.logger import EpochLog

CPU = torch.device("cpu")


def test_every_name_of_the_api_exists_and_is_listed() -> None:
    for name in semanticmac.__all__:
        assert getattr(semanticmac, name) is not None
        assert name in dir(semanticmac)
    assert {*semanticmac._MODULES, "__version__"} == {*semanticmac.__all__}
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = semanticmac.nothing  # type: ignore[attr-defined]


def test_a_dataset_opens_with_its_three_splits(planted: Callable[..., CacheLayout]) -> None:
    dataset = semanticmac.open_dataset("planted", cache=planted(sizes=(24, 8, 6)).root)
    assert [len(split) for split in (dataset.train, dataset.valid, dataset.test)] == [24, 8, 6]
    assert dataset.task is not None and dataset.task.kind == "regression"
    sample = dataset.test[0]
    assert sample.clip_id == dataset.test.rows[0].clip_id
    assert sample.label == dataset.test.rows[0].label


def test_the_dataset_cached_last_is_the_default(planted: Callable[..., CacheLayout]) -> None:
    layout = planted()
    layout.mark_built("planted")
    assert semanticmac.open_dataset(cache=layout.root).name == "planted"


def test_a_model_is_trained_and_scored_without_a_word(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    layout = planted()
    epochs: list[EpochLog] = []
    run = semanticmac.train_model(
        "planted",
        cache=layout.root,
        runs=tmp_path,
        settings=small | {"modalities": "audio", "epochs": 2},
        device="cpu",
        callbacks=Callbacks(on_epoch=epochs.append),
    )
    assert run.folder == tmp_path / "planted-001"
    assert run.info == RunInfo.read(run.folder)
    assert run.valid_score == run.info.valid_score
    assert [line.epoch for line in epochs] == [1, 2]

    evaluation = semanticmac.evaluate_model(run, cache=layout.root, device="cpu")
    expected = evaluate(load_run(run.folder, CPU), layout, "test", CPU)
    assert evaluation.scores == expected.scores
    np.testing.assert_array_equal(evaluation.predictions.outputs, expected.predictions.outputs)
    assert not list(run.folder.glob("eval-*"))
    assert capfd.readouterr() == ("", "")


def test_a_run_starts_from_the_settings_of_another(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    settings = small | {"modalities": "audio", "epochs": 1}
    cache = planted().root
    first = semanticmac.train_model(
        "planted", cache=cache, runs=tmp_path, settings=settings, device="cpu"
    )
    again = semanticmac.train_model(
        cache=cache, run=tmp_path / "again", config=first.folder, device="cpu"
    )
    for name in ("model.safetensors", "config.toml"):
        assert (again.folder / name).read_bytes() == (first.folder / name).read_bytes()


def test_mistakes_are_errors_of_the_package(
    walks: dict[str, Walk], small: dict[str, Any], tmp_path: Path
) -> None:
    walk = walks["regression"]
    cache = walk.layout.root
    with pytest.raises(ConfigError, match="there is no setting 'epoch'"):
        semanticmac.train_model("planted", cache=cache, runs=tmp_path, settings={"epoch": 1})
    with pytest.raises(RunError, match="holds a run already"):
        semanticmac.train_model("planted", cache=cache, run=walk.run)
    with pytest.raises(RunError, match="text"):
        semanticmac.evaluate_model(walk.run, cache=cache, without=["text", "audio", "vision"])
    assert list(tmp_path.iterdir()) == []


class Doubled(FramesOnly):
    """Twice the prediction of the model that reads audio."""

    def __init__(self, settings: FramesSettings, widths: Widths, outputs: int) -> None:
        super().__init__("audio", settings, widths.audio, outputs)

    def forward(self, features: Features) -> FusionOutput:
        output = super().forward(features)
        return FusionOutput({"multimodal": 2 * output.predictions["multimodal"]})


def test_a_model_of_ones_own_is_registered_trained_and_scored(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    cache = planted().root
    register(ModelEntry("doubled", "twice the audio model", FramesSettings, Doubled))
    shared = {key: small[key] for key in small if key in names("doubled")}
    run = semanticmac.train_model(
        "planted",
        cache=cache,
        run=tmp_path / "run",
        model="doubled",
        settings=shared | {"modalities": "audio", "epochs": 1, "hidden": 8},
        device="cpu",
    )
    assert run.info.model.name == "doubled" and run.info.model.method == FramesSettings(8, 0.1)
    scored = semanticmac.evaluate_model(run, cache=cache, device="cpu").predictions
    assert np.isfinite(scored.multimodal).all() and np.isnan(scored.outputs[:, 1:]).all()
