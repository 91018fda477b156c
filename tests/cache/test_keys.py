"""Content keys: what a clip shows, and nothing else."""

import json
from dataclasses import replace

import pytest

from semanticmac.cache.keys import Sampling, content_key, imported_key


def test_a_key_names_the_file_the_span_the_sampling_and_the_half():
    keys = {
        content_key("a", 0.0, None, Sampling()),
        content_key("b", 0.0, None, Sampling()),
        content_key("a", 0.5, None, Sampling()),
        content_key("a", 0.0, 1.0, Sampling()),
        content_key("a", 0.0, None, Sampling(picture="png")),
        content_key("a", 0.0, None, Sampling(), "left"),
        content_key("a", 0.0, None, Sampling(), "right"),
    }
    assert len(keys) == 7
    assert content_key("a", 0.0, None, Sampling(), None) == content_key("a", 0.0, None, Sampling())
    assert content_key("a", 1e-9, None, Sampling()) == content_key("a", 0.0, None, Sampling())


def test_an_imported_key_names_the_file_and_the_clip():
    assert len({imported_key(file, clip) for file in "ab" for clip in "xy"}) == 4


def test_a_fingerprint_says_whether_its_features_were_imported(fingerprint):
    assert not fingerprint.imported
    assert replace(fingerprint, architecture="imported:0").imported


def test_older_caches_keep_their_keys_and_ended_clips_with_their_frames():
    fields = {
        "frames_per_s": 2,
        "short_side_px": 224,
        "sample_rate_hz": 16_000,
        "picture": "jpeg-95",
        "version": 2,
    }
    older = Sampling.from_dict(fields)
    assert older.length == "pictures" and older.to_dict() == fields
    # The key that version 2 gave this clip.
    assert content_key("a", 0.0, None, older) == "43f55ad8064efb6a9d3357569ac899e1"


def test_another_length_is_another_sampling():
    keys = {content_key("a", 0.0, None, Sampling(length=rule)) for rule in ("longest", "pictures")}
    assert len(keys) == 2
    with pytest.raises(ValueError, match="expected `longest` or `pictures`"):
        Sampling(length="shortest")


@pytest.mark.parametrize("length", ["longest", "pictures"])
def test_a_sampling_survives_json(length):
    sampling = Sampling(length=length, picture="png")
    assert Sampling.from_dict(json.loads(json.dumps(sampling.to_dict()))) == sampling
