"""The command line on real files: cache, train, eval and predict from raw clips."""

import json
import shutil

import pytest
from support.labelled_clips import NO_TEXT, SMALL, contents, failures, settings
from support.program import semanticmac


def test_an_absent_modality_is_marked_and_named(trained_folder):
    from semanticmac.cache.manifest import Manifest

    rows = {
        row.clip_id: row
        for row in Manifest.read(
            trained_folder / "data/cache/datasets/folder/manifest.parquet"
        ).rows
    }
    assert len(rows) == 12
    assert (rows["04"].has_vision, rows["04"].has_audio) == (False, True)
    assert (rows["05"].has_vision, rows["05"].has_audio) == (True, False)
    assert {name: line["cached"] for name, line in failures(trained_folder).items()} == {
        "04": True,
        "05": True,
    }


def test_a_second_run_does_nothing_and_says_so(labelled_clips, trained_folder):
    before = contents(trained_folder / "data")
    done = semanticmac(
        trained_folder, "cache", "folder", "--root", labelled_clips, "--encoder", "imagebind-tiny"
    )
    assert "nothing to do" in done.stdout
    assert contents(trained_folder / "data") == before


def test_a_changed_label_rewrites_the_manifest_alone(labelled_clips, trained_folder, tmp_path):
    shutil.copytree(labelled_clips, tmp_path / "clips")
    shutil.copytree(trained_folder / "data", tmp_path / "data")
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


def test_a_changed_video_is_encoded_again_alone(labelled_clips, trained_folder, tmp_path, film):
    shutil.copytree(labelled_clips, tmp_path / "clips")
    shutil.copytree(trained_folder / "data", tmp_path / "data")
    film(tmp_path / "clips/clip02.mp4", 2.35)
    done = semanticmac(
        tmp_path, "cache", "folder", "--root", tmp_path / "clips", "--encoder", "imagebind-tiny"
    )
    assert "(1 decoded, 1 encoded now)" in done.stdout


def test_training_and_scoring_need_no_video(labelled_clips, trained_folder, tmp_path):
    shutil.copytree(labelled_clips, tmp_path / "clips")
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


def test_eval_takes_the_run_trained_last_and_prints_json(trained_folder):
    done = semanticmac(trained_folder, "eval", "--split", "test", "--json")
    scores = json.loads(done.stdout)
    assert scores == json.loads((trained_folder / "runs/folder-001/eval-test.json").read_text())
    assert scores["runs"][0]["scored"] == 3
    table = semanticmac(trained_folder, "eval", "--split", "test").stdout
    assert "folder-001" in table
    assert "median" in table
    assert "knows drawn faces and synthetic voices only" in " ".join(table.split())


def test_predict_sees_what_the_cache_saw(labelled_clips, trained_folder):
    """A raw video gives the prediction that its cached embeddings give."""
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.eval.evaluate import evaluate
    from semanticmac.run.device import pick_device
    from semanticmac.run.weights import load_run

    cpu = pick_device("cpu")
    cached = evaluate(
        load_run(trained_folder / "runs/folder-001", cpu),
        CacheLayout(trained_folder / "data/cache"),
        "test",
        cpu,
    )
    done = semanticmac(
        trained_folder,
        "predict",
        labelled_clips / "clip09.mp4",
        labelled_clips / "clip10.mp4",
        "--json",
    )
    for row, expected in zip(
        json.loads(done.stdout)["predictions"], cached.predictions.multimodal, strict=False
    ):
        assert row["scores"]["multimodal"] == pytest.approx(list(expected), abs=2e-3)
        assert row["scores"]["text"] is None


def test_predict_names_what_it_cannot_read_and_answers_the_rest(
    labelled_clips, trained_folder, tmp_path
):
    (tmp_path / "broken.mp4").write_text("not a video")
    done = semanticmac(
        trained_folder,
        "predict",
        tmp_path / "broken.mp4",
        labelled_clips / "clip04.mp4",
        "--json",
        expect=3,
    )
    answer = json.loads(done.stdout)
    assert [row["clip"] for row in answer["predictions"]] == ["clip04"]
    assert answer["predictions"][0]["scores"]["vision"] is None  # it has no picture
    assert [row["clip"] for row in answer["failures"]] == ["broken"]


def test_inspect_and_verify_a_whole_cache(trained_folder):
    answer = semanticmac(trained_folder, "inspect")
    shown = answer.stdout
    assert "folder: 12 clips" in shown
    assert "drawn faces and synthetic voices only" in " ".join(answer.stderr.split())
    assert "is whole: 12 clips" in semanticmac(trained_folder, "verify").stdout


def test_a_dataset_without_labels_says_where_they_go_and_which_have_some(
    labelled_clips, trained_folder, tmp_path
):
    shutil.copytree(trained_folder / "data", tmp_path / "data")
    shutil.copytree(labelled_clips, tmp_path / "bare", ignore=shutil.ignore_patterns("clips.csv"))
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
