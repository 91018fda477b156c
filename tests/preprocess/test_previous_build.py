"""A cache of an older version of the decoding: it is kept, and `repair` makes it again."""

from pathlib import Path

import pytest

from semanticmac.cache.keys import PREPROCESS_VERSION, Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.preprocess.build import BuildOptions, build
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.previous_build import continued_sampling

OLDER = Sampling(version=2, length="pictures")


@pytest.fixture
def older_cache(tmp_path, film, tiny) -> tuple[Path, CacheLayout]:
    root = tmp_path / "root"
    root.mkdir()
    film(root / "a.mp4", 1.0)
    layout = CacheLayout(tmp_path / "cache")
    build(read_corpus("folder", root), layout, tiny, BuildOptions(root, 1, OLDER), lambda *_: None)
    return root, layout


def sampling_of(layout: CacheLayout) -> Sampling:
    return Manifest.read(layout.manifest("folder")).sampling


def test_an_older_cache_goes_on_with_its_version_and_keeps_its_embeddings(older_cache, tiny):
    root, layout = older_cache
    assert sampling_of(layout) == OLDER
    sampling = continued_sampling(layout, "folder", Sampling())
    assert sampling == OLDER
    corpus = read_corpus("folder", root)
    report = build(corpus, layout, tiny, BuildOptions(root, 1, sampling), lambda *_: None)
    assert (report.cached, report.decoded, report.encoded) == (1, 0, 0)


def test_a_repair_decodes_and_encodes_it_anew(older_cache, tiny):
    root, layout = older_cache
    corpus = read_corpus("folder", root)
    report = build(corpus, layout, tiny, BuildOptions(root, 1, repair=True), lambda *_: None)
    assert (report.cached, report.decoded, report.encoded) == (1, 1, 1)
    assert sampling_of(layout).version == PREPROCESS_VERSION
    assert continued_sampling(layout, "folder", Sampling()) == Sampling()


def test_another_sampling_or_no_cache_is_not_continued(older_cache, tmp_path):
    _, layout = older_cache
    png = Sampling(picture="png")
    assert continued_sampling(layout, "folder", png) == png
    assert continued_sampling(CacheLayout(tmp_path / "none"), "folder", png) == png
