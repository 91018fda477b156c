"""Models by name: their notes, and a package whose model cannot be loaded."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from semanticmac.model import registry


def test_deviations_are_one_sentence() -> None:
    assert registry.model_notes("semanticmac") == registry.model_notes("text") == []
    assert registry.model_notes("ef-lstm") == [
        "model ef-lstm: LayerNorm for BatchNorm; token i of n reads the frame at (i + ½)·F/n"
    ]


def test_a_package_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("broken", "nothing_here.fusion:MODEL", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [point])
    assert "broken" in registry.model_names()
    with pytest.raises(registry.UnknownModel, match=r"nothing_here\.fusion:MODEL.*ModuleNotFound"):
        registry.model_entry("broken")
