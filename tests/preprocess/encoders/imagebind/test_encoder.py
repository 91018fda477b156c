"""The encoder on clips: fixed bits, missing modalities, frames, fingerprints and errors."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from support.syncs import SyncCounter

from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import Embeddings
from semanticmac.core import FRAME_MODALITIES, FrameModality
from semanticmac.preprocess.clip import RawClip
from semanticmac.preprocess.encoders.imagebind import encoder as module
from semanticmac.preprocess.encoders.imagebind.checkpoint import write_checkpoint
from semanticmac.preprocess.encoders.imagebind.encoder import (
    GPU_CHUNK_ROWS,
    ImageBindEncoder,
    keep_in_bfloat16,
    load_encoders,
    normalise_pixels,
    prepare_frames,
    split_rows,
)
from semanticmac.preprocess.encoders.imagebind.filterbank import mel_spectrogram
from semanticmac.preprocess.encoders.imagebind.names import CheckpointError
from semanticmac.preprocess.encoders.imagebind.network import (
    ImageBind,
    ImageBindConfig,
    TowerConfig,
    draw_weights,
)
from semanticmac.preprocess.encoders.protocol import EncodeError

GOLDEN = Path(__file__).parents[4] / "../shared/data/golden"
SMALL = ImageBindConfig(TowerConfig(16, 2, 2), TowerConfig(12, 2, 3), output=8, picture_px=28)


def small_model() -> ImageBind:
    model = ImageBind(SMALL)
    draw_weights(model, 0)
    return model


class Pair:
    """Both modalities of one network."""

    def __init__(self, encoders: Sequence[ImageBindEncoder]) -> None:
        self.vision, self.audio = encoders
        self.model = self.vision.model

    def encode(self, raw: RawClip) -> Embeddings:
        return Embeddings(self.vision.encode(raw), self.audio.encode(raw))


def small_encoder(modality: FrameModality) -> ImageBindEncoder:
    return ImageBindEncoder(small_model(), modality, "small", "0" * 64, trained=False, device="cpu")


def small_pair() -> Pair:
    return Pair([small_encoder(modality) for modality in FRAME_MODALITIES])


def clip(
    frames: int, seed: int, vision: bool = True, audio: bool = True, width_px: int = 60
) -> RawClip:
    generator = np.random.default_rng(seed)
    pictures = generator.integers(0, 256, (frames, 40, width_px, 3), dtype=np.uint8)
    sound = generator.integers(-9000, 9000, frames * 8000, dtype=np.int16)
    return RawClip(pictures if vision else None, sound if audio else None, frames / 2)


def same(ours: np.ndarray | None, theirs: np.ndarray | None) -> bool:
    return (ours is None and theirs is None) or (ours is not None and np.array_equal(ours, theirs))


@pytest.mark.parametrize("seed", range(3))
def test_results_do_not_depend_to_the_bit_on_what_was_encoded_before(seed: int) -> None:
    clips = [
        clip(3, 0),
        clip(1, 1, width_px=40),
        clip(40, 2, vision=False),
        clip(21, 3, audio=False, width_px=71),
    ]
    alone = [small_pair().encode(raw) for raw in clips]
    encoder = small_pair()
    for index in np.random.default_rng(seed).permutation(len(clips) * 2) % len(clips):
        made = encoder.encode(clips[index])
        assert same(made.vision, alone[index].vision) and same(made.audio, alone[index].audio)


def test_chunks_of_a_long_clip_give_the_rows_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = clip(21, 0)
    chunks = small_pair().encode(raw)
    monkeypatch.setattr(module, "CHUNK_ROWS", 64)
    whole = small_pair().encode(raw)
    for ours, theirs in ((chunks.vision, whole.vision), (chunks.audio, whole.audio)):
        assert ours is not None and theirs is not None
        np.testing.assert_allclose(ours.astype(float), theirs.astype(float), atol=2e-3)


def test_an_absent_modality_stays_absent() -> None:
    silent, blind = (
        small_pair().encode(raw) for raw in (clip(3, 0, audio=False), clip(3, 0, vision=False))
    )
    assert silent.audio is None and silent.vision is not None and silent.vision.shape == (3, 8)
    assert blind.vision is None and blind.audio is not None and blind.audio.shape == (3, 8)
    assert silent.vision.dtype == blind.audio.dtype == np.float16


@pytest.mark.parametrize(("duration_s", "rows"), [(0.1, 1), (0.5, 1), (0.51, 2), (3.0, 6)])
def test_sound_alone_has_a_row_for_every_half_second_that_begins(
    duration_s: float, rows: int
) -> None:
    raw = RawClip(None, np.ones(round(duration_s * 16000), np.int16), duration_s)
    embeddings = small_pair().encode(raw)
    assert embeddings.audio is not None and len(embeddings.audio) == rows


def test_sound_has_as_many_rows_as_there_are_pictures() -> None:
    raw = RawClip(np.zeros((4, 40, 40, 3), np.uint8), np.ones(9000, np.int16), duration_s=1.6)
    embeddings = small_pair().encode(raw)
    assert embeddings.audio is not None and len(embeddings.audio) == 4


@pytest.mark.skipif(not GOLDEN.exists(), reason=f"the reference's numbers are not at {GOLDEN}")
def test_clips_give_the_reference_embeddings(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "imagebind_small.pth", tmp_path)
    (tmp_path / "imagebind_small.json").write_text('{"vision_heads": 4, "audio_heads": 4}')
    encoder = Pair(load_encoders(str(tmp_path / "imagebind_small.pth"), "cpu"))
    golden = load_file(GOLDEN / "imagebind_small_io.safetensors")
    pictures = golden["vision.image"].permute(0, 2, 3, 1).numpy()  # (3, 224, 224, 3)
    for index, waveform in enumerate(golden["audio.waveform"].numpy()):
        made = encoder.encode(RawClip(pictures, waveform, 1.5))
        assert made.vision is not None and made.audio is not None
        np.testing.assert_allclose(
            made.vision, golden["vision.embedding"].numpy(), atol=2e-3
        )  # float16 rounds by 1e-3
        np.testing.assert_allclose(
            made.audio[2], golden["audio.embedding"][index].numpy(), atol=2e-3
        )  # 0 … 2 s


@pytest.mark.parametrize(
    ("height", "width"), [(224, 298), (398, 224), (225, 301), (112, 112), (113, 300)]
)
def test_pictures_are_resized_as_pillow_does(height: int, width: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    ours = prepare_frames(frames, 112)
    scale = 112 / min(height, width)
    for frame, picture in zip(frames, ours, strict=True):
        image = Image.fromarray(frame).resize(
            (int(width * scale + 1e-9), int(height * scale + 1e-9)), Image.Resampling.BICUBIC
        )
        left, top = round((image.width - 112) / 2), round((image.height - 112) / 2)
        theirs = np.asarray(image.crop((left, top, left + 112, top + 112))).astype(int)
        difference = np.abs(picture.permute(1, 2, 0).numpy().astype(int) - theirs)
        assert difference.max() <= 2 and (difference > 0).mean() < 0.02


def test_read_only_pictures_are_read_and_others_refused() -> None:
    frames = np.zeros((1, 28, 28, 3), np.uint8)
    frames.flags.writeable = False
    assert prepare_frames(frames, 28).shape == (1, 3, 28, 28)
    with pytest.raises(ValueError, match=r"float64 \(1, 28, 28, 3\), expected uint8"):
        prepare_frames(np.zeros((1, 28, 28, 3)), 28)


def test_what_float16_cannot_hold_is_refused_with_the_clip() -> None:
    encoder = small_encoder("vision")
    with torch.no_grad():
        encoder.model.vision.head.weight *= 1e6
    with pytest.raises(
        EncodeError,
        match=r"the embedding of its frames reaches .* beyond the largest float16, 65504",
    ):
        encoder.encode(clip(2, 1))
    encoder = small_encoder("audio")
    with torch.no_grad():
        encoder.model.audio.head.weight[0, 0] = float("nan")
    with pytest.raises(EncodeError, match=r"the embedding of its audio is not finite"):
        encoder.encode(clip(2, 0, vision=False))


@pytest.mark.parametrize(
    "raw", [RawClip(None, None, 2.0), RawClip(None, np.zeros(0, np.int16), 0.0)]
)
def test_a_clip_without_anything_is_refused(raw: RawClip) -> None:
    for modality in FRAME_MODALITIES:
        with pytest.raises(EncodeError, match="it has neither frames nor audio"):
            small_encoder(modality).encode(raw)


def test_fingerprints_tell_weights_architectures_and_samplings_apart() -> None:
    mine = small_encoder("vision").fingerprint(Sampling())
    assert (mine.encoder, mine.trained, mine.width, mine.dtype) == ("small", False, 8, "float16")
    assert mine == small_encoder("vision").fingerprint(Sampling())
    hears = small_encoder("audio").fingerprint(Sampling())
    assert mine.differences(hears) == ["modality: vision, not audio"]
    other = ImageBindEncoder(
        ImageBind(SMALL.__class__(SMALL.vision, SMALL.audio, 8, 42)),
        "vision",
        "small",
        "1" * 64,
        False,
        "cpu",
    )
    assert [line.split(":")[0] for line in mine.differences(other.fingerprint(Sampling()))] == [
        "architecture",
        "weights",
    ]


def test_bf16_needs_cuda() -> None:
    with pytest.raises(ValueError, match="bf16 needs a CUDA device and this encoder is on cpu"):
        ImageBindEncoder(small_model(), "audio", "small", "0" * 64, False, "cpu", bf16=True)
    with pytest.raises(
        CheckpointError, match=r"imagebind-tiny@bf16 needs a GPU \(CUDA\).*leave out @bf16"
    ):
        load_encoders("imagebind-tiny@bf16", "cpu")


def test_tiny_is_an_untrained_draw_until_weights_are_packaged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "PACKAGED_TINY", tmp_path / "tiny.safetensors")
    drawn, _ = load_encoders("imagebind-tiny", "cpu")
    assert (drawn.name, drawn.trained, drawn.width) == ("imagebind-tiny", False, 128)
    write_checkpoint(drawn.model, tmp_path / "tiny.safetensors", torch.float16)
    packaged, _ = load_encoders("imagebind-tiny", "cpu")
    assert packaged.trained and packaged.weights != drawn.weights  # float16 rounded them
    assert packaged.model.config == drawn.model.config
    assert (tmp_path / "tiny.safetensors").stat().st_size <= 4 * 2**20


def test_huge_is_found_or_downloaded_after_the_licence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEMANTICMAC_HOME", str(tmp_path))
    broadcast: list[str] = []

    def fetch(url: str, target: Path, progress: object) -> None:
        broadcast.append(url)
        write_checkpoint(small_model(), tmp_path / "w.safetensors")
        torch.save(load_file(tmp_path / "w.safetensors"), target)
        target.with_suffix(".json").write_text('{"vision_heads": 2, "audio_heads": 3}')

    monkeypatch.setattr(module, "download", fetch)
    for _ in range(2):
        encoder, _ = load_encoders("imagebind-huge", "cpu", notice=broadcast.append)
        assert (encoder.name, encoder.trained, len(encoder.weights)) == ("imagebind-huge", True, 64)
    assert len(broadcast) == 2  # once: the second time it is found
    assert "CC BY-NC-SA 4.0: non-commercial" in broadcast[0]
    assert broadcast[1] == "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"


def test_unknown_encoders_are_refused() -> None:
    choices = r"choose imagebind-tiny, imagebind-huge or a \.pth / \.pt / \.safetensors file"
    with pytest.raises(
        CheckpointError, match=rf"no encoder is called 'imagebind-large': {choices}"
    ):
        load_encoders("imagebind-large")
    with pytest.raises(CheckpointError, match=rf"there is no file none\.pth: {choices}"):
        load_encoders("none.pth")


@pytest.mark.parametrize("modality", FRAME_MODALITIES)
def test_clips_together_are_those_alone_up_to_the_rounding_of_float16(
    modality: FrameModality,
) -> None:
    encoder = small_encoder(modality)
    clips = [
        clip(3, seed=1),
        clip(2, seed=2, vision=False, audio=modality == "audio"),
        clip(17, seed=3),
    ]
    if modality == "vision":
        clips[1] = clip(2, seed=2, vision=False)
    empty = RawClip(None, None, 0.0)
    together = encoder.encode_clips([*clips, empty])
    assert isinstance(together.pop(), EncodeError)
    for raw, rows in zip(clips, together, strict=True):
        alone = encoder.encode(raw)
        if alone is None:
            assert rows is None
            continue
        assert isinstance(rows, np.ndarray) and rows.dtype == np.float16
        np.testing.assert_allclose(rows, alone, rtol=1e-3, atol=1e-4)


def test_one_clip_that_float16_cannot_hold_fails_alone() -> None:
    encoder = small_encoder("vision")
    encoder._run = lambda rows: torch.stack([torch.full((8,), v) for v in (1.0, 1e6, 2.0)])  # type: ignore[method-assign]
    first, second, third = encoder.encode_clips([clip(1, seed) for seed in (1, 2, 3)])
    assert isinstance(second, EncodeError) and "beyond the largest float16" in str(second)
    assert isinstance(first, np.ndarray) and isinstance(third, np.ndarray)
    assert (first == 1).all() and (third == 2).all()


def test_a_gpu_takes_equal_batches_and_a_cpu_its_old_ones() -> None:
    def lengths(rows: int, device: str) -> list[int]:
        return [len(part) for part in split_rows(torch.zeros(rows, 1), torch.device(device))]

    assert lengths(17, "cpu") == [16, 1]
    assert lengths(17, "cuda") == [17]
    assert lengths(GPU_CHUNK_ROWS + 1, "cuda") == [GPU_CHUNK_ROWS // 2 + 1, GPU_CHUNK_ROWS // 2]


def test_the_fingerprint_of_a_gpu_says_that_clips_are_batched() -> None:
    encoder = small_encoder("vision")
    alone = encoder.fingerprint(Sampling())
    encoder.device = torch.device("cuda")
    batched = encoder.fingerprint(Sampling())
    assert not alone.batched and "batched" not in alone.to_dict()
    assert batched.batched and batched.name != alone.name
    assert alone.differences(batched) == ["batched: False, not True"]
    assert type(batched).from_json(batched.to_json()) == batched


@pytest.mark.parametrize("modality", FRAME_MODALITIES)
def test_weights_in_bfloat16_give_the_numbers_of_autocast(modality: FrameModality) -> None:
    shape = (3, 3, 28, 28) if modality == "vision" else (3, 1, 128, 204)
    inputs = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    outputs = []
    for converts in (False, True):
        tower = small_encoder(modality).tower
        if converts:
            keep_in_bfloat16(tower)
            assert tower.head.weight.dtype == torch.bfloat16
            assert tower.positions.dtype == tower.head_norm.weight.dtype == torch.float32
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            outputs.append(tower(inputs))
    assert outputs[0].dtype == outputs[1].dtype == torch.bfloat16
    assert outputs[0].equal(outputs[1])


def test_constants_are_copied_to_a_device_once() -> None:
    pictures = torch.zeros(2, 3, 28, 28, dtype=torch.uint8)
    windows = torch.zeros(2, 32_000, dtype=torch.int16)
    normalise_pixels(pictures), mel_spectrogram(windows)
    with SyncCounter() as syncs:
        normalise_pixels(pictures), mel_spectrogram(windows)
    assert not syncs.counts
