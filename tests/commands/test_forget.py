"""`forget` leaves no byte of a clip in the cache, whatever shares it and whenever it is killed."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from support.program import semanticmac

from semanticmac.cache.embedding_store import EmbeddingReader
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.removal import journal, unfinished
from semanticmac.cache.removal_plan import RemovalError, plan_removal

CLIPS = 6
NEVER = 1_000_000
SECRET = "a sentence that only clip three says"


def write_table(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def own(number: int, picture: bool) -> tuple[str, ...]:
    """Options of ffmpeg that give a film colours and a loudness of its own."""
    loudness = ("-af", f"volume={0.1 + 0.1 * number}")
    return (*loudness, "-vf", f"hue=h={40 * number}") if picture else loudness


@pytest.fixture(scope="module")
def corpora(tmp_path_factory, film) -> Path:
    """first/ with six clips and two segments of a long file; second/ shares one file with it."""
    root = tmp_path_factory.mktemp("corpora")
    (root / "first").mkdir()
    (root / "second").mkdir()
    rows = []
    for number in range(CLIPS):
        name = f"film{number}.{'mp4' if number % 2 else 'wav'}"
        picture = name.endswith("mp4")
        film(root / "first" / name, 0.8 + 0.3 * number, picture=picture, extra=own(number, picture))
        text = SECRET if number == 3 else f"line {number}"
        rows.append({"clip_id": f"clip-{number}", "file": name, "text": text, "label": number % 3})
    for row in rows:
        row.update({"start_s": 0, "end_s": ""})
    film(root / "first" / "long.mp4", 4.0, extra=own(7, True))
    for number in range(2):
        segment = {"start_s": 2 * number, "end_s": 2 * number + 2}
        rows.append({**rows[0], "clip_id": f"long-{number}", "file": "long.mp4", **segment})
    write_table(root / "first" / "clips.csv", rows)

    shutil.copyfile(root / "first/film3.mp4", root / "second/other.mp4")
    film(root / "second/more.mp4", 1.4, extra=own(8, True))
    names = (("copy", "other.mp4"), ("more", "more.mp4"))
    rows = [{"clip_id": name, "file": file, "text": "t", "label": 1} for name, file in names]
    write_table(root / "second" / "clips.csv", rows)
    return root


@pytest.fixture(scope="module")
def built(corpora, tmp_path_factory) -> Path:
    """A folder whose data/cache holds both corpora, the first one in two streams a modality."""
    root = tmp_path_factory.mktemp("built")
    for name in ("first", "second"):
        words = ["cache", "folder", "--root", corpora / name, "--name", name, "--workers", 1]
        semanticmac(root, *words, "--encoder", "imagebind-tiny", "--device", "cpu")
    semanticmac(
        root, "cache", "folder", "--root", corpora / "first", "--name", "first",
        "--audio", "logmel-stats", "--workers", 1,
    )  # fmt: skip
    return root


@pytest.fixture
def folder(built, tmp_path) -> Path:
    shutil.copytree(built / "data", tmp_path / "data")
    return tmp_path


def layout_of(folder: Path) -> CacheLayout:
    return CacheLayout(folder / "data/cache")


def row_of(folder: Path, dataset: str, clip_id: str):
    manifest = Manifest.read(layout_of(folder).manifest(dataset))
    return next(row for row in manifest.rows if row.clip_id == clip_id)


def traces(folder: Path, dataset: str, clip_id: str) -> dict[str, bytes]:
    """What must not be found in any file afterwards: parts of frames, embeddings, names, text."""
    row = row_of(folder, dataset, clip_id)
    found = {"key": row.key.encode(), "text": row.text.encode(), "id": row.clip_id.encode()}
    with FrameStore(layout_of(folder).frames) as store:
        record = store.record(row.key)
    for part in range(1, 10):
        start = len(record) * part // 10
        found[f"record {part}"] = record[start : start + 48]
    for path in layout_of(folder).root.glob("embeddings/*"):
        reader = EmbeddingReader(path)
        rows = reader.get(row.key) if row.key in reader else None
        if rows is not None:
            found[path.name] = rows.tobytes()[:64]
    assert all(len(trace) >= 4 for trace in found.values())
    return found


def found_traces(folder: Path, traces: dict[str, bytes]) -> list[str]:
    found = []
    for path in (folder / "data/cache").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found += [f"{name} in {path.name}" for name, trace in traces.items() if trace in data]
    return found


def kept_clips(folder: Path, *without: str) -> dict[str, bytes]:
    """Every other clip: its record and embeddings."""
    clips = {}
    layout = layout_of(folder)
    with FrameStore(layout.frames) as store:
        for dataset in layout.datasets():
            for row in Manifest.read(layout.manifest(dataset)).rows:
                if row.clip_id in without:
                    continue
                clips[f"{dataset} {row.clip_id}"] = store.record(row.key)
                for path in layout.root.glob("embeddings/*"):
                    reader = EmbeddingReader(path)
                    if row.key in reader:
                        rows = reader.get(row.key)
                        data = b"" if rows is None else rows.tobytes()
                        clips[f"{dataset} {row.clip_id} {path.name}"] = data
    return clips


def test_no_byte_of_a_clip_is_left_and_all_others_stay(folder):
    marks = traces(folder, "first", "clip-3")
    before = kept_clips(folder, "clip-3", "copy")
    assert len(found_traces(folder, marks)) >= len(marks)
    answer = semanticmac(folder, "forget", "clip-3", "--yes")
    assert found_traces(folder, marks) == []
    assert kept_clips(folder) == before
    for dataset in ("first", "second"):
        assert f"{dataset} is whole" in semanticmac(folder, "verify", dataset).stdout
    assert unfinished(layout_of(folder)) is None
    # The other dataset shares the file, and the program says so.
    assert "second holds the same recording" in answer.stdout and "copy" in answer.stdout
    assert "the original video" in answer.stdout


def test_the_faces_of_a_clip_go_too(folder):
    row, other = row_of(folder, "first", "clip-3"), row_of(folder, "first", "clip-1")
    faces = layout_of(folder).root / "faces" / "drawn-1"
    with FrameStore(faces, writable=True) as store:
        store.put_many([(row.key, b"a face of clip three" * 9), (other.key, b"another face" * 9)])
    answer = semanticmac(folder, "forget", "clip-3", "--yes").stdout
    assert "the faces of 1 clip" in answer
    with FrameStore(faces) as store:
        assert list(store.keys()) == [other.key]
    assert b"face of clip three" not in (faces / "data.mdb").read_bytes()


def test_a_video_takes_all_its_clips_with_it(folder):
    marks = traces(folder, "first", "long-0") | traces(folder, "first", "long-1")
    answer = semanticmac(folder, "forget", "/somewhere/first/long.mp4", "--yes").stdout
    assert "first: 2 clips (long-0, long-1)" in answer
    marks = {name: mark for name, mark in marks.items() if name != "text"}
    assert found_traces(folder, marks) == []
    assert b"long.mp4" not in (folder / "data/cache/digests.json").read_bytes()
    assert "first is whole" in semanticmac(folder, "verify", "first").stdout


def test_a_clip_says_which_others_are_cut_from_its_video(folder):
    answer = semanticmac(folder, "forget", "long-0", "--yes").stdout
    assert "1 other clip is cut from the same video" in answer and "long.mp4" in answer
    assert row_of(folder, "first", "long-1")
    assert b"long.mp4" in (folder / "data/cache/digests.json").read_bytes()


def test_a_dry_run_and_a_no_change_nothing(folder):
    before = kept_clips(folder)
    assert "first: 1 clip (clip-1)" in semanticmac(folder, "forget", "clip-1", "--dry-run").stdout
    assert kept_clips(folder) == before and row_of(folder, "first", "clip-1")


def test_without_a_terminal_the_answer_is_asked_for_as_an_option(folder, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    answer = semanticmac(folder, "forget", "clip-1", expect=2)
    assert "nothing was removed: give --yes" in answer.stderr
    assert row_of(folder, "first", "clip-1")


def test_a_dry_run_does_not_finish_a_stopped_removal(folder):
    layout = layout_of(folder)
    journal(layout).write_text(json.dumps(asdict(plan_removal(layout, "clip-1"))))
    before = kept_clips(folder)
    printed = semanticmac(folder, "forget", "clip-2", "--dry-run")
    assert "a removal of clip-1 was stopped: it would be finished first" in printed.stderr
    assert kept_clips(folder) == before and unfinished(layout) is not None


def test_a_dataset_without_clips_is_removed(folder):
    semanticmac(folder, "forget", "copy", "--dataset", "second", "--yes")
    answer = semanticmac(folder, "forget", "more", "--yes").stdout
    assert "second had no other clip and was removed altogether" in answer
    assert layout_of(folder).datasets() == ["first"]
    assert "first is whole" in semanticmac(folder, "verify", "first").stdout


def test_what_is_unknown_or_ambiguous_is_refused(folder):
    layout = layout_of(folder)
    with pytest.raises(RemovalError, match=r"no clip and no video 'clip-9'.*cached there"):
        plan_removal(layout, "clip-9")
    with pytest.raises(RemovalError, match="holds no dataset 'third'"):
        plan_removal(layout, "clip-1", "third")
    manifest = Manifest.read(layout.manifest("second"))
    rows = (replace(manifest.rows[0], clip_id="clip-1"), *manifest.rows[1:])
    replace(manifest, rows=rows).write(layout.manifest("second"))
    with pytest.raises(RemovalError, match=r"another clip in each of .*give --dataset"):
        plan_removal(layout, "clip-1")
    assert set(plan_removal(layout, "clip-1", "first").rows) == {"first"}
    error = semanticmac(folder, "forget", expect=2)
    assert "expected a clip_id or the path of a video" in error.stderr


def test_runs_that_name_the_clip_are_listed(folder):
    words = ("d_model=8", "heads=2", "perceiver_layers=1", "sgfi_layers=1", "epochs=1")
    settings = [part for word in words for part in ("--set", word)]
    modalities = 'modalities=["audio", "vision"]'
    train = ["train", "--dataset", "first", "--run", "runs/one", "--set", modalities, *settings]
    semanticmac(folder, *train)
    answer = semanticmac(folder, "forget", "clip-3", "--yes").stdout
    assert "runs/one: a model that was trained on this dataset" in answer


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[..., tuple[int, int | None]]]:
    """run(folder, step, words): exit status, and the number of steps if it was not killed."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[1] / "kill_at.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert server.stdin and server.stdout

    def once(folder: Path, step: int, *words: str) -> tuple[int, int | None]:
        server.stdin.write(json.dumps([step, str(folder), *words]) + "\n")
        server.stdin.flush()
        status, steps = json.loads(server.stdout.readline())
        return status, steps

    yield once
    server.stdin.close()
    server.stdout.close()
    server.wait()


