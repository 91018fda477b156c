"""A recording's utterances are predicted as clips are, one by one, and a stopped call goes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from support.talk import join_films

import semanticmac
from semanticmac.cache.failures import Failure
from semanticmac.cache.records import Embeddings
from semanticmac.core import SUB_TASKS, Task
from semanticmac.errors import PredictError
from semanticmac.eval.prediction import Prediction
from semanticmac.inference import Predictor
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.embed import EmbeddedClip
from semanticmac.preprocess.speech.activity import EnergyActivity
from semanticmac.preprocess.speech.recording import Recording, Utterance
from semanticmac.preprocess.speech.transcript_files import Transcript
from semanticmac.timeline import predict
from semanticmac.timeline.predict import StartedTimeline, TimelineOptions, predict_timeline

ENERGY = TimelineOptions(activity=EnergyActivity())


@pytest.fixture(scope="module")
def predictor(small_run: tuple[Path, Path]) -> Predictor:
    return semanticmac.load(small_run[0] / "small", device="cpu")


@pytest.fixture(scope="module")
def timeline(talk, predictor):
    return predict_timeline(talk, predictor, ENERGY)


def test_utterances_are_predicted_as_clips_are(timeline, talk, predictor) -> None:
    assert len(timeline.moments) >= 3 and timeline.run == "small"
    assert "utterances cut by energy above the noise floor" in timeline.remarks
    moment = timeline.moments[1]
    [alone] = predictor.predict_clips([Clip("talk#0002", talk, moment.start_s, moment.end_s)])
    assert moment.prediction == alone
    assert moment.text is None and moment.remarks == alone.notes
    assert moment.thumbnail is not None and moment.thumbnail.startswith(b"\xff\xd8")


def test_what_is_finished_is_not_computed_again(timeline, talk, predictor) -> None:
    utterances = [Utterance(each.start_s, each.end_s) for each in timeline.moments]
    recording = Recording(timeline.seconds, tuple(utterances), timeline.remarks[:1])
    started = StartedTimeline(recording, timeline.moments[:-2])
    new: list[int] = []
    again = predict_timeline(
        talk, predictor, ENERGY, started=started, on_moment=lambda index, _: new.append(index)
    )
    assert new == [len(utterances) - 2, len(utterances) - 1]
    assert again.moments == timeline.moments


def test_a_text_without_times_is_spread_over_the_speech(talk, predictor) -> None:
    transcript = Transcript((), "one two three four five six seven eight nine ten")
    options = TimelineOptions(activity=EnergyActivity(), transcript=transcript)
    timeline = predict_timeline(talk, predictor, options)
    words = [word for moment in timeline.moments for word in moment.words]
    assert " ".join(word.text for word in words) == transcript.text
    for moment in timeline.moments:
        for word in moment.words:
            assert moment.start_s <= word.start_s < word.end_s <= moment.end_s


@pytest.mark.parametrize("sound", [True, False], ids=["a tone", "no audio"])
def test_a_recording_without_speech_is_cut_into_equal_parts(sound, film, tmp_path, predictor):
    path = film(tmp_path / "a.mp4", 24.0, sound=False)
    if sound:
        quiet = film(tmp_path / "b.mp4", 24.0)
        path = join_films([quiet], tmp_path / "c.mp4", "-af", "volume=0")
    timeline = predict_timeline(path, predictor, ENERGY)
    assert len(timeline.moments) == 3
    assert "it was cut into 3 parts of 8.0 s, not into utterances" in timeline.remarks[0]
    assert all(moment.prediction for moment in timeline.moments)


def test_a_file_that_is_no_recording_is_refused(tmp_path, predictor) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no film")
    with pytest.raises(PredictError, match=r"a\.mp4: .*neither video nor sound"):
        predict_timeline(path, predictor, ENERGY)


def test_a_model_of_the_conversation_setting_reads_the_utterances_before(monkeypatch) -> None:
    """It reads them after a stop too, and a failed one is no context."""
    task = Task("regression")
    heard: list[list[str]] = []

    def predict_embedded(embedded: EmbeddedClip, without: Any, before: Any) -> Any:
        heard.append([clip.text for clip in before])
        if embedded.embeddings is None:
            return Failure("c", "f", embedded.reason, cached=False)
        return Prediction("c", task, {name: [0.0] for name in SUB_TASKS})

    def embed(clips: list[Clip], *_: Any) -> Any:
        rows = np.zeros((2, 4), np.float16)
        for clip in clips:
            embeddings = None if clip.text == "3" else Embeddings(rows, rows)
            yield EmbeddedClip(clip, embeddings, "damaged")

    monkeypatch.setattr(predict, "embed_clips", embed)
    monkeypatch.setattr(predict, "stream_notes", lambda _: ())
    monkeypatch.setattr(predict, "absent_modalities", lambda *_: ())
    model = SimpleNamespace(clips_before=2, modalities=("text", "audio", "vision"))
    streams = SimpleNamespace(sampling=None)
    info = SimpleNamespace(model=model, streams=streams, task=task, dataset="d")
    stub = SimpleNamespace(
        trained=SimpleNamespace(info=info),
        predict_embedded=predict_embedded,
        encoders=(),
        run="r",
        trust=None,
    )
    utterances = [Utterance(float(n), n + 0.5, str(n)) for n in range(6)]
    recording = Recording(6.0, tuple(utterances))
    stub_predictor = cast(Predictor, stub)
    whole = predict_timeline("f.mp4", stub_predictor, started=StartedTimeline(recording))
    assert heard == [[], ["0"], ["0", "1"], ["1", "2"], ["1", "2"], ["2", "4"]]
    assert whole.moments[3].prediction is None and whole.moments[3].remarks == ("damaged",)
    assert "each utterance is predicted after the 2 before it" in whole.remarks

    heard.clear()
    started = StartedTimeline(recording, whole.moments[:5])
    predict_timeline("f.mp4", stub_predictor, started=started)
    assert heard == [["2", "4"]]
