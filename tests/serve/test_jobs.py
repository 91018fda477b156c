"""Jobs outlive a restart, and no name of a client is a path."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from semanticmac.serve.jobs import Job, JobStore, display_name, known_suffix
from semanticmac.serve.settings import MAX_ATTEMPTS, ServeError


def add(store: JobStore, name: str = "clip.mp4", created: float = 1.0) -> Job:
    job = Job(store.new_id(), name, known_suffix(name), "run", 4, created)
    upload = store.uploads / job.id
    upload.write_bytes(b"data")
    store.add(job, upload)
    return job


def test_a_job_that_was_running_waits_again(tmp_path):
    store = JobStore(tmp_path)
    with store.opened():
        first, second = add(store), add(store, created=2.0)
        store.start(first)
        store.fail(second, "no face")
    again = JobStore(tmp_path)
    with again.opened():
        assert again.get(first.id) == replace(first, attempts=1)
        assert again.waiting() == [again.get(first.id)]
        assert again.get(second.id).state == "failed" and again.get(second.id).reason == "no face"
        assert again.media(first).read_bytes() == b"data"


def test_an_upload_without_its_record_is_not_kept(tmp_path, monkeypatch):
    store = JobStore(tmp_path)

    def refuse(job: Job) -> Job:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "_write", refuse)
    with store.opened(), pytest.raises(OSError, match="No space left"):
        add(store)
    assert not list((tmp_path / "jobs").iterdir()) and not store.waiting()


def test_a_job_that_stops_the_server_each_time_is_given_up(tmp_path):
    with JobStore(tmp_path).opened():
        pass
    store = JobStore(tmp_path)
    with store.opened():
        job = add(store)
    for _ in range(MAX_ATTEMPTS):
        store = JobStore(tmp_path)
        with store.opened():
            store.start(store.get(job.id))
    store = JobStore(tmp_path)
    with store.opened():
        given_up = store.get(job.id)
        assert given_up.state == "failed" and "3 times in a row" in given_up.reason


def test_a_job_that_was_stopped_on_purpose_loses_no_attempt(tmp_path):
    store = JobStore(tmp_path)
    with store.opened():
        job = store.start(add(store))
        assert store.release(job).attempts == 0 and store.waiting()


def test_what_had_not_ended_is_removed_at_the_start(tmp_path):
    with JobStore(tmp_path).opened():
        pass
    (tmp_path / "uploads/half").write_bytes(b"half")
    unfinished = tmp_path / "jobs" / ("a" * 32)
    unfinished.mkdir()
    (unfinished / "media.mp4").write_bytes(b"never answered")
    with JobStore(tmp_path).opened():
        assert not list((tmp_path / "uploads").iterdir()) and not unfinished.exists()


def test_one_server_uses_a_folder(tmp_path):
    with JobStore(tmp_path).opened(), pytest.raises(ServeError, match="another server uses"):
        JobStore(tmp_path).opened().__enter__()


def test_old_jobs_are_deleted_and_waiting_ones_are_not(tmp_path):
    store = JobStore(tmp_path)
    with store.opened():
        old, new, waiting = add(store), add(store), add(store)
        store._write(replace(old, state="done", ended=10.0))
        store._write(replace(new, state="done", ended=30.0))
        assert [job.id for job in store.delete_ended_before(20.0)] == [old.id]
        assert store.get(old.id) is None and not (tmp_path / "jobs" / old.id).exists()
        assert store.get(new.id) and store.get(waiting.id)


def test_the_position_counts_earlier_and_running_jobs(tmp_path):
    store = JobStore(tmp_path)
    with store.opened():
        running, first, second = add(store), add(store, created=2.0), add(store, created=3.0)
        store.start(running)
        assert store.position(first) == 1 and store.position(second) == 2


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\clip.mp4", "clip.mp4"),
        ("a\0b\r\nc.mp4", "abc.mp4"),
        ("\u202egpj.exe", "gpj.exe"),
        ("", "recording"),
        ("/", "recording"),
        ("<img src=x>.mp4", "<img src=x>.mp4"),
        ("x" * 500, "x" * 120),
    ],
)
def test_a_name_is_only_shown(raw, shown):
    assert display_name(raw) == shown


def test_only_suffixes_of_media_files_are_kept():
    assert known_suffix("CLIP.MP4") == ".mp4"
    assert known_suffix("clip.m3u8") == known_suffix("clip.html") == known_suffix("clip") == ""
    assert Path("media" + known_suffix("x.mp4/../../y")).name == "media"
