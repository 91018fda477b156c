"""run.json of version 0.1 is read under its present keys."""

from pathlib import Path

from semanticmac.run.folder import RunInfo
from semanticmac.run.listing import run_line

OLD = Path(__file__).parents[1] / "data" / "version-0.1" / "runs" / "finished"


def test_a_run_of_version_01_has_two_streams_and_two_widths() -> None:
    info = RunInfo.read(OLD)
    [vision], [audio] = info.streams.vision, info.streams.audio
    assert (vision.modality, audio.modality) == ("vision", "audio")
    assert vision.encoder == audio.encoder == "tiny"
    assert run_line(OLD).streams == "vision tiny, audio tiny"
    assert (info.model.vision_width, info.model.audio_width) == (8, 8)
