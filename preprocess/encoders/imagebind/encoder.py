"""The frozen encoder as stage 1 uses it: decoded clips in, embeddings out, and the fingerprint of what made them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.records import Embeddings, frame_count
from semanticmac.preprocess.clip import RawClip
from semanticmac.preprocess.encoders.imagebind.checkpoint import (
    SUFFIXES,
    CheckpointError,
    read_checkpoint,
)
from semanticmac.preprocess.encoders.imagebind.download import (
    IMAGEBIND_URL,
    LICENCE,
    Progress,
    download,
    download_folder,
    recorded_digest,
)
from semanticmac.preprocess.encoders.imagebind.filterbank import mel_spectrogram, windows_at
from semanticmac.preprocess.encoders.imagebind.network import TINY, ImageBind, Tower, draw_weights
from semanticmac.preprocess.encoders.protocol import EncodeError

ENCODERS = ("imagebind-tiny", "imagebind-huge")
PACKAGED_TINY = Path(__file__).parent / "weights" / "imagebind-tiny.safetensors"
# part of what "imagebind-tiny" means while it is untrained: another seed is another encoder
TINY_SEED = 20_240_807
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's, as ImageBind uses them
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
FRAMES_PER_S = 2
BF16 = "@bf16"  # behind an encoder's name: it computes in bfloat16
FLOAT16_MAX = float(np.finfo(np.float16).max)
# frames or windows at once; no option, for results round by it. On a CPU 64 is slower, by cache
# misses
CHUNK_ROWS = 16


class ImageBindEncoder:
    """Frozen ImageBind, one embedding a frame and a modality: the head's output before L2 normalisation (method §1).

    bf16 computes in bfloat16 on CUDA: faster, and other numbers, so the fingerprint differs.
    """

    def __init__(
        self,
        model: ImageBind,
        name: str,
        weights: str,  # SHA-256, hex
        trained: bool,
        device: str = "auto",
        bf16: bool = False,
    ) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if bf16 and not device.startswith("cuda"):
            raise ValueError(f"bf16 needs a CUDA device and this encoder is on {device}; drop bf16")
        self.device = torch.device(device)
        self.model = model.eval().requires_grad_(False).to(self.device)
        self.name = name
        self.weights = weights
        self.trained = trained
        self.bf16 = bf16

    @property
    def width(self) -> int:
        """Numbers in one embedding."""
        return self.model.config.output

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        """What names the folder of everything this encoder makes of clips sampled like that."""
        architecture = asdict(self.model.config) | {
            "compute": "bfloat16" if self.bf16 else "float32"
        }
        digest = hashlib.sha256(json.dumps(architecture, sort_keys=True).encode()).hexdigest()
        return Fingerprint(self.name, digest, self.weights, self.trained, self.width, sampling)

    def encode(self, raw: RawClip) -> Embeddings:
        """A clip → its embeddings; a modality that it lacks stays None. Raises EncodeError where there can be none.

        A clip shares no batch with another: matrix kernels round by the shape of their batch, and
        the bytes in the cache would tell which clips were encoded together. A clip without pictures
        has a row for every k with k/2 < duration_s.
        """
        frames = (
            frame_count(raw.duration_s, FRAMES_PER_S) if raw.frames is None else len(raw.frames)
        )
        if raw.duration_s <= 0 or (raw.frames is None and raw.waveform is None):
            raise EncodeError(f"it has neither picture nor sound (it lasts {raw.duration_s} s)")
        vision = audio = None
        if raw.frames is not None:
            pictures = prepare_frames(raw.frames, self.model.config.picture_px)
            vision = _to_float16(
                self._run(self.model.vision, normalise_pixels, pictures), "picture"
            )
        if raw.waveform is not None:
            windows = windows_at(raw.waveform, frames)
            audio = _to_float16(self._run(self.model.audio, mel_spectrogram, windows), "sound")
        return Embeddings(vision, audio)

    def _run(self, tower: Tower, prepare: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """Rows of one clip (F, …) → (F, width) float32 on the CPU."""
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)
        outputs = []
        with torch.inference_mode():
            for chunk in torch.split(rows, CHUNK_ROWS):
                prepared = prepare(self._sent(chunk))
                with autocast:  # not around prepare: a filter bank in bfloat16 is no filter bank
                    outputs.append(tower(prepared).float())
        return torch.cat(outputs).cpu()  # once: a GPU is not waited for between chunks

    def _sent(self, rows: Tensor) -> Tensor:
        """Rows on the encoder's device.

        A GPU reads pinned memory by itself, while the next chunk is made ready.
        """
        if self.device.type != "cuda":
            return rows.to(self.device)
        return rows.contiguous().pin_memory().to(self.device, non_blocking=True)


def prepare_frames(frames: np.ndarray, picture_px: int) -> Tensor:
    """frames (F, H, W, 3) uint8 → (F, 3, P, P) uint8: short side resized to P, bicubic and antialiased, centre cropped.

    ImageBind resizes with Pillow through torchvision. torch's own antialiased bicubic on uint8
    follows Pillow's fixed-point arithmetic, takes all frames at once, and is run on the CPU
    whatever the device so that the pixels are the same everywhere. Rounding of sizes and offsets is
    torchvision's.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        raise ValueError(
            f"the frames are {frames.dtype} {frames.shape}, expected uint8 (F, H, W, 3)"
        )
    pictures = torch.from_numpy(np.array(frames)).permute(
        0, 3, 1, 2
    )  # (F, 3, H, W); copied, the store's are read-only
    height, width = pictures.shape[2:]
    short = min(height, width)
    if short != picture_px:
        height, width = int(picture_px * height / short), int(picture_px * width / short)
        pictures = F.interpolate(pictures, (height, width), mode="bicubic", antialias=True)
    top, left = round((height - picture_px) / 2), round((width - picture_px) / 2)
    return pictures[:, :, top : top + picture_px, left : left + picture_px]


