"""The dataset that an import writes, and the imports that are refused."""

import pytest
from support.feature_files import (
    AUDIO,
    VISION,
    feature_pickle,
    import_file,
    read_dataset,
    save_pickle,
)

from semanticmac.cache.verify import verify
from semanticmac.preprocess.build import BuildOptions, build
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora import NAMES
from semanticmac.preprocess.features.import_features import TASKS


def test_the_fingerprint_marks_imported_features(tmp_path):
    path = save_pickle(feature_pickle(), tmp_path)
    _, layout = import_file(path, name="mosi-covarep")
    manifest, reader = read_dataset(layout, "mosi-covarep")
    assert manifest.imported
    [vision], [audio] = reader.streams.vision, reader.streams.audio
    assert (vision.width, audio.width) == (VISION, AUDIO)
    for fingerprint in (vision, audio):
        assert (fingerprint.encoder, fingerprint.trained) == ("imported-mosi-covarep", True)
        assert fingerprint.imported
        assert fingerprint.architecture.startswith("imported:")
    assert not any("padded" in note for note in manifest.notes)


def test_a_second_import_writes_nothing_but_repairs_a_damaged_cache(tmp_path):
    path = save_pickle(feature_pickle(), tmp_path)
    _, layout = import_file(path)
    manifest, reader = read_dataset(layout)
    [vision] = reader.streams.vision
    (shard,) = layout.embeddings(vision).glob("shard-*.arrow")
    before = shard.read_bytes()
    import_file(path)
    assert shard.read_bytes() == before
    shard.write_bytes(before[:-9] + b"\xff" + before[-8:])
    assert verify(layout, manifest, lambda *_: None)
    import_file(path)
    assert verify(layout, manifest, lambda *_: None) == []


def test_an_import_replaces_a_damaged_manifest(tmp_path):
    path = save_pickle(feature_pickle(), tmp_path)
    _, layout = import_file(path)
    before = layout.manifest("mosi").read_bytes()
    layout.manifest("mosi").write_bytes(before[:-9])
    import_file(path)
    assert layout.manifest("mosi").read_bytes() == before


def test_raw_videos_do_not_hide_an_imported_dataset(tmp_path):
    _, layout = import_file(save_pickle(feature_pickle(), tmp_path))
    before = layout.manifest("mosi").read_bytes()
    corpus = Corpus("mosi", None, (Clip("a", tmp_path / "a.mp4"),))
    with pytest.raises(
        CorpusError,
        match=r"holds mosi made from imported features, .* give the videos another --name",
    ):
        build(corpus, layout, (), BuildOptions(tmp_path, 1), lambda *_: None)
    assert layout.manifest("mosi").read_bytes() == before


def test_other_files_and_unknown_corpora_are_refused(tmp_path):
    with pytest.raises(
        CorpusError, match=r"features of 'folder' cannot be imported: expected one of iemocap, meld"
    ):
        import_file(tmp_path / "a.pkl", "folder")
    with pytest.raises(
        CorpusError, match=r"a\.pkl is not a file; expected a feature file: \.pkl, \.pickle, \.npz"
    ):
        import_file(tmp_path / "a.pkl")
    with pytest.raises(CorpusError, match=r"a\.csv ends in \.csv; expected a feature file"):
        import_file(tmp_path / "a.csv")


def test_features_of_every_corpus_that_has_published_ones_can_be_imported():
    """Feature files are published for these; the others have videos or labels alone."""
    without = {"m3ed", "cherma", "emotiontalk", "mer2023", "cremad", "ravdess"}
    assert set(TASKS) == set(NAMES) - without - {"demo", "folder", "iemocap-dimensions"}
