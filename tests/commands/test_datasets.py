"""Output and exit codes of `datasets`, of the lists of `cache`, and of `import-features`."""

import pickle

import numpy as np
import pytest

from semanticmac import cli
from semanticmac.preprocess.corpora import check as check_module
from semanticmac.preprocess.corpora.cards import CARDS, CorpusCard

ROWS = "v0,1,a,0.2,train\nv0,2,b,-1,test\nv1,1,c,0.4,valid\n"


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs the program in a fresh folder, 80 columns wide → (exit code, what it printed)."""
    monkeypatch.chdir(tmp_path)

    def go(*words: object) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["semanticmac", *map(str, words)])
        for console in (cli.out, cli.err):
            monkeypatch.setattr(console, "width", 80)
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out + captured.err

    return go


def flat(text: str) -> str:
    """Without line breaks and the box that Typer draws around a mistake."""
    return " ".join(text.replace("│", " ").split())


@pytest.fixture
def sims(tmp_path, monkeypatch):
    """A whole miniature of CH-SIMS, with a card of its counts."""
    root = tmp_path / "data" / "sims"
    for name in ("v0/1", "v0/2", "v1/1"):
        (root / "Raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "Raw" / f"{name}.mp4").touch()
    (root / "label.csv").write_text("video_id,clip_id,text,label,mode\n" + ROWS)
    card = CorpusCard(
        "sims", "SIMS", "sentiment", (1, 1, 1), (1, 1, 2), "here", "none", "label.csv"
    )
    monkeypatch.setattr(check_module, "CARDS", {"sims": card})
    return root


def test_the_list_names_every_corpus_and_fits_80_columns(run):
    code, text = run("datasets")
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    for card in CARDS.values():
        for value in (card.name, card.task, card.source, card.terms):
            assert value.split(",")[0].split()[0] in text
        known = card.official or card.paper
        assert known is None or " / ".join(map(str, known)) in text


def test_the_detail_view_says_where_to_get_it_and_what_is_expected(run):
    code, text = run("datasets", "show", "mustard")
    assert code == 0
    for value in (
        CARDS["mustard"].source,
        CARDS["mustard"].terms,
        CARDS["mustard"].folder,
        CARDS["mustard"].remark,
    ):
        assert value in flat(text)
    code, text = run("datasets", "show", "mustart")
    assert code == 2
    assert "there is no public corpus 'mustart'; expected one of mosi, mosei" in flat(text)


def test_a_whole_download_is_checked_with_exit_code_0(run, sims):
    code, text = run("datasets", "check", "sims")
    assert code == 0
    assert "in the paper 1 1 2" in flat(text)
    assert "1 of 2 source videos are in more than one split: v0" in flat(text)
    assert "sims is complete" in text


def test_a_missing_file_is_named_with_exit_code_1(run, sims):
    (sims / "Raw/v0/2.mp4").unlink()
    code, text = run("datasets", "check", "sims", "--root", sims)
    assert code == 1
    assert "✗ 1 of 3 clips have no file" in text
    assert "sims is incomplete" in text
    (sims / "out.csv").write_text("clip_id\nv0_2\n")
    assert run("datasets", "check", "sims", "--exclude", sims / "out.csv")[0] == 0


def test_a_folder_that_cannot_be_read_is_one_message(run):
    code, text = run("datasets", "check", "meld", "--root", "nowhere")
    assert code == 2
    assert "nowhere is not a folder" in flat(text)
    assert "`semanticmac datasets show meld` says where to get it" in flat(text)
    code, text = run("datasets", "check", "nope")
    assert code == 2
    assert "no corpus is called 'nope'" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--splits", "a.csv", "--split-by", "video"), "splits and split_by exclude each other"),
        (("--split-by", "face"), "split_by='face', expected one of video, speaker"),
        (("--fold", "1"), "fold=1 was given, but only mustard has folds, not sims"),
        (("--splits", "absent.csv"), "cannot read absent.csv: No such file or directory"),
    ],
)
def test_lists_that_cannot_be_are_one_line(run, sims, words, message):
    code, text = run("cache", "sims", *words)
    assert code == 2
    assert message in flat(text)


def test_lists_reach_the_corpus(run, sims, tmp_path):
    (tmp_path / "splits.csv").write_text("clip_id,split\nv0_1,test\n")
    (tmp_path / "labels.csv").write_text("clip_id,label\nv0_1,0.7\n")
    lists = ("--splits", "splits.csv", "--labels", "labels.csv")
    code, text = run("cache", "sims", *lists, "--encoder", "imagebind-tiny", "--only", "frames")
    assert code == 3  # the films of the miniature are empty
    assert "splits are read from splits.csv" in flat(text)
    assert "labels of 1 clip are read from labels.csv" in flat(text)


def part(first: int, count: int) -> dict[str, object]:
    return {
        "id": [f"v{i}" for i in range(first, first + count)],
        "audio": np.ones((count, 3, 4), np.float32),
        "vision": np.ones((count, 2, 6), np.float32),
        "regression_labels": np.linspace(-3, 3, count),
    }


def test_imported_features_are_inspected_verified_trained_on_and_scored(run, tmp_path):
    data = {"train": part(0, 12), "valid": part(12, 4), "test": part(16, 4)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(data))
    code, text = run("import-features", "a.pkl", "--dataset", "mosi", "--name", "mine")
    assert (code, "mine: 20 of 20 clips are imported" in text) == (0, True)
    assert "frames: none, the features were imported" in run("inspect")[1]
    assert "mine is whole: 20 clips" in run("verify")[1]
    small = ("epochs=1", "d_model=16", "heads=2", "neighbours=2", 'modalities=["audio", "vision"]')
    assert run("train", *(word for setting in small for word in ("--set", setting)))[0] == 0
    assert run("eval")[0] == 0
    code, text = run("predict", "a.mp4")
    assert code == 2
    assert "was trained on imported features" in flat(text)


def test_a_file_without_features_of_a_clip_ends_with_exit_code_3(run, tmp_path):
    data = {"train": part(0, 3)}
    data["train"]["audio"][1], data["train"]["vision"][1] = 0, 0
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(data))
    code, text = run("cache", "import", "a.pkl", "--dataset", "mosi")
    assert code == 3
    assert "mosi: 2 of 3 clips are imported" in text
    assert "the file has neither audio nor vision of it" in flat(text)
