"""Content keys: what a clip shows, and nothing else."""

from dataclasses import replace

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
