"""Runs with a decoder: adapters alone are kept, and a stopped run ends with the same bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.families import save_model
from support.planted import Planted

from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.records import Embeddings
from semanticmac.eval.evaluate import evaluate, predict_clip
from semanticmac.run.export import export_run
from semanticmac.run.folder import RunError
from semanticmac.run.weights import load_run
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData, open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

CPU = torch.device("cpu")
ADAPTERS = {"fusion": "prefix", "lora_rank": 4, "gradient_checkpointing": True, "epochs": 3}


@pytest.fixture(scope="module")
def layout(planted: Callable[..., CacheLayout]) -> CacheLayout:
    return planted()


@pytest.fixture
def decoder(tmp_path: Path) -> Path:
    return Path(save_model("qwen3", tmp_path / "qwen3"))


def config_of(decoder: Path, small: dict[str, Any], **settings: Any) -> TrainConfig:
    changed = small | ADAPTERS | {"language": str(decoder)} | settings
    return override(TrainConfig("planted"), changed)


def files_of(run: Path) -> dict[str, bytes]:
    """All files but the one that holds measured seconds."""
    files = {}
    for path in sorted(run.rglob("*")):
        if path.is_file() and path.name != "step_cost.json":
            files[str(path.relative_to(run))] = path.read_bytes()
    return files


class Stopped(Exception):
    pass


def test_a_stopped_run_with_adapters_ends_with_the_same_bytes(
    layout: CacheLayout, decoder: Path, small: dict[str, Any], tmp_path: Path
) -> None:
    data, config = open_data(layout, "planted"), config_of(decoder, small)
    train(config, data, tmp_path / "whole", CPU, save_every_s=0.0)

    def stop(stage: str, done: int, total: int, failed: int) -> None:
        if done == 5:
            raise Stopped

    with pytest.raises(Stopped):
        train(config, data, tmp_path / "run", CPU, Callbacks(progress=stop), save_every_s=0.0)
    state = load_file(tmp_path / "run" / "checkpoint" / "state.safetensors")
    of_language = [name for name in state if name.startswith("model.language.")]
    assert of_language and all(".lora_" in name for name in of_language)

    train(config, data, tmp_path / "run", CPU, resume=True, save_every_s=0.0)
    assert files_of(tmp_path / "run") == files_of(tmp_path / "whole")


def test_a_run_keeps_adapters_and_the_digest_of_their_base(
    layout: CacheLayout,
    decoder: Path,
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, run = open_data(layout, "planted"), tmp_path / "run"
    notes: list[str] = []
    callbacks = Callbacks(on_note=notes.append)
    train(config_of(decoder, small), data, run, CPU, callbacks)
    assert notes[0].startswith("language model qwen3: decoder, a token sees those before it only; ")
    assert "in bfloat16; one state of a text is its last token; no segments; " in notes[0]

    kept = load_file(run / "model.safetensors")
    of_language = [name for name in kept if name.startswith("language.")]
    assert of_language and all(".lora_" in name for name in of_language)
    base = json.loads((run / "language" / "base.json").read_text())
    assert base["name"] == str(decoder) and len(base["sha256"]) == 64
    assert json.loads((run / "step_cost.json").read_text())["seconds"] > 0

    scores = evaluate(load_run(run, CPU), layout, "test", CPU).predictions
    exported = tmp_path / "exported"
    export_run(run, exported)
    again = evaluate(load_run(exported, CPU), layout, "test", CPU).predictions
    assert np.array_equal(scores.outputs, again.outputs)
    frames = np.ones((3, 8), np.float16)
    clip = predict_clip(load_run(exported, CPU), "i love the film", Embeddings(frames, frames), CPU)
    assert np.isfinite(clip.outputs).all()

    # The base was moved: an environment variable says where it is.
    moved = decoder.rename(tmp_path / "moved")
    with pytest.raises(RunError, match="set SEMANTICMAC_LANGUAGE=FOLDER"):
        load_run(run, CPU)
    monkeypatch.setenv("SEMANTICMAC_LANGUAGE", str(moved))
    moved_scores = evaluate(load_run(run, CPU), layout, "test", CPU).predictions
    assert np.array_equal(scores.outputs, moved_scores.outputs)

    # Other weights under the adapters would predict something else without a word.
    weights = load_file(moved / "model.safetensors")
    weights["norm.weight"] = weights["norm.weight"] * 1.5
    save_file(weights, moved / "model.safetensors", {"format": "pt"})
    with pytest.raises(RunError, match="was trained on other weights than those of the language"):
        load_run(run, CPU)


def clips_that_only_audio_tells_apart() -> list[Planted]:
    """The text is always the same; the label is the mean of one audio feature."""
    random = np.random.default_rng(0)
    clips = []
    for split, size in (("train", 64), ("valid", 32), ("test", 32)):
        for number in range(size):
            value = random.uniform(-1, 1)
            audio = 0.1 * random.normal(size=(3, 8)) + value * np.eye(8)[2] * 3
            vision = random.normal(size=(3, 8))
            name = f"{split}{number}"
            clips.append(Planted(name, "i love the film", audio, vision, [value], split))
    return clips


def test_a_rule_in_the_audio_is_learned_through_the_prefix(
    planted: Callable[..., CacheLayout], decoder: Path, small: dict[str, Any], tmp_path: Path
) -> None:
    """With contrastive losses off only the readout token can carry the rule to the output."""
    layout = planted("regression", clips_that_only_audio_tells_apart())
    settings = {"epochs": 12, "lr_rest": 0.01, "lr_language": 0.003, "dropout": 0.0}
    config = config_of(decoder, small, **settings, modality_dropout=0.0)
    data: TrainData = open_data(layout, "planted")
    train(config, data, tmp_path / "run", CPU)
    predictions = evaluate(load_run(tmp_path / "run", CPU), layout, "test", CPU).predictions
    error = np.abs(predictions.multimodal - predictions.truth).mean()
    constant = np.abs(np.median(predictions.truth) - predictions.truth).mean()
    assert error < 0.5 * constant
