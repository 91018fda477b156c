"""predictions.parquet has every scored clip."""

from __future__ import annotations

import json
import shutil

import numpy as np
from typer.testing import CliRunner

from semanticmac.cache.manifest import Manifest
from semanticmac.cli import app
from semanticmac.run.predictions import read_predictions
from semanticmac.run.pseudo_labels import read_pseudo_labels


def run_cli(*words: object, expect: int = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == expect, done.output + str(done.exception)
    return done.stdout


def test_predictions_hold_every_clip_and_keep_other_splits(walks, tmp_path):
    walk = walks["regression"]
    run = shutil.copytree(walk.run, tmp_path / "run")
    run_cli("eval", run, "--cache", walk.layout.root, "--split", "all")
    run_cli("eval", run, "--cache", walk.layout.root)  # again: no row stands twice
    rows = read_predictions(run)
    manifest = Manifest.read(walk.layout.manifest("planted"))
    assert sorted(row["clip_id"] for row in rows) == sorted(row.clip_id for row in manifest.rows)
    truth = {row.clip_id: row.label for row in manifest.rows}
    assert all(row["truth"] == truth[row["clip_id"]] for row in rows)
    history = read_pseudo_labels(run)
    assert history is not None and history.epochs == (1, 2, 3)
    np.testing.assert_allclose(
        history.labels[0, 0], [truth[c] for c in history.clip_ids], rtol=1e-6
    )  # epoch 1: y
    assert not np.allclose(history.labels[2], history.labels[0])
    best = json.loads((run / "run.json").read_text())["best_epoch"]
    train = {row["clip_id"]: row for row in rows if row["split"] == "train"}
    for place, clip_id in enumerate(history.clip_ids):
        assert train[clip_id]["pseudo_audio"] == history.labels[best - 1, 2, place].tolist()
    assert all(row["pseudo_text"] is None for row in rows if row["split"] != "train")
