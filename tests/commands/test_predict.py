"""The command predict: what it checks first, and what it says when it is stopped."""

from pathlib import Path

import pytest
from support.program import semanticmac

from semanticmac import inference

RUN = Path(__file__).parents[1] / "data/version-0.1/runs/finished"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.touch()
    return path


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
