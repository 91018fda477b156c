"""conflict: figures and tables, and a clear refusal without labels of single modalities."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semanticmac.eval.analysis.catalogue import AnalysisError, analysis, analysis_beside


def with_labels(data):
    """The same data with labels of text and audio on the test clips."""
    rows = []
    for number, row in enumerate(data.manifest.rows):
        labels = {"label_text": [number % 3 - 1.0], "label_audio": [0.5]}
        rows.append(replace(row, **labels))
    return replace(data, manifest=replace(data.manifest, rows=tuple(rows)))


def test_the_tables_have_every_bin_and_every_slope(walks, tmp_path):
    walk = walks["regression"]
    result = analysis("conflict")(with_labels(walk.open()), walk.run, "test")
    bins, slopes = result.tables[""], result.tables["slopes"]
    assert {row[1] for row in bins.rows} == {"clip", "own"}
    assert [row[:2] for row in slopes.rows][:2] == [("multimodal", "clip"), ("text", "clip")]
    assert all(row[5] <= row[4] <= row[6] for row in bins.rows)
    names = {path.name for path in result.write(tmp_path)}
    assert names == {"conflict.png", "conflict.svg", "conflict.csv", "conflict-slopes.csv"}


def test_runs_stand_beside_each_other(walks):
    data = with_labels(walks["regression"].open())
    result = analysis_beside("conflict")([("a", data), ("b", data)], "test")
    names = [row[0] for row in result.tables["beside"].rows]
    assert set(names) == {"a", "b"} and names.count("a") == names.count("b")


def test_a_dataset_without_labels_of_modalities_is_refused(walks):
    walk = walks["binary"]
    with pytest.raises(AnalysisError, match="planted has no test clips with labels of two modalit"):
        analysis("conflict")(walk.open(), walk.run, "test")
