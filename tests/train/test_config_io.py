"""Settings from files: a run repeats another to the byte, presets have names, errors are clear."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from semanticmac.cache.layout import CacheLayout
from semanticmac.commands import train as learn
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.config_io import named_preset, other_data, read_config, settings_for
from semanticmac.train.data import open_data
from semanticmac.train.toml_settings import PRESETS, preset


def test_a_run_is_repeated_to_the_byte(
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    families: dict[str, str],
    tmp_path: Path,
) -> None:
    layout, root = planted(), tmp_path / "runs"
    settings = small | {
        "language": families["bert"],
        "schedule": "cosine",
        "modality_dropout": 0.2,
        "seed": 3,
    }
    words = [f"{key}={value}" for key, value in settings.items()]
    first = learn.train(dataset="planted", cache=layout.root, runs=root, set_=words)
    again = [
        learn.train(cache=layout.root, runs=root, config=first / "config.toml"),
        learn.train(cache=layout.root, runs=root, config=first),
    ]
    for run in again:
        for name in ("model.safetensors", "log.jsonl", "config.toml", "run.json"):
            assert (run / name).read_bytes() == (first / name).read_bytes(), name
    other = learn.train(cache=layout.root, runs=root, config=first, seed=4, set_=["epochs=1"])
    assert read_config(other) == replace(read_config(first), seed=4, epochs=1)
    assert (other / "model.safetensors").read_bytes() != (first / "model.safetensors").read_bytes()


def test_settings_of_a_run_are_read_from_its_folder_or_its_file(tmp_path: Path) -> None:
    config = replace(
        TrainConfig("planted"), lr_rest=0.00034567890123456789, model=preset("meld").model
    )
    (tmp_path / "config.toml").write_text(config.to_toml(), encoding="utf-8")
    assert read_config(tmp_path) == read_config(tmp_path / "config.toml") == config
    assert read_config(tmp_path, "other") == replace(config, dataset="other")
    assert settings_for("planted", "mosi", {"seed": 9}, None, config) == replace(config, seed=9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", r"nosuch.toml: there is no setting 'epoch'; did you mean epochs"),
        ("epochs = ", "nosuch.toml is not TOML"),
        (
            'epochs = "many"',
            "nosuch.toml: epochs='many' must be a whole number, like its default 20",
        ),
        ("epochs = 3", "nosuch.toml names no dataset"),
        (None, "nosuch.toml is not there: --config takes a run folder, or the config.toml in it"),
    ],
)
def test_a_file_without_settings_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "nosuch.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_config(path)


def test_a_dataset_is_trained_with_the_preset_of_another_corpus() -> None:
    mine = settings_for("mydata", "mydata", {"batch_size": 8}, "mosi", None)
    assert (
        mine
        == replace(preset("mosi"), dataset="mydata", batch_size=8)
        != settings_for("mydata", "mydata", {"batch_size": 8}, None, None)
    )
    assert settings_for("mine", "meld", {}, None, None) == replace(preset("meld"), dataset="mine")
    with pytest.raises(
        ConfigError, match="there is no preset 'mossi'; did you mean mosi"
    ) as unknown:
        named_preset("mossi", "mydata")
    assert all(path.stem in str(unknown.value) for path in PRESETS.glob("*.toml"))
    with pytest.raises(ConfigError, match=r"there is no preset '\.\./mosi'"):
        named_preset("../mosi", "mydata")
    with pytest.raises(ConfigError, match="--config and --preset exclude each other"):
        settings_for("mydata", "mydata", {}, "mosi", mine)


def test_a_run_that_saw_other_data_is_named(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    layout = planted()
    words = [
        f"{key}={value}" for key, value in (small | {"modalities": "audio", "epochs": 1}).items()
    ]
    run = learn.train(dataset="planted", cache=layout.root, runs=tmp_path, set_=words)
    config, data = read_config(run), open_data(layout, "planted")
    assert (
        other_data(run, config, data) == other_data(tmp_path / "elsewhere.toml", config, data) == []
    )
    mine = data.streams
    others = tuple(replace(stream, weights="others") for stream in mine.vision)
    data.train._reader.streams = replace(mine, vision=others)
    [note] = other_data(run / "config.toml", config, data)
    assert re.search(r"trained on other embeddings \(vision weights: weights, not others\)", note)
    data.train._reader.streams = mine
    data.train.rows = (replace(data.train.rows[0], label=(0.5,)), *data.train.rows[1:])
    [note] = other_data(run, config, data)
    assert "was trained on other data" in note
    assert "its settings leave out text and vision, which some train clip has" in note
