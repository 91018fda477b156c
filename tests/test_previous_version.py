"""Caches and run folders of version 0.1 are still read. That version wrote data/version-0.1:

films/, films-cache/   two videos and their cache: frames, embeddings, manifest, failures, hashes
planted-cache/         a cache of 28 clips of random numbers
language/              the language model of the runs
runs/finished/         a run of two epochs with seed 1, its scores and predictions on the test split
runs/stopped/          the same with seed 2, stopped at the third of four steps
runs/seeds/            both seeds, finished
"""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from support.program import semanticmac

from semanticmac.cache.failures import read_failures
from semanticmac.cache.file_hashes import FileHashes
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.run.folder import RunInfo

PLANTED = ["--cache", "planted-cache", "--device", "cpu"]
SMALL = ["d_model=8", "heads=2", "perceiver_layers=1", "sgfi_layers=1", "epochs=1", "batch_size=8"]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the files of version 0.1, to build and train in."""
    return Path(
        shutil.copytree(Path(__file__).parent / "data" / "version-0.1", tmp_path / "version-0.1")
    )


def assert_same_numbers(actual: object, expected: object) -> None:
    """The same structure with the same texts; numbers within 1e-5 on any processor.

    A key or a metric that only the newer version writes is allowed.
    """
    if isinstance(expected, dict):
        assert isinstance(actual, dict) and expected.keys() <= actual.keys()
        for key, value in expected.items():
            assert_same_numbers(actual[key], value)
    elif isinstance(expected, list):
        assert isinstance(actual, list)
        names = [each["name"] for each in expected if isinstance(each, dict) and "name" in each]
        if names:
            actual = [each for each in actual if each["name"] in names]
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same_numbers(one, other)
    elif isinstance(expected, float):
        assert actual == pytest.approx(expected, rel=1e-5, abs=1e-5)
    else:
        assert actual == expected


def files_of(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_every_file_of_a_cache_is_read(old: Path) -> None:
    layout = CacheLayout(old / "films-cache")
    assert layout.datasets() == ["folder"]
    manifest = Manifest.read(layout.manifest("folder"))
    assert [(row.clip_id, row.text, row.label, row.split, row.frames) for row in manifest.rows] == [
        ("one", "a good film", [1.5], "train", 2),
        ("two", "a bad film", [-2.0], "test", 4),
    ]
    failures = read_failures(layout.failures("folder"))
    assert [(failure.clip_id, failure.cached) for failure in failures] == [
        ("three", False),
        ("two", True),
    ]
    with FrameStore(layout.frames) as store:
        clips = [store.get(row.key) for row in manifest.rows]
    assert [clip.frames.shape for clip in clips if clip.frames is not None] == [
        (2, 224, 336, 3),
        (4, 224, 336, 3),
    ]
    assert clips[0].waveform is not None and clips[1].waveform is None
    hashes = FileHashes(old / "films-cache" / "digests.json")
    digest = hashes.remembered(Path("/tmp/version-0.1/films/one.mp4"))
    assert digest is not None and digest.startswith("1e54b70802e0ba15")
    semanticmac(old, "verify", "--cache", "films-cache")


def test_a_cache_is_continued_without_decoding_or_encoding(old: Path) -> None:
    command = ["cache", "folder", "--root", "films", "--cache", "films-cache"]
    command += ["--encoder", "imagebind-tiny", "--workers", "1"]
    manifest = "datasets/folder/manifest.parquet"
    before, rows = files_of(old / "films-cache"), Manifest.read(old / "films-cache" / manifest).rows
    semanticmac(old, *command, expect=3)  # the third clip is still missing
    after = files_of(old / "films-cache")
    changed = {name for name in after if after[name] != before.get(name)}
    # The manifest keeps the notes of the corpus, and their wording may change.
    assert changed <= {
        ".lock",
        "digests.json",
        "frames/lock.mdb",
        "datasets/folder/streams.json",
        manifest,
    }
    assert Manifest.read(old / "films-cache" / manifest).rows == rows

    table = old / "films" / "clips.csv"
    table.write_text(table.read_text().replace("1.5", "2.5"))
    answer = semanticmac(old, *command, expect=3)
    assert "(0 decoded, 0 encoded now)" in answer.stdout
    rows = Manifest.read(old / "films-cache/datasets/folder/manifest.parquet").rows
    assert [row.label for row in rows] == [[2.5], [-2.0]]


def test_a_model_is_trained_from_a_cache(old: Path) -> None:
    settings = [part for word in [*SMALL, "language=language"] for part in ("--set", word)]
    semanticmac(old, "train", *PLANTED, "--run", "runs/new", *settings)
    assert (old / "runs/new/run.json").exists()


def test_a_run_scores_as_it_did(old: Path) -> None:
    run = old / "runs" / "finished"
    scores = json.loads((run / "eval-test.json").read_text())
    predictions = pq.read_table(run / "predictions.parquet").to_pylist()
    (run / "eval-test.json").unlink()
    (run / "predictions.parquet").unlink()

    semanticmac(old, "eval", "--run", "runs/finished", *PLANTED)
    assert_same_numbers(json.loads((run / "eval-test.json").read_text()), scores)
    again = pq.read_table(run / "predictions.parquet").to_pylist()
    assert_same_numbers(again, predictions)


def test_scores_and_predictions_are_read(old: Path) -> None:
    semanticmac(old, "report", "runs/finished", "--cache", "planted-cache")
    [page] = (old / "runs" / "finished").rglob("*.html")
    assert "MAE" in page.read_text()


def test_a_stopped_run_resumes_to_the_same_weights(old: Path) -> None:
    whole, stopped = old / "runs" / "seeds" / "seed-2", old / "runs" / "stopped"
    assert (stopped / "checkpoint").exists()
    semanticmac(old, "train", "--resume", "runs/stopped", "--cache", "planted-cache")
    assert not (stopped / "checkpoint").exists()

    weights, expected = (load_file(run / "model.safetensors") for run in (stopped, whole))
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-5, atol=1e-6)
    lines = [(run / "log.jsonl").read_text().splitlines() for run in (stopped, whole)]
    assert_same_numbers(*([json.loads(line) for line in part] for part in lines))
    resumed, expected_info = RunInfo.read(stopped), RunInfo.read(whole)
    assert resumed.model == expected_info.model
    assert resumed.data == expected_info.data
    assert (resumed.best_epoch, resumed.valid_metric) == (
        expected_info.best_epoch,
        expected_info.valid_metric,
    )
    assert resumed.valid_score == pytest.approx(expected_info.valid_score, rel=1e-5, abs=1e-5)


def test_runs_and_seeds_are_listed(old: Path) -> None:
    answer = semanticmac(old, "runs", "--json")
    runs = {Path(line["folder"]).name: line for line in json.loads(answer.stdout)}
    assert runs.keys() == {"finished", "seeds", "stopped"}
    assert (runs["finished"]["state"], runs["stopped"]["state"]) == ("finished", "unfinished")
    assert runs["finished"]["test_score"] == pytest.approx(0.80097, abs=1e-5)
    assert (runs["seeds"]["kind"], runs["seeds"]["runs"]) == ("seeds", 2)
    assert runs["seeds"]["valid_score"] == pytest.approx(1.1557, abs=1e-4)


def test_seeds_are_continued_with_another(old: Path) -> None:
    """Those that are finished are not trained again."""
    before = files_of(old / "runs" / "seeds" / "seed-1")
    command = ["train", *PLANTED, "--run", "runs/seeds", "--seeds", "1,2,3"]
    semanticmac(old, *command, "--config", "runs/finished")
    assert files_of(old / "runs" / "seeds" / "seed-1") == before
    seeds = json.loads((old / "runs/seeds/seeds.json").read_text())["seeds"]
    assert [seed["seed"] for seed in seeds] == [1, 2, 3]
