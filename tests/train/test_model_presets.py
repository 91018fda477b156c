"""The presets of the published fusions: each loads, and MOSI's sizes are the defaults."""

from __future__ import annotations

import tomllib

import pytest

from semanticmac.model.registry import BUILT_IN, DIALOGUE_MODELS, model_entry
from semanticmac.train.config import setting_parts
from semanticmac.train.toml_settings import PRESETS, preset

VARIANTS = PRESETS / "variants"  # presets of SemanticMAC under names of their own
FILES = [file for file in sorted(PRESETS.glob("*/*.toml")) if file.parent != VARIANTS]


def test_every_other_folder_of_presets_is_a_model():
    assert {file.parent.name for file in FILES} <= {*BUILT_IN, *DIALOGUE_MODELS}
    assert len(FILES) >= 30


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_preset_is_accepted_and_used(file):
    model, corpus = file.parent.name, file.stem
    config = preset(corpus, model=model)
    written = tomllib.loads(file.read_text(encoding="utf-8"))
    written |= written.pop("method", {})
    parts = setting_parts(model)
    for key, value in written.items():
        assert key in parts
        assert config.value(key) == value


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_preset_says_nothing_that_is_the_default_of_the_method(file):
    defaults = model_entry(file.parent.name).settings()
    written = tomllib.loads(file.read_text(encoding="utf-8")).get("method", {})
    for key, value in written.items():
        assert getattr(defaults, key) != value, f"{file.name}: {key} is the default"


@pytest.mark.parametrize("model", sorted(set(BUILT_IN) - {"mag"}))
def test_the_defaults_are_those_for_mosi(model):
    """MAG's are the authors', whose dropout is not that of MMSA's preset."""
    assert preset("mosi", model=model).model.method == model_entry(model).settings()
