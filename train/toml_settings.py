"""Settings from TOML: the presets of the corpora, and the text of a config.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from semanticmac.model.previous_settings import current_settings
from semanticmac.model.registry import SEMANTICMAC
from semanticmac.train.config import (
    METHOD,
    MODEL,
    ConfigError,
    TrainConfig,
    setting_parts,
    with_name,
)
from semanticmac.train.overrides import override

PRESETS = Path(__file__).parent / "presets"


def preset(corpus: str, dataset: str | None = None, model: str = SEMANTICMAC) -> TrainConfig:
    """The paper's settings for a corpus (method.md §6), or the defaults if it has none.

    dataset: the name in the cache, if it is not the name of the corpus. For a model other than
    SemanticMAC: the shared settings of the corpus, then those of presets/MODEL/CORPUS.toml.
    Raises ConfigError for an unknown model.
    """
    config = with_name(dataset or corpus, model)
    path = PRESETS / f"{corpus}.toml"
    if path.exists():
        settings = _flat_toml(path.read_text(encoding="utf-8"))
        shared = setting_parts(model)
        for key in list(settings):
            if model != SEMANTICMAC and shared.get(key, METHOD) == METHOD:
                del settings[key]
        config = override(config, settings)
    path = PRESETS / model / f"{corpus}.toml"
    if path.exists():
        config = override(config, _flat_toml(path.read_text(encoding="utf-8")))
    return config


def from_toml(text: str, dataset: str) -> TrainConfig:
    """Settings from TOML: those of the run at the top, those of the model under [model].

    Without a name the model is SemanticMAC.
    """
    settings = _flat_toml(text)
    model = str(settings.pop("name", SEMANTICMAC))
    return override(with_name(settings.pop("dataset", dataset), model), settings)


def _flat_toml(text: str) -> dict[str, Any]:
    settings = tomllib.loads(text)
    for table in (MODEL, METHOD):
        inside = settings.pop(table, {})
        if not isinstance(inside, dict):
            raise ConfigError(f"{table}={inside!r} must be a table, [{table}]")
        settings |= current_settings(inside) if table == MODEL else inside
    return settings
