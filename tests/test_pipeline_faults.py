"""The command line with broken files, stopped runs, full disks and mistakes in a command."""

import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.labelled_clips import contents, failures
from support.program import semanticmac

from semanticmac.cache.shard_format import read_index


def test_damage_is_found_named_and_repaired_alone(labelled_clips, trained_folder, tmp_path):
    shutil.copytree(trained_folder / "data", tmp_path / "data")
    [folder] = (tmp_path / "data/cache/embeddings").glob("vision-*")
    [shard] = read_index(folder).shards
    before = contents(tmp_path / "data")
    broken = bytearray((folder / shard.file).read_bytes())
    broken[len(broken) // 2] ^= 1
    (folder / shard.file).write_bytes(broken)
    assert f"{shard.file}: its SHA-256" in semanticmac(tmp_path, "verify", expect=1).stdout
    semanticmac(
        tmp_path,
        "cache",
        "folder",
        "--root",
        labelled_clips,
        "--encoder",
        "imagebind-tiny",
        "--repair",
    )
    assert contents(tmp_path / "data") == before
    semanticmac(tmp_path, "verify")


def test_what_verify_and_train_advise_makes_a_cache_with_a_name_whole_again(
    labelled_clips, tmp_path
):
    semanticmac(
        tmp_path,
        "cache",
        "folder",
        "--root",
        labelled_clips,
        "--encoder",
        "imagebind-tiny",
        "--name",
        "mine",
    )
    [folder] = (tmp_path / "data/cache/embeddings").glob("vision-*")
    [shard] = read_index(folder).shards
    index = folder / "index.json"
    whole = index.read_bytes()
    (folder / shard.file).write_bytes((folder / shard.file).read_bytes()[:-1] + b"\0")
    again = advised(semanticmac(tmp_path, "verify", "mine", expect=1).stdout, labelled_clips)
    assert again[-1] == "--repair"
    semanticmac(tmp_path, *again)
    semanticmac(tmp_path, "verify", "mine")

    index.write_text(
        json.dumps(json.loads(whole) | {"shards": []})
    )  # of many clips the same is wrong
    broadcast = semanticmac(tmp_path, "verify", "mine", expect=1).stdout.splitlines()
    assert [line for line in broadcast if "missing" in line] == [
        "12 clips (00, 01, 02, 03, 04 …): the embeddings of vision imagebind-tiny are missing"
    ]
    semanticmac(
        tmp_path,
        *advised(
            semanticmac(tmp_path, "train", "--dataset", "mine", expect=2).stderr, labelled_clips
        ),
    )
    assert "mine is whole" in semanticmac(tmp_path, "verify", "mine").stdout


def advised(text: str, root: Path) -> list[str]:
    """The words of `semanticmac cache …` in a message, with the folder in the place of DIR."""
    [command] = re.findall(r"`semanticmac (cache [^`]*)`", text)
    return [str(root) if word == "DIR" else word for word in shlex.split(command)]


def test_rows_of_an_ablation_may_have_blanks_between_them(trained_folder):
    said = semanticmac(
        trained_folder, "ablate", "--rows", "full, momentum, none such", expect=2
    ).stderr
    assert "there is no ablation row 'none such'" in said


def test_ten_broken_files_cost_only_themselves(film, tmp_path):
    root = tmp_path / "raw"
    root.mkdir()
    good = [film(root / f"good{i}.mp4", 3.0, extra=("-movflags", "+faststart")) for i in range(2)]
    whole = good[0].read_bytes()
    (root / "empty.mp4").write_bytes(b"")
    (root / "text.mp4").write_text("This is no video.\n" * 50)
    (root / "header.mp4").write_bytes(whole[:300])
    (root / "middle.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    film(root / "silent.mp4", 1.0, sound=False)
    film(root / "blind.mp4", 1.0, picture=False)
    (root / "folder.mp4").mkdir()
    film(root / "short.mp4", 0.2)
    files = [
        "good0",
        "good1",
        "empty",
        "text",
        "header",
        "middle",
        "silent",
        "blind",
        "missing",
        "folder",
        "short",
    ]
    rows = [f"{name},{name}.mp4,," for name in files] + ["past,good1.mp4,60,62"]
    (root / "clips.csv").write_text("clip_id,file,start_s,end_s\n" + "\n".join(rows) + "\n")

    done = semanticmac(
        tmp_path, "cache", "folder", "--root", root, "--encoder", "imagebind-tiny", expect=3
    )
    assert "5 of 12 clips are cached" in done.stdout
    named = failures(tmp_path)
    cached = {name for name, line in named.items() if line["cached"]}
    assert cached == {"silent", "blind", "short"}
    assert set(named) - cached == {"empty", "text", "header", "middle", "missing", "folder", "past"}
    reasons = {name: line["reason"] for name, line in named.items()}
    assert len(set(reasons.values())) == len(reasons), (
        f"every reason tells its own story: {reasons}"
    )
    for name in named:
        assert name in done.stdout
    again = semanticmac(
        tmp_path, "cache", "folder", "--root", root, "--encoder", "imagebind-tiny", expect=3
    )
    assert "(0 decoded, 0 encoded now)" in again.stdout


def test_a_killed_run_continues_to_the_same_cache(labelled_clips, trained_folder, tmp_path):
    """SIGKILL at several steps of the run: finished work is kept and the results are the same."""
    command = [
        sys.executable,
        "-m",
        "semanticmac.cli",
        "cache",
        "folder",
        "--root",
        labelled_clips,
        "--encoder",
        "imagebind-tiny",
    ]
    for stage in ("decoding", "encoding"):
        victim = subprocess.Popen(
            [*map(str, command), "--workers", "1"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "SEMANTICMAC_PROGRESS_S": "0"},
        )
        for line in victim.stderr:
            if line.startswith(stage):
                break
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        victim.stderr.close()
        assert not (tmp_path / "data/cache/datasets/folder/manifest.parquet").exists()
    semanticmac(
        tmp_path, "cache", "folder", "--root", labelled_clips, "--encoder", "imagebind-tiny"
    )
    assert contents(tmp_path / "data") == contents(trained_folder / "data")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own; grows when told to.

    Mounting one takes rights that not everyone has.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    yield disk, lambda: subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_named_and_the_run_goes_on_after_it(
    labelled_clips, trained_folder, small_disk
):
    disk, grow = small_disk
    words = ("cache", "folder", "--root", labelled_clips, "--encoder", "imagebind-tiny")
    done = semanticmac(disk, *words, expect=2)
    assert (
        "is full. What is done is kept. Make space; run the same command again to go on."
        in done.stderr
    )
    grow()
    semanticmac(disk, *words)
    assert contents(disk / "data") == contents(trained_folder / "data")


def test_ctrl_c_stops_at_once_and_says_how_to_go_on(labelled_clips, tmp_path):
    command = [
        sys.executable,
        "-m",
        "semanticmac.cli",
        "cache",
        "folder",
        "--root",
        str(labelled_clips),
    ]
    running = subprocess.Popen(
        [*command, "--encoder", "imagebind-tiny"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SEMANTICMAC_PROGRESS_S": "0"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    shown = []
    for line in running.stderr:
        if line.startswith("decoding") and "stopping" not in shown:
            shown.append("stopping")
            running.send_signal(signal.SIGINT)
        shown.append(line)
    running.stderr.close()
    assert running.wait() == 130
    assert "run the same command again to go on" in "".join(shown)
    assert "Traceback" not in "".join(shown)


def test_a_second_builder_is_refused(labelled_clips, tmp_path):
    from semanticmac.cache.layout import CacheLayout

    with CacheLayout(tmp_path / "data/cache").build_lock():
        done = semanticmac(
            tmp_path,
            "cache",
            "folder",
            "--root",
            labelled_clips,
            "--encoder",
            "imagebind-tiny",
            expect=2,
        )
    assert "another `semanticmac cache` is building" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cache", "mosii"], "did you mean mosi"),
        (["cache", "mosi", "--root", "nowhere"], "nowhere is not a folder"),
        (["train", "--from-cache"], "Run `semanticmac cache DATASET --root DIR`"),
        (["eval"], "`semanticmac train --from-cache` makes one"),
        (["train", "--epochs", "2"], "give --set epochs=VALUE"),
        (["inspect", "mosi"], "does not hold the dataset 'mosi'"),
        (["inspect", "mosi"], "Run `semanticmac cache mosi --root DIR`"),
        (["train", "--dataset", "mosi"], "Run `semanticmac cache mosi --root DIR`"),
        (["cache", "mosi"], "`semanticmac datasets show mosi` says where to get it"),
        (["cache", "demo"], "`semanticmac demo` renders it"),
        (["datasets", "check", "mosi"], "data/mosi is not a folder"),
        (
            ["cache", "folder", "--root", ".", "--only", "sound"],
            "expected `frames` or `embeddings`",
        ),
        (["cache", "folder", "--root", ".", "--picture", "gif"], "expected `png` or `jpeg-"),
        (
            ["cache", "folder", "--root", ".", "--device", "foo"],
            "device 'foo': expected auto, cpu, cuda or cuda:N",
        ),
    ],
)
def test_a_mistake_is_one_clear_message(words, message, tmp_path):
    done = semanticmac(tmp_path, *words, expect=2)
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_gpu_that_is_not_there_is_named(labelled_clips, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    words = (
        "cache",
        "folder",
        "--root",
        labelled_clips,
        "--encoder",
        "imagebind-tiny",
        "--device",
        "cuda",
    )
    assert "device 'cuda': torch sees no GPU here" in semanticmac(tmp_path, *words, expect=2).stderr


@pytest.mark.parametrize(
    "words", [("cache", "folder", "--root", "CLIPS"), ("predict", "CLIPS/clip01.mp4")]
)
def test_an_ffmpeg_that_does_not_run_is_told_before_anything_is_written(
    labelled_clips, trained_folder, tmp_path, monkeypatch, words
):
    monkeypatch.setenv("SEMANTICMAC_FFMPEG", "./nowhere")
    done = semanticmac(
        tmp_path, *(word.replace("CLIPS", str(labelled_clips)) for word in words), expect=2
    )
    assert f"there is no ffmpeg at {tmp_path}/nowhere: set SEMANTICMAC_FFMPEG" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_used_up_quota_is_told_like_a_full_disk(labelled_clips, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded", "data/cache/frames")

    monkeypatch.setattr("semanticmac.cache.frame_store.FrameStore.put_many", full)
    done = semanticmac(
        tmp_path,
        "cache",
        "folder",
        "--root",
        labelled_clips,
        "--encoder",
        "imagebind-tiny",
        expect=2,
    )
    assert (
        "the disk that holds data/cache/frames refuses more data: your quota is used up."
        in done.stderr
    )
    assert "Make space; run the same command again to go on." in done.stderr


def test_an_unknown_setting_names_the_nearest(trained_folder):
    done = semanticmac(trained_folder, "train", "--from-cache", "--set", "epoch=3", expect=2)
    assert "there is no setting 'epoch'; did you mean epochs" in done.stderr


def test_debug_shows_where(tmp_path):
    assert "Traceback" in semanticmac(tmp_path, "eval", "--debug", expect=2).stderr
