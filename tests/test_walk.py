"""The command line on real files: cache, train, eval and predict from raw clips, and its errors."""

import csv
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
from support.program import semanticmac

from semanticmac.cache.shard_format import read_index

SMALL = ["d_model=16", "heads=2", "perceiver_layers=1", "sgfi_layers=1", "epochs=1", "batch_size=8"]
NO_TEXT = [*SMALL, 'modalities=["audio", "vision"]']


def settings(words: list[str]) -> list[str]:
    return [part for word in words for part in ("--set", word)]


def failures(folder: Path, name: str = "folder") -> dict[str, dict]:
    lines = (folder / f"data/cache/datasets/{name}/failures.jsonl").read_text().splitlines()
    return {line["clip_id"]: line for line in map(json.loads, lines)}


def contents(folder: Path) -> dict[str, bytes]:
    files = [*folder.rglob("*.arrow"), *folder.rglob("*.json"), *folder.rglob("*.parquet")]
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in files
        if file.name != "digests.json"
    }


@pytest.fixture(scope="module")
def clips(tmp_path_factory, film) -> Path:
    """Twelve labelled clips of 1 to 2 s in three splits; one has no audio and one no frames."""
    root = tmp_path_factory.mktemp("clips")
    rows = []
    for i in range(12):
        name = f"clip{i:02d}.mp4"
        film(root / name, 1.0 + 0.1 * i, picture=i != 4, sound=i != 5)
        split = "train" if i < 6 else "valid" if i < 9 else "test"
        rows.append(
            {
                "clip_id": f"{i:02d}",
                "file": name,
                "text": f"line {i}",
                "label": (i % 7) - 3,
                "split": split,
            }
        )
    with (root / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture(scope="module")
def walked(clips, tmp_path_factory) -> Path:
    """A folder in which the clips are cached and a small model is trained on them."""
    folder = tmp_path_factory.mktemp("walk")
    semanticmac(folder, "cache", "folder", "--root", clips, "--encoder", "imagebind-tiny")
    semanticmac(folder, "train", "--from-cache", *settings(NO_TEXT))
    return folder


def test_an_absent_modality_is_marked_and_named(walked):
    from semanticmac.cache.manifest import Manifest

    rows = {
        row.clip_id: row
        for row in Manifest.read(walked / "data/cache/datasets/folder/manifest.parquet").rows
    }
    assert len(rows) == 12
    assert (rows["04"].has_vision, rows["04"].has_audio) == (False, True)
    assert (rows["05"].has_vision, rows["05"].has_audio) == (True, False)
    assert {name: line["cached"] for name, line in failures(walked).items()} == {
        "04": True,
        "05": True,
    }


def test_a_second_run_does_nothing_and_says_so(clips, walked):
    before = contents(walked / "data")
    done = semanticmac(walked, "cache", "folder", "--root", clips, "--encoder", "imagebind-tiny")
    assert "nothing to do" in done.stdout
    assert contents(walked / "data") == before


def test_a_changed_label_rewrites_the_manifest_alone(clips, walked, tmp_path):
    shutil.copytree(clips, tmp_path / "clips")
    shutil.copytree(walked / "data", tmp_path / "data")
    table = tmp_path / "clips/clips.csv"
    table.write_text(table.read_text().replace("line 3,0,train", "line 3,2.5,train"))
    before = contents(tmp_path / "data")
    done = semanticmac(
        tmp_path, "cache", "folder", "--root", tmp_path / "clips", "--encoder", "imagebind-tiny"
    )
    assert "(0 decoded, 0 encoded now)" in done.stdout
    after = contents(tmp_path / "data")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"cache/datasets/folder/manifest.parquet"}


def test_a_changed_video_is_encoded_again_alone(clips, walked, tmp_path, film):
    shutil.copytree(clips, tmp_path / "clips")
    shutil.copytree(walked / "data", tmp_path / "data")
    film(tmp_path / "clips/clip02.mp4", 2.35)
    done = semanticmac(
        tmp_path, "cache", "folder", "--root", tmp_path / "clips", "--encoder", "imagebind-tiny"
    )
    assert "(1 decoded, 1 encoded now)" in done.stdout


def test_training_and_scoring_need_no_video(clips, walked, tmp_path):
    shutil.copytree(clips, tmp_path / "clips")
    runs = []
    for name in ("with", "without"):
        if name == "without":
            shutil.rmtree(tmp_path / "clips")
        else:
            semanticmac(
                tmp_path,
                "cache",
                "folder",
                "--root",
                tmp_path / "clips",
                "--encoder",
                "imagebind-tiny",
            )
        semanticmac(tmp_path, "train", "--from-cache", "--run", tmp_path / name, *settings(NO_TEXT))
        semanticmac(tmp_path, "eval", "--split", "test", "--run", tmp_path / name)
        runs.append(json.loads((tmp_path / name / "eval-test.json").read_text()))
    assert {**runs[0], "run": ""} == {**runs[1], "run": ""}