def test_a_killed_removal_is_finished_by_the_next(run, built, tmp_path):
    shutil.copytree(built / "data", tmp_path / "whole/data")
    marks = traces(built, "first", "clip-3")
    expected = kept_clips(built, "clip-3", "copy")
    status, steps = run(tmp_path / "whole", NEVER, "forget", "clip-3", "--yes")
    assert status == 0 and steps and steps > 20
    moments = 30 if os.environ.get("SEMANTICMAC_ALL_MOMENTS") else 6
    killed = 0
    for moment in range(moments):
        folder = tmp_path / str(moment)
        shutil.copytree(built / "data", folder / "data")
        step = 2 + (steps - 2) * moment // moments
        assert run(folder, step, "forget", "clip-3", "--yes")[0] == -signal.SIGKILL
        if unfinished(layout_of(folder)) is None:
            # It was killed before anything was changed, or when all was done.
            again = ("forget", "clip-3", "--yes") if found_traces(folder, marks) else None
        else:
            killed += 1
            damage = semanticmac(folder, "verify", "first", expect=1).stdout
            assert "a removal was stopped before its end" in damage
            again = ("forget",)
        if again is not None:
            assert run(folder, NEVER, *again)[0] == 0
        assert found_traces(folder, marks) == [], step
        assert kept_clips(folder) == expected
        assert "first is whole" in semanticmac(folder, "verify", "first").stdout
    assert killed >= moments // 2
