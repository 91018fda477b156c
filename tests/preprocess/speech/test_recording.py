"""One recording, with real voices: utterances, words by a real recogniser, speakers."""

import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from support.grid_speech import GridRecogniser, word_errors

from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.corpora.tables import read_table
from semanticmac.preprocess.speech import audio
from semanticmac.preprocess.speech.activity import EnergyActivity
from semanticmac.preprocess.speech.audio import read_pieces
from semanticmac.preprocess.speech.recording import segment_recording
from semanticmac.preprocess.speech.spans import Span, SpanLimits
from semanticmac.preprocess.speech.speakers import Turn
from semanticmac.preprocess.speech.transcript_files import Transcript
from semanticmac.preprocess.speech.words import Word

LIMITS = SpanLimits()
ENERGY = EnergyActivity()
NAMES = ("bbaf2n", "brbk7n", "lbax4n", "lrwp9a", "pwij3p", "swiz3n")


def no_progress(*_: object) -> None:
    pass


def ffmpeg(*words: object) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, words)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def grid_film(shared_data, tmp_path_factory):
    """The six GRID clips one after the other, 18 s."""
    folder = tmp_path_factory.mktemp("film")
    lines = [f"file '{shared_data / 'grid' / name}.mpg'\n" for name in NAMES]
    (folder / "list.txt").write_text("".join(lines))
    path = folder / "film.mkv"
    ffmpeg("-f", "concat", "-safe", "0", "-i", folder / "list.txt", path)
    return path


@pytest.fixture(scope="module")
def sentences(shared_data):
    table = read_table(shared_data / "grid" / "clips.csv")
    return {row.text("file"): row.text("transcript") for row in table.rows}


@pytest.mark.parametrize("method", ["energy", "silero"])
def test_a_film_of_sentences_is_cut_into_utterances(grid_film, method):
    activity = ENERGY
    if method == "silero":
        pytest.importorskip("faster_whisper")
        from semanticmac.preprocess.speech.activity import SileroActivity

        activity = SileroActivity()
    recogniser = GridRecogniser()
    recording = segment_recording(grid_film, activity, LIMITS, no_progress, recogniser=recogniser)
    assert recording.duration_s == pytest.approx(18, abs=0.2)
    assert recogniser.recordings == 1
    assert len(recording.utterances) >= 5
    for utterance in recording.utterances:
        assert 1 <= utterance.end_s - utterance.start_s <= 15


def test_the_words_of_real_voices_are_right(shared_data, sentences):
    errors = total = 0
    for name, sentence in sentences.items():
        recording = segment_recording(
            shared_data / "grid" / name, ENERGY, LIMITS, no_progress, recogniser=GridRecogniser()
        )
        [utterance] = recording.utterances
        said = sentence.split()
        errors += word_errors(said, utterance.text.split())
        total += len(said)
    assert errors / total <= 0.1


def test_a_transcript_and_speakers_are_laid_over_the_utterances(grid_film):
    words = tuple(Word(f"w{index}", index * 0.5, index * 0.5 + 0.4) for index in range(36))
    turns = [Turn("ann", Span(0, 9)), Turn("bob", Span(9, 18))]
    recording = segment_recording(
        grid_film, ENERGY, LIMITS, no_progress, transcript=Transcript(words), turns=turns
    )
    written = " ".join(utterance.text for utterance in recording.utterances).split()
    assert written == [word.text for word in words]
    for utterance in recording.utterances:
        assert utterance.speaker == ("ann" if utterance.start_s < 8.9 else "bob")


def test_a_transcript_of_another_file_is_noticed(grid_film):
    far = Transcript((Word("late", 300, 301), Word("words", 301, 302)))
    recording = segment_recording(grid_film, ENERGY, LIMITS, no_progress, transcript=far)
    assert any("2 words of the transcript come after the end" in note for note in recording.notes)
    assert any("have no words" in note for note in recording.notes)


def test_pieces_join_to_the_whole_audio(grid_film, monkeypatch):
    [whole] = read_pieces(grid_film)
    pieces = []
    start_s = 0.0
    monkeypatch.setattr(audio, "PIECE_S", 5.12)
    while not pieces or len(pieces[-1].samples):
        pieces.append(audio.read_piece(audio._Job(grid_film, start_s)))
        start_s += 5.12
    joined = np.concatenate([piece.samples for piece in pieces])
    assert len(joined) == len(whole.samples)
    difference = np.abs(joined.astype(int) - whole.samples)
    assert np.mean(difference > 2) < 0.01  # a resampler starts anew at the edge of a piece
    assert {round(piece.total_s, 1) for piece in pieces} == {round(whole.total_s, 1)}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("silence.wav", "nobody speaks in its 3.0 s of audio"),
        ("mute.mp4", "no audio track"),
        ("broken.mp4", "neither video nor sound"),
    ],
)
def test_a_file_without_voices_fails_with_its_reason(tmp_path, name, message):
    path = tmp_path / name
    if name == "broken.mp4":
        path.write_bytes(b"no film at all" * 100)
    elif name == "mute.mp4":
        ffmpeg("-f", "lavfi", "-i", "testsrc=d=2", path)
    else:
        ffmpeg("-f", "lavfi", "-i", "anullsrc=d=3", path)
    with pytest.raises(DecodeError, match=message):
        segment_recording(path, ENERGY, LIMITS, no_progress)
