"""Long files get a time line, short ones do not, and the user can say otherwise."""

from __future__ import annotations

from pathlib import Path

from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.decoding.length import MediaLength
from semanticmac.timeline.plan import plan

LONG, SHORT = Path("a/long.mp4"), Path("a/short.mp4")
LENGTHS = {LONG: MediaLength(90.0, True), SHORT: MediaLength(60.0, True)}
WHOLE = [Clip("long", LONG, text="hello"), Clip("short", SHORT)]
CUT = [Clip("l#2", LONG, 30.0, 40.0, "two", speaker="Ann"), Clip("l#1", LONG, 1.0, 5.0, "one")]


def test_a_file_longer_than_a_minute_gets_a_time_line() -> None:
    planned = plan(WHOLE, None, LENGTHS)
    assert [clip.clip_id for clip in planned.clips] == ["short"]
    [job] = planned.jobs
    assert (job.video, job.name, job.text, job.recording) == (LONG, "long", "hello", None)


def test_the_user_decides() -> None:
    assert len(plan(WHOLE, True, LENGTHS).jobs) == 2
    assert plan(WHOLE, False, LENGTHS).jobs == ()
    # A file whose length is not known is predicted as it is, and its failure is reported there.
    assert plan(WHOLE, None, {}).jobs == ()


def test_segments_are_the_utterances_of_a_time_line_if_it_is_asked_for() -> None:
    assert plan(CUT, None, LENGTHS).jobs == ()
    [job] = plan(CUT, True, LENGTHS).jobs
    assert job.recording is not None and job.recording.duration_s == 90.0
    texts = [(each.start_s, each.text, each.speaker) for each in job.recording.utterances]
    assert texts == [(1.0, "one", ""), (30.0, "two", "Ann")]


def test_a_clip_with_a_problem_stays_a_clip() -> None:
    assert plan([Clip("a", LONG, problem="no")], True, LENGTHS).jobs == ()


def test_names_of_files_are_safe_and_unique() -> None:
    names = ["../../etc/passwd", "b/talk", "b-talk", "<script>", "…", "x" * 300, "長" * 300]
    clips = [Clip(name, Path(f"{number}.mp4")) for number, name in enumerate(names)]
    jobs = plan(clips, True, {}).jobs
    made = [job.name for job in jobs]
    assert made[:2] == ["etc-passwd", "b-talk"] and made[3] == "script"
    assert made[2].startswith("b-talk-") and len(set(made)) == len(names)
    for name in made:
        assert name and "/" not in name and not name.startswith(".") and len(name) <= 110
        assert len(name.encode()) <= 210
