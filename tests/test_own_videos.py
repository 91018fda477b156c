"""Every command of docs/own-videos.md is typed, in its order, with the recordings that it names.

Installation is left out, and Whisper's place is taken by a recogniser that ships with its model.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from support.grid_speech import GridRecogniser
from support.program import semanticmac
from support.talk import join_films

from semanticmac.commands import predict_timelines
from semanticmac.eval.timeline import Timeline
from semanticmac.preprocess.speech import recognition

PAGE = Path(__file__).parents[1] / "docs" / "own-videos.md"
SRT = "1\n00:00:00,300 --> 00:01:00,200\n{}\n"
RTTM = (
    "SPEAKER interview 1 0.0 30.0 <NA> <NA> Ann <NA> <NA>\n"
    "SPEAKER interview 1 30.0 60.0 <NA> <NA> Bob <NA> <NA>\n"
)


def commands() -> list[list[str]]:
    """The lines of all code blocks, as words."""
    lines: list[str] = []
    for block in re.findall(r"^```\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        lines += block.strip().splitlines()
    return [shlex.split(line) for line in lines]


class GridInsteadOfWhisper(GridRecogniser):
    def __init__(self, model: str, language: str | None, device: str) -> None:
        assert model == "small"
        super().__init__()


@pytest.fixture
def folder(tmp_path: Path, small_run: tuple[Path, Path], talk: Path) -> Path:
    """A folder with the recordings of the tutorial and a run of the demo."""
    shutil.copytree(small_run[0], tmp_path / "runs")
    join_films([talk] * 5, tmp_path / "interview.mp4", "-vf", "scale=128:-2", "-t", "62")
    (tmp_path / "interview.srt").write_text(SRT.format("one two three four " * 10))
    (tmp_path / "interview.rttm").write_text(RTTM)
    for name in ("interviews", "clips"):
        (tmp_path / name).mkdir()
        shutil.copy(talk, tmp_path / name / "talk.mp4")
    shutil.copy(sorted(small_run[1].rglob("*.mp4"))[0], tmp_path / "clips" / "short.mp4")
    return tmp_path


def test_every_command_of_the_tutorial(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "WhisperRecogniser", GridInsteadOfWhisper)
    monkeypatch.setattr(predict_timelines, "WhisperRecogniser", GridInsteadOfWhisper)
    typed = [words for words in commands() if words[:2] != ["pip", "install"]]
    assert len(typed) >= 8 and all(words[0] == "semanticmac" for words in typed)
    pages: list[str] = []
    for words in typed:
        extra: list[object] = ["--device", "cpu"]
        if words[1] == "cache":  # as small as the run's, so that nothing is downloaded
            extra = ["--encoder", "imagebind-tiny", "--workers", 1]
        semanticmac(folder, *words[1:], *extra)
        page = folder / "timelines" / "interview.html"
        if page.exists():
            pages.append(page.read_text())

    assert 'src="../interview.mp4"' in pages[0]
    assert "video/mp4" in pages[1] and 'src="../interview.mp4"' not in pages[1]
    with_words = [page for page in pages if "</span>Ann</span>" in page]
    assert with_words and "four" in with_words[0]
    talk = Timeline.from_json((folder / "timelines" / "talk.json").read_text())
    assert "the utterances are those of clips.csv" in talk.remarks
    assert (folder / "results.csv").read_text().count(",done,") == 2
    assert (folder / "data/cache").is_dir()
