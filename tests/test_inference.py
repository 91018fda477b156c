"""Prediction puts outputs into words; load accepts an encoder object and refuses another one.

tests/run/test_export.py compares Predictor with the command predict.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.planted import Walk

import semanticmac
from semanticmac.cache.streams import Streams
from semanticmac.commands.ui.predictions import predictions_json
from semanticmac.core import SUB_TASKS, Task
from semanticmac.errors import EncoderMismatch, PredictError
from semanticmac.eval.prediction import Prediction
from semanticmac.run.folder import RunInfo


def fake_encoders(streams: Streams) -> list[Any]:
    """Encoders that claim to make these streams."""
    encoders = []
    for stream in streams.all:
        made = partial(lambda stream, sampling: stream, stream)
        encoders.append(SimpleNamespace(name="fake", modality=stream.modality, fingerprint=made))
    return encoders


def test_a_score_and_an_absent_modality_in_words() -> None:
    outputs = cast("dict[str, list[float] | None]", {name: [1.2] for name in SUB_TASKS})
    outputs["audio"] = None
    prediction = Prediction("clip", Task("regression"), outputs)
    assert prediction.score == [1.2] and prediction.classes == ()
    assert prediction.summary == prediction.describe("text") == "+1.20 positive"
    assert prediction.describe("audio") == "absent"


@pytest.mark.parametrize(
    ("task", "logits", "probabilities"),
    [
        (Task("single-label", ("a", "b", "c")), [0.0, 1.0, -2.0], [0.2595, 0.7054, 0.0351]),
        (Task("multi-label", ("a", "b")), [0.0, 2.0], [0.5, 0.8808]),
        (Task("binary", ("no", "yes")), [2.0], [0.1192, 0.8808]),
    ],
    ids=["single-label", "multi-label", "binary"],
)
def test_probabilities_stand_beside_the_logits(task, logits, probabilities) -> None:
    outputs: dict[str, list[float] | None] = dict.fromkeys(SUB_TASKS, logits)
    outputs["audio"] = None
    prediction = Prediction("clip", task, outputs, notes=("it has no audio track",))
    [entry] = predictions_json("run", task, [prediction], [], [])["predictions"]  # type: ignore[misc, attr-defined]
    assert entry["scores"]["multimodal"] == logits
    assert entry["probabilities"]["multimodal"] == pytest.approx(probabilities, abs=1e-4)
    assert entry["probabilities"]["audio"] is None
    assert entry["notes"] == ["it has no audio track"]


@pytest.mark.parametrize(
    ("task", "logits", "words"),
    [
        (Task("single-label", ("a", "b", "c")), [0.0, 2.0, -4.0], "b 71%"),
        (Task("multi-label", ("a", "b")), [-1.0, 4.0], "b 88%"),
        (Task("binary", ("no", "yes")), [4.0], "yes 88%"),
    ],
    ids=["single-label", "multi-label", "binary"],
)
def test_the_words_name_the_calibrated_probability(task, logits, words) -> None:
    prediction = Prediction("clip", task, {"multimodal": logits}, temperature=2.0)
    assert prediction.summary == words


def test_a_score_has_no_probabilities() -> None:
    outputs: dict[str, list[float] | None] = {name: [1.2] for name in SUB_TASKS}
    assert Prediction("clip", Task("regression"), outputs).probabilities == {}


def test_load_accepts_encoders_and_refuses_others(walks: dict[str, Walk], tmp_path: Path) -> None:
    run = walks["regression"].run
    streams = RunInfo.read(run).streams
    predictor = semanticmac.load(run, encoders=fake_encoders(streams), device="cpu")
    with pytest.raises(PredictError, match="is a folder: give one video file"):
        predictor.predict(tmp_path)

    others = tuple(replace(stream, weights="0" * 64) for stream in streams.vision)
    with pytest.raises(EncoderMismatch, match="vision weights: 0000"):
        wrong = fake_encoders(replace(streams, vision=others))
        semanticmac.load(run, encoders=wrong, device="cpu")
