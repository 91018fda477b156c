"""Settings are refused where they are given: what is no number, no setting of ours to choose, or no such kind."""

from typing import Any

import pytest

from semanticmac.train.config import ConfigError, TrainConfig, from_toml, override, parse_settings


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("clip_norm=nan", "clip_norm=nan must be a finite number"),
        ("weight_decay=nan", "weight_decay=nan must be a finite number"),
        ("lr_rest=inf", "lr_rest=inf must be a finite number"),
        ("seed=-1", "seed=-1 must be at least 0"),
        ("modalities=5", "modalities=5 must be names with commas between"),
        ('modalities=["text", 5]', "must be names with commas between"),
        ("modalities=", "must name one or more of text, audio, vision"),
        ("dataset=mosi", "dataset is no setting to choose: --dataset names it"),
        ("outputs=5", "outputs is no setting to choose: the labels of the dataset decide it"),
        (
            "embedding_width=99",
            "embedding_width is no setting to choose: the cached embeddings decide it",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(TrainConfig("x"), parse_settings([setting]))


def test_modalities_may_have_blanks_and_any_order() -> None:
    written: list[Any] = ["modalities=vision, text", 'modalities=["text", "vision"]']
    for words in written:
        assert override(TrainConfig("x"), parse_settings([words])).model.modalities == (
            "text",
            "vision",
        )


def test_a_resolved_configuration_is_read_back_as_it_was() -> None:
    settings = {
        "epochs": 3,
        "modalities": "audio",
        "seed": 2**62,
        "lr_rest": 1e-3,
        "perceiver": False,
        "outputs": 7,
    }
    config = override(TrainConfig("x"), settings)
    assert from_toml(config.to_toml(), "y") == config
    with pytest.raises(ConfigError, match="model=3 must be a table"):
        from_toml("model = 3", "x")
