"""A table from one system finds the files of another."""

import unicodedata

import pytest

from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.file_names import existing_spelling

NAME = "Zoë/été à Nîmes.mp4"


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
def test_names_match_in_any_unicode_form(tmp_path, on_disk, in_table):
    file = tmp_path / unicodedata.normalize(on_disk, NAME)
    file.parent.mkdir()
    file.write_bytes(b"video")
    assert existing_spelling(tmp_path, unicodedata.normalize(in_table, NAME)) == file


def test_what_does_not_exist_keeps_its_name(tmp_path):
    assert existing_spelling(tmp_path, NAME) == tmp_path / NAME
    (tmp_path / "Zoë").mkdir()
    assert existing_spelling(tmp_path, NAME) == tmp_path / NAME


def test_a_table_and_a_folder_in_different_forms_are_one_corpus(tmp_path):
    names = [f"clip é {i}.mp4" for i in range(3)]
    for name in names:
        (tmp_path / unicodedata.normalize("NFD", name)).write_bytes(b"video")
    rows = "".join(f"{name},{i}\n" for i, name in enumerate(names))
    table = unicodedata.normalize("NFC", f"file,label\n{rows}")
    (tmp_path / "clips.csv").write_text(table, encoding="utf-8")
    corpus = read_corpus("folder", tmp_path)
    assert all(clip.video.exists() for clip in corpus.clips)
    assert len(corpus.clips) == 3
