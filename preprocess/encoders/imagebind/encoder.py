"""ImageBind as an encoder of stage 1: decoded clips → embeddings, with their fingerprint."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.cache.keys import Fingerprint, Sampling, json_digest
from semanticmac.core import FRAME_MODALITIES, FrameModality
from semanticmac.preprocess.clip import RawClip
from semanticmac.preprocess.encoders.device import exact_float32, pick_device, to_device
from semanticmac.preprocess.encoders.imagebind.checkpoint import read_checkpoint
from semanticmac.preprocess.encoders.imagebind.download import (
    IMAGEBIND_URL,
    LICENCE,
    DownloadProgressFn,
    download,
    download_folder,
    recorded_digest,
)
from semanticmac.preprocess.encoders.imagebind.filterbank import mel_spectrogram, windows_at
from semanticmac.preprocess.encoders.imagebind.names import CheckpointError, weight_file
from semanticmac.preprocess.encoders.imagebind.network import TINY, ImageBind, Tower, draw_weights
from semanticmac.preprocess.encoders.protocol import (
    BF16,
    ClipResult,
    EncodeError,
    require_content,
    row_count,
)

PACKAGED_TINY = Path(__file__).parent / "weights" / "imagebind-tiny.safetensors"
# Identifies the untrained "imagebind-tiny": another seed is another encoder.
TINY_SEED = 20_240_807
# The values of CLIP, also used by ImageBind.
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
FLOAT16_MAX = float(np.finfo(np.float16).max)
# Frames or windows of one clip in one batch on a CPU. Not an option, because the rounding of
# results depends on it. 64 is slower, through cache misses.
CHUNK_ROWS = 16
# Rows of one batch on a GPU, at most, of any clips.
GPU_CHUNK_ROWS = 64


class ImageBindEncoder:
    """One modality of frozen ImageBind: per frame, the output of its head before L2 normalisation.

    See method §1. Both modalities may share one network. With bf16 it computes in bfloat16 on CUDA.
    That is faster and gives other numbers, so the fingerprint differs.
    """

    def __init__(
        self,
        model: ImageBind,
        modality: FrameModality,
        name: str,
        weights: str,  # SHA-256, hex
        trained: bool,
        device: str = "auto",
        bf16: bool = False,
        spec: str = "",  # the file of its weights, if it is not opened by its name
    ) -> None:
        self.device = pick_device(device)
        if bf16 and self.device.type != "cuda":
            raise ValueError(
                f"bf16 needs a CUDA device and this encoder is on {self.device}; drop bf16"
            )
        self.model = model.eval().requires_grad_(False).to(self.device)
        self.modality = modality
        if bf16:
            keep_in_bfloat16(self.tower)
        self.name = name
        self.weights = weights
        self.trained = trained
        self.bf16 = bf16
        self.spec = spec

    @property
    def width(self) -> int:
        """Numbers in one embedding."""
        return self.model.config.output

    @property
    def tower(self) -> Tower:
        """The part of the network that reads this modality."""
        return self.model.vision if self.modality == "vision" else self.model.audio

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        """Identifies the embeddings that this encoder gives for clips with this sampling."""
        architecture = asdict(self.model.config) | {
            "compute": "bfloat16" if self.bf16 else "float32"
        }
        digest = json_digest(architecture)
        return Fingerprint(
            self.modality,
            self.name,
            digest,
            self.weights,
            self.trained,
            self.width,
            sampling,
            batched=self.device.type == "cuda",
            spec=self.spec,
        )

    def encode(self, raw: RawClip) -> np.ndarray | None:
        """(F, E) float16 of one clip; None if it lacks the modality.

        On a CPU a clip never shares a batch with another clip. Matrix kernels round by the shape of
        their batch, so the bytes in the cache would depend on the clips that were encoded together.
        A clip without frames has one row for every k with k/2 < duration_s. Raises EncodeError for
        a clip without any modality, and for embeddings that float16 cannot hold.
        """
        rows = self._rows(raw)
        if rows is None:
            return None
        return self._to_float16(self._run(rows))

    def encode_clips(self, raws: Sequence[RawClip]) -> list[ClipResult]:
        """`encode` of several clips, in batches across their borders."""
        results: list[ClipResult] = [None] * len(raws)
        positions: list[int] = []
        parts: list[Tensor] = []
        for position, raw in enumerate(raws):
            try:
                rows = self._rows(raw)
            except EncodeError as error:
                results[position] = error
                continue
            if rows is not None:
                positions.append(position)
                parts.append(rows)
        if not parts:
            return results

        outputs = self._run(torch.cat(parts))
        lengths = [len(rows) for rows in parts]
        for position, output in zip(positions, torch.split(outputs, lengths), strict=True):
            try:
                results[position] = self._to_float16(output)
            except EncodeError as error:
                results[position] = error
        return results

    def _rows(self, raw: RawClip) -> Tensor | None:
        """The frames or windows of a clip (F, …); None if it lacks the modality."""
        require_content(raw)
        if self.modality == "vision":
            if raw.frames is None:
                return None
            return prepare_frames(raw.frames, self.model.config.picture_px)
        if raw.waveform is None:
            return None
        return windows_at(raw.waveform, row_count(raw))

    def _run(self, rows: Tensor) -> Tensor:
        """Rows (N, …) → (N, width) float32 on the CPU."""
        prepare = normalise_pixels if self.modality == "vision" else mel_spectrogram
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)
        outputs = []
        with torch.inference_mode(), exact_float32(self.device):
            for chunk in split_rows(rows, self.device):
                # Outside autocast: the filterbank needs float32.
                prepared = prepare(to_device(chunk, self.device))
                with autocast:
                    outputs.append(self.tower(prepared).float())
            return torch.cat(outputs).cpu()  # Once: between chunks nothing waits for the GPU.

    def _to_float16(self, embeddings: Tensor) -> np.ndarray:
        source = "frames" if self.modality == "vision" else "audio"
        return _to_float16(embeddings, source)


def split_rows(rows: Tensor, device: torch.device) -> tuple[Tensor, ...]:
    """The batches of an encoder: rows (N, …) in their order.

    A GPU takes long batches of equal length, up to one row: a short last one costs nearly as much
    as a full one. A CPU takes 16 rows and then the rest, as it always did: caches keep their bits.
    """
    if device.type != "cuda":
        return torch.split(rows, CHUNK_ROWS)
    return torch.tensor_split(rows, math.ceil(len(rows) / GPU_CHUNK_ROWS))


def keep_in_bfloat16(tower: Tower) -> None:
    """Converts the weights that autocast would convert in every batch. The numbers are the same.

    Norms, positions and the class token stay in float32.
    """
    for module in tower.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.to(torch.bfloat16)


def prepare_frames(frames: np.ndarray, picture_px: int) -> Tensor:
    """frames (F, H, W, 3) uint8 → (F, 3, P, P) uint8: resized and cropped as ImageBind does.

    The short side becomes P pixels long (bicubic, antialiased), then the centre is cropped.
    ImageBind resizes with Pillow through torchvision. Torch's own antialiased bicubic on uint8
    follows the fixed-point arithmetic of Pillow and takes all frames at once. It always runs on the
    CPU, so that the pixels are the same for every device. Sizes and offsets are rounded as in
    torchvision.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        raise ValueError(
            f"the frames are {frames.dtype} {frames.shape}, expected uint8 (F, H, W, 3)"
        )
    # Copied, because frames from the store are read-only.
    pixels = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2)  # (F, 3, H, W)
    height, width = pixels.shape[2:]
    short = min(height, width)
    if short != picture_px:
        height, width = int(picture_px * height / short), int(picture_px * width / short)
        pixels = F.interpolate(pixels, (height, width), mode="bicubic", antialias=True)
    top, left = round((height - picture_px) / 2), round((width - picture_px) / 2)
    return pixels[:, :, top : top + picture_px, left : left + picture_px]


