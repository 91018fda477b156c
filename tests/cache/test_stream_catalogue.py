"""The streams of a cache, which were cached last, and the choice by name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.streams import StreamWriters, streams_of

from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.records import Embeddings
from semanticmac.cache.stream_catalogue import (
    cached_streams,
    choose_streams,
    last_streams,
    record_last,
)
from semanticmac.cache.streams import Streams

FIRST = streams_of("first", vision=4, audio=6)
SECOND = streams_of("second", vision=3, audio=5)


def row(key: str) -> Row:
    return Row(key, key, "", 0.0, None, "a text", "train", 2, 1.0, True, True, [1.0])


@pytest.fixture
def layout(tmp_path: Path) -> CacheLayout:
    """Three clips; the first streams hold all of them, the second ones two."""
    layout = CacheLayout(tmp_path)
    for streams, keys in ((FIRST, "abc"), (SECOND, "ab")):
        writers = StreamWriters(layout, streams)
        for key in keys:
            vision = np.ones((2, streams.widths.vision), np.float16)
            audio = np.ones((2, streams.widths.audio), np.float16)
            writers.add(key, Embeddings(vision, audio))
        writers.finish()
        record_last(layout, "some", streams.all)
    manifest(layout).write(layout.manifest("some"))
    return layout


def manifest(layout: CacheLayout) -> Manifest:
    return Manifest("some", None, Sampling(), tuple(row(key) for key in "abc"))


def test_every_stream_is_listed_with_its_clips_and_size(layout: CacheLayout) -> None:
    listed = cached_streams(layout)
    names = [(stream.fingerprint.modality, stream.fingerprint.encoder) for stream in listed]
    assert names == [
        ("audio", "first"),
        ("audio", "second"),
        ("vision", "first"),
        ("vision", "second"),
    ]
    assert [stream.clips_of(manifest(layout)) for stream in listed] == [3, 2, 3, 2]
    for stream in listed:
        [shard] = layout.embeddings(stream.fingerprint).glob("shard-*.arrow")
        assert stream.bytes == shard.stat().st_size


def test_a_modality_that_was_not_cached_keeps_its_last_stream(layout: CacheLayout) -> None:
    assert last_streams(layout, "some") == SECOND
    record_last(layout, "some", FIRST.vision)
    assert last_streams(layout, "some") == Streams(FIRST.vision, SECOND.audio)


def test_streams_are_chosen_by_name_and_by_default_the_last(layout: CacheLayout) -> None:
    some = manifest(layout)
    assert choose_streams(layout, some) == SECOND
    assert choose_streams(layout, some, vision="first") == Streams(FIRST.vision, SECOND.audio)
    both = choose_streams(layout, some, "second + first", "first")
    assert both == Streams(SECOND.vision + FIRST.vision, FIRST.audio)
    assert choose_streams(layout, some, FIRST.vision[0].name).vision == FIRST.vision


def test_an_unknown_name_lists_what_is_cached(layout: CacheLayout) -> None:
    message = r"no audio stream of 'frist' \(cached: second, first\): `semanticmac cache some --aud"
    with pytest.raises(CacheIncomplete, match=message):
        choose_streams(layout, manifest(layout), audio="frist")


def test_two_streams_of_one_name_are_told_apart_by_their_folder(layout: CacheLayout) -> None:
    other = Streams((replace(FIRST.vision[0], weights="other"),), FIRST.audio)
    writers = StreamWriters(layout, other)
    writers.add("a", Embeddings(np.ones((2, 4), np.float16), np.ones((2, 6), np.float16)))
    writers.finish()
    some = manifest(layout)
    with pytest.raises(CacheIncomplete, match=r"vision=first names 2 streams.*one of vision-first"):
        choose_streams(layout, some, vision="first")
    assert choose_streams(layout, some, vision=other.vision[0].name).vision == other.vision


@pytest.mark.parametrize("text", ["", "{", "[]", '{"vision": 1}'])
def test_a_damaged_list_of_the_last_streams_is_named(layout: CacheLayout, text: str) -> None:
    layout.streams("some").write_text(text)
    with pytest.raises(CacheIncomplete, match=r"streams.json is damaged .*--set vision="):
        choose_streams(layout, manifest(layout))
