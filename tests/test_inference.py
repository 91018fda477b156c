"""Prediction puts outputs into words; load accepts an encoder object and refuses another one.

tests/run/test_export.py compares Predictor with the command predict.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.planted import Walk

import semanticmac
from semanticmac.core import SUB_TASKS, Task
from semanticmac.errors import EncoderMismatch, PredictError
from semanticmac.inference import Prediction
from semanticmac.run.folder import RunInfo


def fake_encoder(fingerprint: Any) -> Any:
    return SimpleNamespace(name="fake", fingerprint=lambda sampling: fingerprint)


def test_a_score_and_an_absent_modality_in_words() -> None:
    outputs = cast("dict[str, list[float] | None]", {name: [1.2] for name in SUB_TASKS})
    outputs["audio"] = None
    prediction = Prediction("clip", Task("regression"), outputs)
    assert prediction.score == [1.2] and prediction.classes == ()
    assert prediction.summary == prediction.describe("text") == "+1.20 positive"
    assert prediction.describe("audio") == "absent"


def test_load_accepts_an_encoder_and_refuses_another(
    walks: dict[str, Walk], tmp_path: Path
) -> None:
    run = walks["regression"].run
    fingerprint = RunInfo.read(run).fingerprint
    predictor = semanticmac.load(run, encoder=fake_encoder(fingerprint), device="cpu")
    with pytest.raises(PredictError, match="is a folder: give one video file"):
        predictor.predict(tmp_path)

    other = replace(fingerprint, weights="0" * 64)
    with pytest.raises(EncoderMismatch, match="weights"):
        semanticmac.load(run, encoder=fake_encoder(other), device="cpu")