def normalise_pixels(frames: Tensor) -> Tensor:
    """frames (N, 3, P, P) uint8 → float32 with mean 0 and deviation 1 per channel."""
    mean, std = _pixel_constants(frames.device)
    return (frames.float() / 255 - mean) / std


@cache
def _pixel_constants(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation (3, 1, 1), copied to the device once."""
    with torch.inference_mode(False):  # They may be read outside of it later.
        mean, std = torch.tensor([PIXEL_MEAN, PIXEL_STD]).to(device).view(2, 3, 1, 1)
        return mean, std


def print_notice(text: str) -> None:
    print(text, file=sys.stderr)


def load_encoders(
    name_or_path: str,
    device: str = "auto",
    progress: DownloadProgressFn | None = None,
    notice: Callable[[str], None] = print_notice,
    modalities: Sequence[FrameModality] = FRAME_MODALITIES,
) -> tuple[ImageBindEncoder, ...]:
    """One of ENCODERS, or a .pth / .safetensors file with the official keys → frozen encoders.

    imagebind-tiny uses the packaged weights, or fixed random weights (`trained` is False) if none
    are packaged. imagebind-huge is downloaded to `download_folder()` unless it is there: `notice`
    receives the licence first, `progress` the bytes. A file counts as trained. A name that ends in
    `@bf16` computes in bfloat16, only on CUDA; the ending stays in the name of the encoder. The
    encoders of several modalities share one network. Raises CheckpointError, DownloadError.
    """
    bf16 = name_or_path.endswith(BF16)
    plain = name_or_path.removesuffix(BF16)
    suffix = BF16 if bf16 else ""
    if bf16 and (device == "cpu" or not torch.cuda.is_available()):
        raise CheckpointError(
            f"{name_or_path} needs a GPU (CUDA), and there is none here: leave out {BF16}"
        )

    if plain == "imagebind-tiny":
        trained = PACKAGED_TINY.exists()
        if trained:
            model = read_checkpoint(PACKAGED_TINY)
        else:
            model = ImageBind(TINY)
            draw_weights(model, TINY_SEED)
        digest = weights_digest(model)
        return _of_modalities(model, modalities, plain + suffix, digest, trained, device, bf16)

    spec = ""
    if plain == "imagebind-huge":
        name, path = plain, download_folder() / "imagebind_huge.pth"
        if not path.exists():
            notice(LICENCE)
            download(IMAGEBIND_URL, path, progress)
    else:
        path = weight_file(plain)
        name, spec = path.stem, name_or_path
    # Before the file is read: a file that changed since it was recorded is not even opened.
    digest = recorded_digest(path)
    model = read_checkpoint(path)
    return _of_modalities(model, modalities, name + suffix, digest, True, device, bf16, spec)


def _of_modalities(
    model: ImageBind,
    modalities: Sequence[FrameModality],
    name: str,
    weights: str,
    trained: bool,
    device: str,
    bf16: bool,
    spec: str = "",
) -> tuple[ImageBindEncoder, ...]:
    encoders = []
    for modality in modalities:
        encoders.append(
            ImageBindEncoder(model, modality, name, weights, trained, device, bf16, spec)
        )
    return tuple(encoders)


def weights_digest(model: ImageBind) -> str:
    """SHA-256 of all parameters, by name: each as its name and its little-endian float32 bytes."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.named_parameters()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _to_float16(embeddings: Tensor, source: str) -> np.ndarray:
    """The embeddings as they are stored. Raises EncodeError where float16 would be infinite."""
    if not bool(embeddings.isfinite().all()):
        raise EncodeError(
            f"the embedding of its {source} is not finite; the weights or the input are broken"
        )
    largest = float(embeddings.abs().max())
    if largest > FLOAT16_MAX:
        raise EncodeError(
            f"the embedding of its {source} reaches {largest:.3g}, beyond the largest float16, "
            f"{FLOAT16_MAX:.0f}"
        )
    return embeddings.numpy().astype(np.float16)
