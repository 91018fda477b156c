"""A small corpus that was cached by the real build, for tests of what happens to a cache."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from support.demo import SMALL

from semanticmac.cache import stream_catalogue
from semanticmac.cache.layout import CacheLayout
from semanticmac.preprocess.build import BuildOptions, BuildReport, build
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.demo.render import render
from semanticmac.preprocess.encoders.imagebind.encoder import load_encoders
from semanticmac.preprocess.encoders.protocol import Encoder

SHARD_BYTES = 5_000  # two or three clips of the tiny encoder


@pytest.fixture(scope="session")
def tiny() -> Encoder:
    return load_encoders("imagebind-tiny", "cpu")


@pytest.fixture(scope="session")
def build_folder(tiny):
    """build_folder(root, home): a `folder` corpus into a cache, in one worker and small shards."""

    def make(
        root: Path, layout: Path, *, repair: bool = False, name: str | None = None
    ) -> BuildReport:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                stream_catalogue,
                "EmbeddingWriter",
                partial(stream_catalogue.EmbeddingWriter, shard_bytes=SHARD_BYTES),
            )
            plan = BuildOptions(root, workers=1, repair=repair)
            corpus = replace(read_corpus("folder", root), cached_as=name)
            return build(corpus, CacheLayout(layout), tiny, plan, lambda *_: None)

    return make


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small demo corpus."""
    root = tmp_path_factory.mktemp("demo") / "corpus"
    assert render(root, SMALL, workers=2) == SMALL.clips
    return root
