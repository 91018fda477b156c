"""The streams of an export: chosen by name, without paths of the machine."""

from pathlib import Path

import pytest
from support.shared_cache import STREAMS

from semanticmac.cache.layout import CacheIncomplete
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.sharing.header import Header, select


def test_streams_are_chosen_by_name(layout):
    assert select(layout, "mosi", "last", "last").header.fingerprints == (STREAMS[0], STREAMS[2])
    faces = select(layout, "mosi", "faces-clip-large", "none").header
    assert [stream.column for stream in faces.streams] == ["vision"]
    both = select(layout, "mosi", "all", "all").header
    assert [stream.column for stream in both.streams] == ["vision", "vision_2", "audio"]
    with pytest.raises(CacheIncomplete, match="has no vision stream of 'no-such'"):
        select(layout, "mosi", "no-such", "last")
    with pytest.raises(CorpusError, match="no stream of embeddings"):
        select(layout, "mosi", "none", "none")


def test_paths_of_the_machine_are_left_out(layout):
    header = select(layout, "mosi", "all", "all").header
    specs = [stream.fingerprint.spec for stream in header.streams]
    assert specs == [
        "",
        "faces:yunet.onnx@448:clip:clip-large",
        "wavlm:microsoft/wavlm-large@layer12",
    ]
    assert header.fingerprints == STREAMS  # the spec identifies nothing


def test_a_header_is_read_back_and_another_version_is_refused(layout):
    header = select(layout, "mosi", "all", "all").header
    assert Header.from_json(header.to_json(), Path("h")) == header
    with pytest.raises(CorpusError, match="has format 9"):
        Header.from_json(header.to_json().replace('"format": 1', '"format": 9'), Path("h"))
    with pytest.raises(CorpusError, match="is no export"):
        Header.from_json("{}", Path("h"))
