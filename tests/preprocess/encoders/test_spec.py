"""Names of encoders."""

from __future__ import annotations

import pytest

from semanticmac.preprocess.encoders.spec import EncoderNotFound, EncoderSpec, parse_spec


@pytest.mark.parametrize(
    ("text", "expected", "name"),
    [
        ("logmel-stats", ("logmel-stats", "", None), "logmel-stats"),
        ("wavlm:microsoft/wavlm-large", ("wavlm", "microsoft/wavlm-large", None), "wavlm-large"),
        ("wavlm:a/b@layer12", ("wavlm", "a/b", 12), "b@layer12"),
        ("clip:/models/my clip", ("clip", "/models/my clip", None), "my-clip"),
        ("clip:C:/x@home@layer3", ("clip", "C:/x@home", 3), "x-home@layer3"),
    ],
    ids=lambda value: str(value),
)
def test_specs(text, expected, name):
    if "@home" in text:
        name = "x-home@layer3"
    spec = parse_spec(text)
    assert spec == EncoderSpec(text, *expected)
    assert spec.name == name


def test_a_folder_is_named_by_its_real_name(tmp_path, monkeypatch):
    (tmp_path / "clip-large").mkdir()
    monkeypatch.chdir(tmp_path / "clip-large")
    assert parse_spec("clip:.").name == "clip-large"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "incomplete"),
        ("clip:", "incomplete"),
        (":x", "incomplete"),
        ("clip:x@layer", "expected @layer1"),
        ("clip:x@layer0", "expected @layer1"),
        ("clip:x@layer-1", "expected @layer1"),
        ("clip:x@layer²", "expected @layer1"),
    ],
)
def test_bad_specs(text, message):
    with pytest.raises(EncoderNotFound, match=message):
        parse_spec(text)
