"""The settings of a training run."""

from dataclasses import fields

from semanticmac.model.config import ModelConfig
from semanticmac.model.settings import settings_of
from semanticmac.train.config import DECIDED, TrainConfig, names
from semanticmac.train.overrides import setting_rows


def test_every_setting_has_a_description() -> None:
    for kind in (TrainConfig, ModelConfig):
        described = settings_of(kind)
        for entry in fields(kind):
            if entry.name not in ("dataset", "model", "method"):
                assert described[entry.name].description, entry.name
    assert {row.key for row in setting_rows()} == names() - DECIDED.keys()