def test_eval_takes_the_run_trained_last_and_prints_json(walked):
    done = semanticmac(walked, "eval", "--split", "test", "--json")
    scores = json.loads(done.stdout)
    assert scores == json.loads((walked / "runs/folder-001/eval-test.json").read_text())
    assert scores["runs"][0]["scored"] == 3
    table = semanticmac(walked, "eval", "--split", "test").stdout
    assert "folder-001" in table
    assert "median" in table
    assert "knows drawn faces and synthetic voices only" in " ".join(table.split())


def test_predict_sees_what_the_cache_saw(clips, walked):
    """A raw video gives the prediction that its cached embeddings give."""
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.eval.evaluate import evaluate
    from semanticmac.run.device import pick_device
    from semanticmac.run.weights import load_run

    cpu = pick_device("cpu")
    cached = evaluate(
        load_run(walked / "runs/folder-001", cpu), CacheLayout(walked / "data/cache"), "test", cpu
    )
    done = semanticmac(walked, "predict", clips / "clip09.mp4", clips / "clip10.mp4", "--json")
    for row, expected in zip(
        json.loads(done.stdout)["predictions"], cached.predictions.multimodal, strict=False
    ):
        assert row["scores"]["multimodal"] == pytest.approx(list(expected), abs=2e-3)
        assert row["scores"]["text"] is None


def test_predict_names_what_it_cannot_read_and_answers_the_rest(clips, walked, tmp_path):
    (tmp_path / "broken.mp4").write_text("not a video")
    done = semanticmac(
        walked, "predict", tmp_path / "broken.mp4", clips / "clip04.mp4", "--json", expect=3
    )
    answer = json.loads(done.stdout)
    assert [row["clip"] for row in answer["predictions"]] == ["clip04"]
    assert answer["predictions"][0]["scores"]["vision"] is None  # it has no picture
    assert [row["clip"] for row in answer["failures"]] == ["broken"]


def test_inspect_and_verify_a_whole_cache(walked):
    answer = semanticmac(walked, "inspect")
    shown = answer.stdout
    assert "folder: 12 clips" in shown
    assert "drawn faces and synthetic voices only" in " ".join(answer.stderr.split())
    assert "is whole: 12 clips" in semanticmac(walked, "verify").stdout


