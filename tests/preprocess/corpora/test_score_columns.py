"""Several score columns of a table: their names, their ranges, their gaps and their mistakes."""

import math
import re

import pytest

from semanticmac.core import Dimension
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import Options, read_corpus
from semanticmac.preprocess.corpora.check import describe_labels

ROWS = "a.mp4,1.5,-2,40,train\nb.mp4,4,NA,90,valid\nc.mp4,,,,test\nd.mp4,2,1.5,,train\n"
HEAD = "file,score_valence[1:5],score_mood,score_effort,split\n"


def test_each_column_is_a_score_with_a_name_and_a_range(write):
    corpus = read_corpus("folder", write({"clips.csv": HEAD + ROWS}))
    assert corpus.task is not None
    assert corpus.task.dimensions == (
        Dimension("valence", 1.0, 5.0),
        Dimension("mood", -3.0, 3.0),
        Dimension("effort", 40.0, 90.0),
    )
    labels = [clip.labels.get("multimodal") for clip in corpus.clips]
    assert labels == [(1.5, -2.0, 40.0), (4.0, None, 90.0), None, (2.0, 1.5, None)]
    target = corpus.task.encode(labels[1])
    assert target is not None and math.isnan(target[1])
    assert any(
        "score_effort: some labels lie outside −3 … 3; the range is 40 … 90" in note
        for note in corpus.notes
    )
    assert not any("not read" in note for note in corpus.notes)
    assert describe_labels(corpus) == (
        "valence 1.5 … 4 of 1 … 5, mean 2.500; mood -2 … 1.5 of -3 … 3, mean -0.250; "
        "effort 40 … 90 of 40 … 90, mean 65.000"
    )


def test_one_named_score_is_a_task_of_one_score(write):
    corpus = read_corpus("folder", write({"clips.csv": "text,score_stars[1:5]\nfine,4\nbad,1\n"}))
    assert corpus.task is not None and corpus.task.dimensions == (Dimension("stars", 1.0, 5.0),)
    assert corpus.clips[0].labels["multimodal"] == (4.0,)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "file,score_a[1:5],score_b\nx.mp4,2,1\ny.mp4,7,2\n",
            r"clips\.csv, line 3: label 7\.0 of a lies outside 1\.0 … 5\.0",
        ),
        ("file,score_a,score_b\nx.mp4,2,high\n", r"line 2: score_b is 'high', expected a number"),
        ("file,score_a\nx.mp4,nan\n", r"line 2: score_a is NaN; leave the cell empty"),
        (
            "file,score_a[5:1]\nx.mp4,2\n",
            r"line 1: the range of score_a\[5:1\] is not LOW:HIGH with two numbers",
        ),
        ("file,score_a[0:inf]\nx.mp4,2\n", r"line 1: the range of score_a\[0:inf\] is not"),
        ("file,score_a[1-5]\nx.mp4,2\n", r"line 1: the column 'score_a\[1-5\]' begins with score_"),
        ("file,score_\nx.mp4,2\n", r"line 1: the column 'score_' begins with score_, but it is"),
        ("file,score_a,score_a[1:5]\nx.mp4,2,2\n", r"line 1: two columns have the score 'a'"),
        (
            "file,label,score_a\nx.mp4,2,2\n",
            r"has the columns score_a and also label; keep either several scores or one label",
        ),
        (
            "file,score_a,score_b[1:5]\nx.mp4,2,\ny.mp4,1,\n",
            r"the column score_b\[1:5\] has no score in any line",
        ),
    ],
)
def test_a_mistake_in_a_score_column_is_named(write, table, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus("folder", write({"clips.csv": table}))


def test_scores_of_a_list_replace_those_of_the_table(write, tmp_path):
    root = write({"clips.csv": HEAD + ROWS})
    own = tmp_path / "own.csv"
    own.write_text("clip_id,score_mood,score_valence,score_effort\na,0.5,2,\n")
    corpus = read_corpus("folder", root, Options(labels=own))
    assert corpus.clips[0].labels["multimodal"] == (2.0, 0.5, None)
    own.write_text("clip_id,label\na,0.5\n")
    expected = "the score columns are none; expected score_valence, score_mood, score_effort"
    with pytest.raises(CorpusError, match=re.escape(expected)):
        read_corpus("folder", root, Options(labels=own))


def test_other_minus_signs_are_read_in_cells_and_in_the_range(write):
    table = "file,score_valence[\u22122:2]\na.mp4,\u22121.5\nb.mp4,1\n"
    corpus = read_corpus("folder", write({"clips.csv": table, "a.mp4": b"", "b.mp4": b""}))
    assert corpus.task is not None
    assert corpus.task.dimensions == (Dimension("valence", -2.0, 2.0),)
    assert corpus.clips[0].labels == {"multimodal": (-1.5,)}
    assert any("1 label is written with another minus sign" in note for note in corpus.notes)