def normalise_pixels(pictures: Tensor) -> Tensor:
    """pictures (N, 3, P, P) uint8 → float32, the channels with ImageBind's mean 0 and deviation 1."""
    mean, std = (
        torch.tensor(each, device=pictures.device).view(3, 1, 1) for each in (PIXEL_MEAN, PIXEL_STD)
    )
    return (pictures.float() / 255 - mean) / std


def load_encoder(
    name_or_path: str,
    device: str = "auto",
    progress: Progress | None = None,
    notice: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> ImageBindEncoder:
    """One of ENCODERS, or a .pth / .safetensors file with the official keys → the frozen encoder.

    The tiny one has the packaged weights, or a fixed random draw (`trained` False) where none are
    packaged. The huge one is found in `download_folder()` or downloaded there: `notice` is told the licence
    first, `progress` the bytes. A file is taken to be trained. With `@bf16` behind it, it computes
    in bfloat16, on CUDA alone; that stays part of its name, so whoever loads it by its name later
    gets the same. Raises CheckpointError, DownloadError.
    """
    plain, bf16 = name_or_path.removesuffix(BF16), name_or_path.endswith(BF16)
    suffix = BF16 if bf16 else ""
    if bf16 and (device == "cpu" or not torch.cuda.is_available()):
        raise CheckpointError(
            f"{name_or_path} needs a GPU (CUDA), and there is none here: leave out {BF16}"
        )
    if plain == "imagebind-tiny":
        trained = PACKAGED_TINY.exists()
        model = read_checkpoint(PACKAGED_TINY) if trained else ImageBind(TINY)
        if not trained:
            draw_weights(model, TINY_SEED)
        return ImageBindEncoder(
            model, plain + suffix, weights_digest(model), trained, device, bf16=bf16
        )
    if plain == "imagebind-huge":
        name, path = plain, download_folder() / "imagebind_huge.pth"
        if not path.exists():
            notice(LICENCE)
            download(IMAGEBIND_URL, path, progress)
    else:
        path = _weight_file(plain)
        name = path.stem
    weights = recorded_digest(
        path
    )  # first: a file that changed since it was recorded is not even opened
    return ImageBindEncoder(read_checkpoint(path), name + suffix, weights, True, device, bf16=bf16)


def _weight_file(path_as_given: str) -> Path:
    path = Path(path_as_given).expanduser()
    choices = f"choose {', '.join(ENCODERS)} or a {' / '.join(SUFFIXES)} file"
    if path.suffix not in SUFFIXES:
        raise CheckpointError(f"no encoder is called {path_as_given!r}: {choices}")
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}: {choices}")
    return path


def weights_digest(model: ImageBind) -> str:
    """SHA-256 of the parameters: sorted by name, each as its name and its little-endian float32 bytes."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.named_parameters()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _to_float16(embeddings: Tensor, what: str) -> np.ndarray:
    """The embeddings as they are stored; one that float16 cannot hold would be an infinity in the cache."""
    if not bool(embeddings.isfinite().all()):
        raise EncodeError(
            f"the embedding of its {what} is not finite; the weights or the input are broken"
        )
    largest = float(embeddings.abs().max())
    if largest > FLOAT16_MAX:
        raise EncodeError(
            f"the embedding of its {what} reaches {largest:.3g}, beyond float16's {FLOAT16_MAX:.0f}"
        )
    return embeddings.numpy().astype(np.float16)
