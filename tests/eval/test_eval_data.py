"""A run and the cache that it is scored on."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from support.planted import Walk

from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.run.folder import RunInfo


def test_a_manifest_of_an_older_format_is_refused_and_written_anew(walks, tmp_path, monkeypatch):
    from semanticmac.cache import manifest as module

    manifest = Manifest.read(walks["binary"].layout.manifest("planted"))
    path = tmp_path / "manifest.parquet"
    monkeypatch.setattr(module, "_FORMAT", 1)
    manifest.write(path)
    monkeypatch.undo()
    with pytest.raises(CacheIncomplete, match="has format 1, but this version reads format"):
        Manifest.read(path)
    assert manifest.write(path) and Manifest.read(path) == manifest


def test_a_model_whose_dataset_is_not_cached_says_what_caches_it(walks, tmp_path):
    info = replace(RunInfo.read(walks["binary"].run), dataset="own", corpus="sims")
    run = shutil.copytree(walks["binary"].run, tmp_path / "run")
    info.write(run)
    layout = CacheLayout(tmp_path / "cache")
    with pytest.raises(
        CacheIncomplete, match=r"Run `semanticmac cache sims --root DIR --name own --encoder .*`"
    ):
        Walk(layout, run).open()
