"""docs/dialogues.md and the sections of docs/baselines.md name what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.cost import parameter_count

from semanticmac.model.config import DIALOGUE_SETTINGS
from semanticmac.model.features import Widths
from semanticmac.model.registry import DIALOGUE_MODELS, model_entry
from semanticmac.model.settings import settings_of

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "dialogues.md").read_text(encoding="utf-8")
BASELINES = (DOCS / "baselines.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DIALOGUE_MODELS)
def test_the_sizes_are_those_of_the_code(name: str) -> None:
    row = re.search(rf"^\| `{name}` \| (\S+) \| (\S+) \|$", PAGE, re.MULTILINE)
    assert row is not None
    entry = model_entry(name)
    for both_directions, written in zip((False, True), row.groups(), strict=True):
        network = entry.network(entry.settings(), Widths(768, 1024, 1024), 7, both_directions)
        assert f"{parameter_count(network):,}" == written


@pytest.mark.parametrize("name", DIALOGUE_MODELS)
def test_settings_that_a_section_names_exist(name: str) -> None:
    section = BASELINES.split(f"\n### {name}\n")[1].split("\n### ")[0].split("\n## ")[0]
    known = settings_of(model_entry(name).settings)
    for setting in re.findall(r"`([a-z_]+)`", section):
        assert setting in known, f"{name} has no setting {setting}"


def test_the_page_explains_every_setting_of_dialogues() -> None:
    for setting in DIALOGUE_SETTINGS:
        assert f"`{setting}" in PAGE, setting
