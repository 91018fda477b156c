"""The command predict: what it checks first, and what it says when it is stopped."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.program import semanticmac

from semanticmac import inference
from semanticmac.core import SUB_TASKS
from semanticmac.run.folder import RunInfo

RUN = Path(__file__).parents[1] / "data/version-0.1/runs/finished"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.touch()
    return path


@pytest.fixture(autouse=True)
def no_encoders(monkeypatch):
    opening = "semanticmac.preprocess.encoders.requests.open_encoders"
    monkeypatch.setattr(opening, lambda *_, **__: ())


def test_a_stopped_predict_does_not_claim_that_something_is_kept(video, monkeypatch):
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inference, "load", stopped)
    answer = semanticmac(video.parent, "predict", video, "--run", RUN, expect=130)
    assert "stopped. No prediction was written: run the same command again." in answer.stderr
    assert "kept" not in answer.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--without", "audio,visoin"), "--without visoin: expected text, audio, vision"),
        (("--without", "text", "--without", "audio, vision"), "nothing is left"),
        (("--without", "text,audio,vision"), "nothing is left"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "eval"])
def test_without_takes_commas_and_is_checked_before_anything_is_loaded(
    command, words, message, video, monkeypatch
):
    monkeypatch.setattr(inference, "load", None)
    monkeypatch.setattr("semanticmac.run.weights.load_run", None)
    target = [video] if command == "predict" else []
    answer = semanticmac(video.parent, command, *target, "--run", RUN, *words, expect=2)
    assert message in answer.stderr


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_remarks_on_a_clip_are_shown(words, video, monkeypatch):
    outputs = {name: [0.5] for name in SUB_TASKS}
    remark = "0.20 s of its frames are damaged"
    info = RunInfo.read(RUN)
    prediction = inference.Prediction("clip", info.task, outputs, (remark,))
    predictor = SimpleNamespace(
        trained=SimpleNamespace(info=info), predict_clips=lambda *_: iter([prediction])
    )
    monkeypatch.setattr(inference, "load", lambda *_, **__: predictor)
    answer = semanticmac(video.parent, "predict", video, "--run", RUN, *words)
    assert f"clip: {remark}" in " ".join(answer.stdout.split())
    if words:
        report = json.loads(answer.stdout)
        assert f"clip: {remark}" in report["notes"]
        assert report["predictions"][0]["notes"] == [remark]
