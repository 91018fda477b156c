"""docs/baselines.md names every published fusion, and its sizes are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from support.cost import multiply_adds, parameter_count

from semanticmac.model.features import Features, Widths
from semanticmac.model.registry import BUILT_IN, model_entry
from semanticmac.model.settings import settings_of

PAGE = (Path(__file__).parents[1] / "docs" / "baselines.md").read_text(encoding="utf-8")
FUSIONS = [name for name in BUILT_IN if name not in ("text", "audio", "vision", "svm")]
ROWS = dict(re.findall(r"^\| `([a-z-]+)` \| (\d.*) \|$", PAGE, re.MULTILINE))
WIDTHS = (Widths(768, 5, 20), Widths(768, 1024, 1024))


def test_every_fusion_has_a_section_and_a_row():
    assert list(ROWS) == FUSIONS or set(ROWS) == set(FUSIONS)
    for name in FUSIONS:
        assert f"\n### {name}\n" in PAGE


@pytest.mark.parametrize("name", FUSIONS)
def test_the_sizes_are_those_of_the_code(name):
    measured = []
    for widths in WIDTHS:
        entry = model_entry(name)
        fusion = entry.network(entry.settings(), widths, 1).eval()
        features = one_clip(widths)
        measured.append(f"{parameter_count(fusion):,}")
        measured.append(f"{multiply_adds(lambda f=fusion, x=features: f(x)) / 1e6:.1f}")
    assert ROWS[name].split(" | ") == measured


def one_clip(widths: Widths) -> Features:
    real = torch.ones(1, 50, dtype=torch.bool)
    sequences = []
    for width in vars(widths).values():
        sequences += [torch.zeros(1, 50, width), real]
    return Features(*sequences)


def test_settings_that_the_page_names_exist():
    """Settings written as `name=value` or `name`, in the section of their model."""
    for name in FUSIONS:
        section = PAGE.split(f"\n### {name}\n")[1].split("\n## ")[0].split("\n### ")[0]
        known = set(settings_of(model_entry(name).settings)) | {"pooling"}
        for setting in re.findall(r"`([a-z_]+)(?:=[a-z0-9]+)?`", section):
            assert setting in known | set(BUILT_IN), f"{name} has no setting {setting}"
