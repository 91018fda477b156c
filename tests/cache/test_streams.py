"""The streams that a model reads: widths, differences, and what identifies them."""

import json
from dataclasses import replace

import pytest

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.streams import Streams

CLIP = Fingerprint("vision", "clip-large", "a", "w", True, 768, Sampling(), spec="clip:/models/c")
WAVLM = Fingerprint("audio", "wavlm-large@layer12", "a", "w", True, 1024, Sampling())
PAIR = Fingerprint("both", "imagebind-tiny", "a", "w", True, 128, Sampling())


def test_widths_of_a_modality_add_up() -> None:
    both = Streams((CLIP, replace(CLIP, encoder="dino", width=384)), (WAVLM,))
    assert (both.widths.vision, both.widths.audio) == (768 + 384, 1024)
    assert both.encoder("vision") == "clip-large+dino"
    assert Streams((CLIP,)).widths.audio == 1
    assert both.describe() == "vision clip-large+dino, audio wavlm-large@layer12"


def test_streams_are_written_and_read() -> None:
    streams = Streams((CLIP,), (WAVLM,))
    text = json.dumps(streams.to_dict())
    assert Streams.from_dict(json.loads(text)) == streams
    assert Streams.from_dict(json.loads(text)).vision[0].spec == "clip:/models/c"


def test_a_folder_of_the_encoder_is_no_difference() -> None:
    elsewhere = Streams((replace(CLIP, spec="clip:/other"),), (WAVLM,))
    streams = Streams((CLIP,), (WAVLM,))
    assert elsewhere == streams and elsewhere.differences(streams) == []
    assert elsewhere.identity() == streams.identity()


def test_differences_are_named_field_by_field() -> None:
    mine = Streams((CLIP,), (WAVLM,))
    other = Streams((replace(CLIP, weights="x", width=512),), ())
    assert mine.differences(other) == [
        "vision weights: w, not x",
        "vision width: 768, not 512",
        "audio: wavlm-large@layer12, not no stream",
    ]
    assert mine.identity() != other.identity()


def test_a_pair_of_one_encoder_has_the_identity_of_version_01() -> None:
    assert Streams.of_pair(PAIR).identity() == PAIR.to_json()
    assert "modality" not in PAIR.to_json()


def test_a_stream_of_the_other_modality_is_refused() -> None:
    with pytest.raises(ValueError, match="is no vision stream"):
        Streams((WAVLM,))


def test_the_sampling_is_that_of_a_stream_that_was_encoded_here() -> None:
    imported = replace(WAVLM, architecture="imported:1")
    png = replace(CLIP, sampling=Sampling(picture="png"))
    streams = Streams((png,), (imported,))
    assert streams.imported and streams.sampling.picture == "png"
