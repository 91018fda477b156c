"""A manifest is read only if every byte of it is as it was written."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.damage import flip
from support.tasks import AFFECT

from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.manifest import Manifest


def test_a_flipped_byte_is_found_anywhere_in_a_manifest(planted):
    path = planted().manifest("planted")
    data, dice = path.read_bytes(), np.random.default_rng(0)
    seal = data.rindex(b"sha256:")
    for at in [
        0,
        seal,
        seal + 7,
        seal + 70,
        seal + 71,
        len(data) - 1,
        *dice.integers(0, len(data), 200),
    ]:
        flip(path, at)
        with pytest.raises(
            CacheIncomplete, match=r"not as it was written.*cache CORPUS .* --name planted` again"
        ):
            Manifest.read(path)
        path.write_bytes(data)
    Manifest.read(path)


def test_several_scores_with_gaps_are_the_same_after_reading(tmp_path, planted):
    whole = Manifest.read(planted().manifest("planted"))
    rows = []
    for number, row in enumerate(whole.rows):
        label = AFFECT.encode((None if number % 2 else -1.0, 2.0, None))
        rows.append(replace(row, label=label))
    manifest = replace(whole, task=AFFECT, rows=tuple(rows))

    path = tmp_path / "manifest.parquet"
    assert manifest.write(path)
    read = Manifest.read(path)
    assert read == manifest and read.task == AFFECT
    assert np.isnan(read.rows[0].label).tolist() == [False, False, True]
    assert not manifest.write(path)  # a build that changes nothing writes nothing


def test_the_manifest_of_one_score_names_no_dimensions(planted):
    table = pq.read_table(planted().manifest("planted"))
    header = json.loads(table.schema.metadata[b"semanticmac"])
    assert header["task"] == {"kind": "regression", "classes": [], "low": -3.0, "high": 3.0}
