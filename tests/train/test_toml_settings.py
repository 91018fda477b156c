"""Settings as TOML."""

import pytest

from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.overrides import override
from semanticmac.train.toml_settings import from_toml


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
