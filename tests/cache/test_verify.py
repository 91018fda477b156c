"""`verify` finds every change of a shard."""

import numpy as np
from support.damage import flip

from semanticmac.cache.embedding_store import EmbeddingWriter
from semanticmac.cache.shard_format import read_index
from semanticmac.cache.verify import damaged_shards


def test_a_flipped_byte_is_found_anywhere_in_a_shard(tmp_path, fingerprint, rows):
    writer = EmbeddingWriter(tmp_path, fingerprint, shard_bytes=2_000)
    for i in range(6):
        writer.add(f"key-{i}", rows(i))
    writer.finish()
    assert damaged_shards(tmp_path, lambda *_: None) == []
    shard = tmp_path / read_index(tmp_path).shards[1].file
    data, dice = shard.read_bytes(), np.random.default_rng(0)
    for at in [0, len(data) - 1, *dice.integers(0, len(data), 60)]:
        flip(shard, at)
        [damage] = damaged_shards(tmp_path, lambda *_: None)
        assert damage.shard == shard.name
        assert damage.reason.startswith("its SHA-256 is not the one in the index")
        shard.write_bytes(data)
