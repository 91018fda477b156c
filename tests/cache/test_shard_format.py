"""The index of a folder of embeddings: damaged ones and other formats are refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from semanticmac.cache.embedding_store import EmbeddingReader, EmbeddingWriter
from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.shard_format import read_index


def write_one_clip_per_shard(folder: Path, fingerprint: Fingerprint, clips: list[np.ndarray]):
    writer = EmbeddingWriter(folder, fingerprint, shard_bytes=1)
    for i, clip in enumerate(clips):
        writer.add(f"key-{i}", clip)
    writer.finish()


def test_another_format_is_refused(tmp_path, fingerprint, rows):
    write_one_clip_per_shard(tmp_path, fingerprint, [rows(1)])
    index = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**index, "format": 99}))
    with pytest.raises(CacheIncomplete, match="format 99"):
        EmbeddingReader(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "shards": [{"file": "a"}]}']
)
def test_a_damaged_index_is_one_clear_message(tmp_path, text):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(
        CacheIncomplete,
        match=r"index.json is damaged .* `semanticmac cache` encodes .* `semanticmac import",
    ):
        read_index(tmp_path)
