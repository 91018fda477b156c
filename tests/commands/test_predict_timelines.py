"""predict writes time lines, goes on after a stop, and does nothing twice."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from support.program import semanticmac

from semanticmac.eval.timeline import Timeline
from semanticmac.inference import Predictor


@pytest.fixture
def folder(tmp_path: Path, small_run: tuple[Path, Path], talk: Path) -> Path:
    (tmp_path / "runs").symlink_to(small_run[0])
    shutil.copy(talk, tmp_path / "talk.mp4")
    return tmp_path


WORDS = ("predict", "talk.mp4", "--timeline", "--activity", "energy", "--out", "all.csv")


def test_a_stopped_time_line_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predicted: list[str] = []
    original = Predictor.predict_embedded

    def stops_at_third(self, embedded, *words):
        if len(predicted) == 2:
            raise KeyboardInterrupt
        predicted.append(embedded.clip.clip_id)
        return original(self, embedded, *words)

    monkeypatch.setattr(Predictor, "predict_embedded", stops_at_third)
    stopped = semanticmac(folder, *WORDS, expect=130)
    assert "What is done is kept: run the same command again to go on" in stopped.stderr
    assert (folder / "timelines" / ".talk.unfinished").exists()
    assert len((folder / "all.csv").read_text().splitlines()) == 3

    monkeypatch.setattr(Predictor, "predict_embedded", original)
    answer = semanticmac(folder, *WORDS)
    assert "2 utterances of talk.mp4 are done already" in answer.stderr
    assert sorted(path.name for path in (folder / "timelines").iterdir()) == [
        "talk.csv",
        "talk.html",
        "talk.json",
    ]
    timeline = Timeline.from_json((folder / "timelines/talk.json").read_text())
    with (folder / "all.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["clip"] for row in rows] == [
        f"talk#{number + 1:04d}" for number in range(len(timeline.moments))
    ]
    assert timeline.moments[0].prediction is not None
    assert float(rows[0]["score"]) == timeline.moments[0].prediction.score[0]
    table = (folder / "timelines/talk.csv").read_text().splitlines()
    assert len(table) == 1 + len(rows) and table[0].startswith("start_s,end_s,speaker,text")

    monkeypatch.setattr(Predictor, "predict_embedded", stops_at_third)
    again = semanticmac(folder, *WORDS, "--json")
    assert "1 time lines are in timelines already" in again.stderr
    [entry] = json.loads(again.stdout)["timelines"]
    assert entry["page"] == "timelines/talk.html" and entry["utterances"] == len(rows)
    # Another option makes another time line.
    other = semanticmac(folder, *WORDS[:-2], "--without", "text", expect=130)
    assert "stopped" in other.stderr


def test_a_recording_that_cannot_be_read_is_a_failure(folder: Path) -> None:
    (folder / "broken.mp4").write_bytes(b"no film")
    answer = semanticmac(folder, "predict", "broken.mp4", "--timeline", expect=3)
    assert "neither video nor sound" in answer.stdout.replace("\n", " ")


def test_a_recording_that_cannot_be_read_has_a_row_of_its_own(folder: Path) -> None:
    (folder / "broken.mp4").write_bytes(b"no film")
    for _ in range(2):  # The second call tries it again and leaves one row.
        words = ("predict", "broken.mp4", "--timeline", "--out", "all.csv")
        semanticmac(folder, *words, expect=3)
        with (folder / "all.csv").open() as file:
            [row] = csv.DictReader(file)
        assert (row["clip"], row["file"], row["status"]) == ("broken", "broken.mp4", "failed")
        assert "neither video nor sound" in row["notes"]


def test_a_short_clip_stays_one_number(folder: Path) -> None:
    answer = semanticmac(folder, "predict", "talk.mp4")
    assert "multimodal" in answer.stdout and not (folder / "timelines").exists()


def test_recordings_of_one_name_keep_their_time_lines(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        shutil.copy(folder / "talk.mp4", folder / name)
    options = ("--timeline", "--activity", "energy", "--json")
    entries = []
    for video in ("a/talk.mp4", "b/talk.mp4", "a/talk.mp4", "b/talk.mp4"):
        report = json.loads(semanticmac(folder, "predict", video, *options).stdout)
        [entry] = report["timelines"]
        assert Timeline.from_json((folder / entry["json"]).read_text()).video == video
        entries.append(entry["json"])
    assert entries[0] == entries[2] == "timelines/talk.json"
    assert entries[1] == entries[3] != entries[0]
    assert any("timelines/talk.json is of a/talk.mp4" in note for note in report["notes"])


def test_an_unfinished_time_line_of_another_recording_is_kept(folder: Path) -> None:
    (folder / "timelines").mkdir()
    unfinished = folder / "timelines" / ".talk.unfinished"
    unfinished.write_text('\n{"key": "k", "video": "/elsewhere/talk.mp4", "recording": {}}')
    semanticmac(folder, "predict", "talk.mp4", "--timeline", "--activity", "energy")
    assert unfinished.exists() and not (folder / "timelines" / "talk.json").exists()
    assert list((folder / "timelines").glob("talk-*.json"))
