"""Texts in the encodings of spreadsheet programs are read right, and the encoding is told."""

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.corpora.tables import read_table, read_text
from semanticmac.preprocess.corpora.text_encoding import decode

TEXTS = {
    "gb18030": "这部电影真的太好看了",
    "big5": "這部電影非常好看我很喜歡",
    "shift_jis": "この映画はとても面白かったです",
    "euc_kr": "이 영화는 정말 재미있었어요",
    "cp1251": "Это был очень хороший фильм",
}
WESTERN = ["Das war schön", "naïve café", "“quoted” – 5 €", "é", "l’été à Nîmes"]


@pytest.mark.parametrize("encoding", TEXTS)
def test_other_scripts_are_detected(encoding):
    table = f"file,text\na.mp4,{TEXTS[encoding]}\n"
    text, name = decode(table.encode(encoding))
    assert text == table and name == encoding


@pytest.mark.parametrize("text", WESTERN)
def test_short_runs_beyond_ascii_are_western(text):
    assert decode(text.encode("cp1252")) == (text, "Windows-1252")


@pytest.mark.parametrize("text", [*TEXTS.values(), *WESTERN])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_needs_no_guess(text, encoding):
    assert decode(text.encode(encoding))[0] == text


def test_the_encoding_of_a_table_is_told(write):
    rows = "".join(f"k{i}.mp4,{TEXTS['gb18030']},{i % 2}\n" for i in range(4))
    files = {f"k{i}.mp4": b"video" for i in range(4)}
    root = write({**files, "clips.csv": f"file,text,label\n{rows}".encode("gbk")})
    corpus = read_corpus("folder", root)
    assert {clip.text for clip in corpus.clips} == {TEXTS["gb18030"]}
    assert "clips.csv is not UTF-8; it was read as gb18030" in corpus.notes


def test_a_utf8_table_has_no_note(write):
    assert read_table(write({"t.csv": "a\né\n"}) / "t.csv").notes == ()


def test_what_is_no_text_is_refused(write):
    with pytest.raises(CorpusError, match=r"t\.txt contains NUL bytes.*save it as UTF-8"):
        read_text(write({"t.txt": b"a\0b"}) / "t.txt")
