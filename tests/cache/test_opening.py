"""A dataset opened with its streams: mixed widths, concatenation, clips that were refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.streams import StreamWriters, streams_of

from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.opening import open_cached, open_with
from semanticmac.cache.records import Embeddings
from semanticmac.cache.stream_catalogue import open_writer, record_last
from semanticmac.cache.streams import Streams

FIRST = streams_of("first", vision=4, audio=6)
SECOND = streams_of("second", vision=3, audio=5)


def numbers(frames: int, width: int, start: float) -> np.ndarray:
    return (start + np.arange(frames * width).reshape(frames, width)).astype(np.float16)


@pytest.fixture
def layout(tmp_path: Path) -> CacheLayout:
    """Clip a has both modalities, b has only audio; c has three rows in one stream, two beside."""
    layout = CacheLayout(tmp_path)
    for start, streams in ((0.0, FIRST), (100.0, SECOND)):
        writers = StreamWriters(layout, streams)
        vision, audio = streams.widths.vision, streams.widths.audio
        writers.add("a", Embeddings(numbers(2, vision, start), numbers(2, audio, -start)))
        writers.add("b", Embeddings(None, numbers(1, audio, start)))
        rows = 2 if streams is FIRST else 3
        writers.add("c", Embeddings(numbers(rows, vision, start), None))
        writers.finish()
        record_last(layout, "some", streams.all)
    rows = []
    for key in "abc":
        rows.append(Row(key, key, "", 0.0, None, "", "train", 2, 1.0, key != "b", key != "c", None))
    Manifest("some", None, Sampling(), tuple(rows)).write(layout.manifest("some"))
    return layout


def test_widths_may_differ(layout: CacheLayout) -> None:
    opened = open_cached(layout, "some", vision="first")
    assert (opened.reader.widths.vision, opened.reader.widths.audio) == (4, 5)
    clip = opened.reader.get("a")
    np.testing.assert_array_equal(clip.vision, numbers(2, 4, 0.0))
    np.testing.assert_array_equal(clip.audio, numbers(2, 5, -100.0))
    assert opened.reader.get("b").vision is None


def test_two_streams_of_a_modality_lie_side_by_side(layout: CacheLayout) -> None:
    reader = open_cached(layout, "some", vision="first+second").reader
    expected = np.concatenate([numbers(2, 4, 0.0), numbers(2, 3, 100.0)], axis=1)
    np.testing.assert_array_equal(reader.get("a").vision, expected)
    assert reader.get("b").vision is None and reader.widths.vision == 7


def test_streams_of_other_rates_are_not_concatenated(layout: CacheLayout) -> None:
    reader = open_cached(layout, "some", vision="first+second").reader
    message = r"vision first\+second, .*streams of 2 and 3 rows cannot be concatenated"
    with pytest.raises(CacheIncomplete, match=message):
        reader.get("c")


def test_a_clip_that_an_encoder_refused_is_left_out_and_named(layout: CacheLayout) -> None:
    third = replace(FIRST.vision[0], encoder="third")
    writer = open_writer(layout, third)
    writer.add("a", numbers(2, 4, 0.0))
    writer.fail("b", "not finite")
    writer.add("c", numbers(2, 4, 0.0))
    writer.finish()
    opened = open_cached(layout, "some", vision="third")
    assert [row.clip_id for row in opened.manifest.rows] == ["a", "c"]
    [note] = opened.notes
    assert note.startswith("1 clip is left out") and "b (third: not finite)" in note
    assert open_cached(layout, "some").notes == ()


def test_a_stream_that_is_missing_is_named_field_by_field(layout: CacheLayout) -> None:
    wanted = Streams(SECOND.vision, (replace(SECOND.audio[0], weights="other"),))
    message = r"does not hold the audio stream of second .*audio weights: weights, not other"
    with pytest.raises(CacheIncomplete, match=message):
        open_with(layout, "some", wanted)
    assert open_with(layout, "some", FIRST).streams == FIRST