def test_damage_is_found_named_and_repaired_alone(clips, walked, tmp_path):
    shutil.copytree(walked / "data", tmp_path / "data")
    [folder] = (tmp_path / "data/cache/embeddings").glob("vision-*")
    [shard] = read_index(folder).shards
    before = contents(tmp_path / "data")
    broken = bytearray((folder / shard.file).read_bytes())
    broken[len(broken) // 2] ^= 1
    (folder / shard.file).write_bytes(broken)
    assert f"{shard.file}: its SHA-256" in semanticmac(tmp_path, "verify", expect=1).stdout
    semanticmac(
        tmp_path, "cache", "folder", "--root", clips, "--encoder", "imagebind-tiny", "--repair"
    )
    assert contents(tmp_path / "data") == before
    semanticmac(tmp_path, "verify")


def test_what_verify_and_train_advise_makes_a_cache_with_a_name_whole_again(clips, tmp_path):
    semanticmac(
        tmp_path,
        "cache",
        "folder",
        "--root",
        clips,
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
    again = advised(semanticmac(tmp_path, "verify", "mine", expect=1).stdout, clips)
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
        *advised(semanticmac(tmp_path, "train", "--dataset", "mine", expect=2).stderr, clips),
    )
    assert "mine is whole" in semanticmac(tmp_path, "verify", "mine").stdout


def advised(text: str, root: Path) -> list[str]:
    """The words of `semanticmac cache …` in a message, with the folder in the place of DIR."""
    [command] = re.findall(r"`semanticmac (cache [^`]*)`", text)
    return [str(root) if word == "DIR" else word for word in shlex.split(command)]


def test_a_dataset_without_labels_says_where_they_go_and_which_have_some(clips, walked, tmp_path):
    shutil.copytree(walked / "data", tmp_path / "data")
    shutil.copytree(clips, tmp_path / "bare", ignore=shutil.ignore_patterns("clips.csv"))
    semanticmac(
        tmp_path,
        "cache",
        "folder",
        "--root",
        "bare",
        "--encoder",
        "imagebind-tiny",
        "--name",
        "bare",
    )
    said = semanticmac(tmp_path, "train", "--from-cache", expect=2).stderr
    assert (
        "bare has no labels" in said and "clips.csv" in said and "docs/datasets/folder.md" in said
    )
    assert "`semanticmac cache folder --root DIR --name bare --encoder imagebind-tiny`" in said
    assert "or train on one that has labels: --dataset folder." in said


def test_rows_of_an_ablation_may_have_blanks_between_them(walked):
    said = semanticmac(walked, "ablate", "--rows", "full, momentum, none such", expect=2).stderr
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


def test_a_killed_run_continues_to_the_same_cache(clips, walked, tmp_path):
    """SIGKILL at several steps of the run: finished work is kept and the results are the same."""
    command = [
        sys.executable,
        "-m",
        "semanticmac.cli",
        "cache",
        "folder",
        "--root",
        clips,
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
    semanticmac(tmp_path, "cache", "folder", "--root", clips, "--encoder", "imagebind-tiny")
    assert contents(tmp_path / "data") == contents(walked / "data")


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


def test_a_full_disk_is_named_and_the_run_goes_on_after_it(clips, walked, small_disk):
    disk, grow = small_disk
    words = ("cache", "folder", "--root", clips, "--encoder", "imagebind-tiny")
    done = semanticmac(disk, *words, expect=2)
    assert (
        "is full. What is done is kept. Make space; run the same command again to go on."
        in done.stderr
    )
    grow()
    semanticmac(disk, *words)
    assert contents(disk / "data") == contents(walked / "data")


def test_ctrl_c_stops_at_once_and_says_how_to_go_on(clips, tmp_path):
    command = [sys.executable, "-m", "semanticmac.cli", "cache", "folder", "--root", str(clips)]
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


def test_a_second_builder_is_refused(clips, tmp_path):
    from semanticmac.cache.layout import CacheLayout

    with CacheLayout(tmp_path / "data/cache").build_lock():
        done = semanticmac(
            tmp_path, "cache", "folder", "--root", clips, "--encoder", "imagebind-tiny", expect=2
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


def test_a_gpu_that_is_not_there_is_named(clips, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    words = ("cache", "folder", "--root", clips, "--encoder", "imagebind-tiny", "--device", "cuda")
    assert "device 'cuda': torch sees no GPU here" in semanticmac(tmp_path, *words, expect=2).stderr


@pytest.mark.parametrize(
    "words", [("cache", "folder", "--root", "CLIPS"), ("predict", "CLIPS/clip01.mp4")]
)
def test_an_ffmpeg_that_does_not_run_is_told_before_anything_is_written(
    clips, walked, tmp_path, monkeypatch, words
):
    monkeypatch.setenv("SEMANTICMAC_FFMPEG", "./nowhere")
    done = semanticmac(tmp_path, *(word.replace("CLIPS", str(clips)) for word in words), expect=2)
    assert f"there is no ffmpeg at {tmp_path}/nowhere: set SEMANTICMAC_FFMPEG" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_used_up_quota_is_told_like_a_full_disk(clips, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded", "data/cache/frames")

    monkeypatch.setattr("semanticmac.cache.frame_store.FrameStore.put_many", full)
    done = semanticmac(
        tmp_path, "cache", "folder", "--root", clips, "--encoder", "imagebind-tiny", expect=2
    )
    assert (
        "the disk that holds data/cache/frames refuses more data: your quota is used up."
        in done.stderr
    )
    assert "Make space; run the same command again to go on." in done.stderr


def test_an_unknown_setting_names_the_nearest(walked):
    done = semanticmac(walked, "train", "--from-cache", "--set", "epoch=3", expect=2)
    assert "there is no setting 'epoch'; did you mean epochs" in done.stderr


def test_debug_shows_where(tmp_path):
    assert "Traceback" in semanticmac(tmp_path, "eval", "--debug", expect=2).stderr


def test_real_clips_of_a_strange_container(shared_data, tmp_path):
    done = semanticmac(
        tmp_path, "cache", "folder", "--root", shared_data / "grid", "--encoder", "imagebind-tiny"
    )
    assert "6 of 6 clips are cached" in done.stdout
    assert failures(tmp_path) == {}
    shown = semanticmac(tmp_path, "inspect").stdout.split("\n")
    [row] = [line.split() for line in shown if line.strip().startswith("no split")]
    assert row == ["no", "split", "6", "0", "6", "6", "6", "6", "3.0–3.0"]


def test_real_speech_without_pictures_trains(shared_data, tmp_path):
    semanticmac(
        tmp_path,
        "cache",
        "folder",
        "--root",
        shared_data / "ravdess",
        "--encoder",
        "imagebind-tiny",
    )
    trained = semanticmac(
        tmp_path, "train", "--from-cache", *settings([*SMALL, 'modalities=["audio", "vision"]'])
    )
    assert "no train clip has vision" in trained.stderr
    assert "majority" in semanticmac(tmp_path, "eval").stdout
    done = semanticmac(tmp_path, "predict", shared_data / "grid", "--json")
    assert len(json.loads(done.stdout)["predictions"]) == 6
