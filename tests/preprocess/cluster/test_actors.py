"""Workers refuse a machine that sees other files or lacks ffmpeg."""

import pytest

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.cluster.actors import DecodeActor, SizedClip
from semanticmac.preprocess.cluster.placement import ClusterError


def test_a_machine_that_sees_other_files_is_refused(tmp_path, film):
    video = film(tmp_path / "clip.wav", picture=False)
    actor = DecodeActor(str(tmp_path), Sampling())
    with pytest.raises(
        ClusterError,
        match=rf"does not see {video} as the program does.*expected 7 bytes.*same path",
    ):
        actor.do([SizedClip(Clip("a", video), 7)])
    with pytest.raises(
        ClusterError, match=r"does not see .*: No such file or directory, expected 7 bytes"
    ):
        actor.do([SizedClip(Clip("a", tmp_path / "gone.wav"), 7)])


def test_a_machine_whose_ffmpeg_does_not_run_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMANTICMAC_FFMPEG", "nowhere")
    with pytest.raises(
        ClusterError, match=rf".+: there is no ffmpeg at {tmp_path}/nowhere: set SEMANTICMAC_FFMPEG"
    ):
        DecodeActor(str(tmp_path), Sampling()).begin()
