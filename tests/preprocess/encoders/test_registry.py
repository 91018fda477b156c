"""Encoders by name, those of other packages among them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.tiny_encoders import clip_with

from semanticmac.preprocess.encoders.registry import known_names, open_encoder
from semanticmac.preprocess.encoders.spec import EncoderNotFound

MODULE = """
import numpy as np, torch

class Half:
    modality = "audio"
    device = torch.device("cpu")
    width = 2
    def __init__(self, name): self.name = name
    def fingerprint(self, sampling): ...
    def encode(self, raw): return np.full((1, 2), 0.5, np.float16)

def open_half(source, device): return Half(f"half-{source}-{device}")
def open_bare(source, device): return object()
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with entry points, as pip would install it."""
    (tmp_path / "own_half.py").write_text(MODULE)
    info = tmp_path / "own_half-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-half\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[semanticmac.encoders]\nhalf = own_half:open_half\nbare = own_half:open_bare\n"
        "broken = own_half:missing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_half", None)


def test_an_encoder_of_another_package(installed):
    encoder = open_encoder("half:loud", "audio", "cpu")
    assert encoder.name == "half-loud-cpu"
    np.testing.assert_array_equal(encoder.encode(clip_with(audio=True)), [[0.5, 0.5]])
    assert open_encoder("half", "audio", "cpu").name == "half--cpu"
    assert "half" in known_names("audio")


@pytest.mark.parametrize(
    ("name", "modality", "message"),
    [
        ("half", "vision", "an encoder of audio, asked for as --vision: give it as --audio"),
        ("bare", "audio", "has no `modality`"),
        ("broken", "audio", "cannot be imported"),
        (
            "nothing",
            "audio",
            "expected imagebind-huge, .*hubert:FOLDER, .*logmel-stats, egemaps, bare, broken, half",
        ),
        ("clip", "vision", "write clip:FOLDER or clip:HUB-NAME"),
        ("clip:x", "audio", "an encoder of vision, asked for as --audio"),
        ("logmel-stats", "vision", "give it as --audio"),
        ("logmel-stats@layer3", "audio", "no weights and no layers"),
    ],
)
def test_names_that_are_refused(installed, name, modality, message):
    with pytest.raises(EncoderNotFound, match=message):
        open_encoder(name, modality, "cpu")
