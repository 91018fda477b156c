"""What is finished of a time line survives a kill, and belongs to its options alone."""

from __future__ import annotations

from pathlib import Path

from semanticmac.core import SUB_TASKS, Task
from semanticmac.eval.prediction import Prediction
from semanticmac.eval.timeline import Moment
from semanticmac.preprocess.speech.recording import Recording, Utterance
from semanticmac.preprocess.speech.words import Word
from semanticmac.timeline.unfinished import UnfinishedTimeline, video_of_unfinished

TASK = Task("regression")
VIDEO = Path("a/talk.mp4")
WORDS = (Word("hello", 0.0, 0.5),)
RECORDING = Recording(
    9.0, (Utterance(0.0, 2.0, "hello", "Ann", WORDS), Utterance(3.0, 4.0)), ("a note",)
)


def moment(value: float) -> Moment:
    prediction = Prediction("f#1", TASK, {name: [value] for name in SUB_TASKS}, ("a remark",))
    return Moment(0.0, 2.0, "hello", "Ann", (), prediction, b"jpeg", ("a remark",))


def test_a_stopped_time_line_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / ".talk.unfinished"
    unfinished = UnfinishedTimeline(path, VIDEO, "key", TASK)
    assert unfinished.started.recording is None
    unfinished.add_recording(RECORDING)
    unfinished.add_moment(0, moment(1.0))

    started = UnfinishedTimeline(path, VIDEO, "key", TASK).started
    assert started.recording == RECORDING and started.moments == (moment(1.0),)
    assert video_of_unfinished(path) == VIDEO.absolute()
    unfinished.remove()
    assert not path.exists() and video_of_unfinished(path) is None


def test_a_line_without_its_end_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    unfinished = UnfinishedTimeline(path, VIDEO, "key", TASK)
    unfinished.add_recording(RECORDING)
    unfinished.add_moment(0, moment(1.0))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    again = UnfinishedTimeline(path, VIDEO, "key", TASK)
    assert again.started.moments == ()
    again.add_moment(0, moment(2.0))
    assert UnfinishedTimeline(path, VIDEO, "key", TASK).started.moments == (moment(2.0),)


def test_other_options_start_anew(tmp_path: Path) -> None:
    path = tmp_path / "file"
    UnfinishedTimeline(path, VIDEO, "key", TASK).add_recording(RECORDING)
    other = UnfinishedTimeline(path, VIDEO, "other", TASK)
    assert other.started.recording is None
    other.add_recording(RECORDING)
    assert UnfinishedTimeline(path, VIDEO, "key", TASK).started.recording is None
