"""Vision encoders of transformers: CLIP, SigLIP, SigLIP2, DINOv2 and DINOv3, one row a frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from semanticmac.cache.keys import Fingerprint, Sampling, json_digest
from semanticmac.cache.records import RawClip
from semanticmac.core import FrameModality
from semanticmac.preprocess.encoders.device import exact_float32, pick_device, to_device
from semanticmac.preprocess.encoders.identity import Identity
from semanticmac.preprocess.encoders.images import (
    HALF,
    ImageSettings,
    check_frames,
    normalise,
    patch_grid,
    prepare_images,
    read_image_settings,
    resize,
)
from semanticmac.preprocess.encoders.pretrained import (
    LayerOutput,
    class_for,
    load_model,
    open_checkpoint,
)
from semanticmac.preprocess.encoders.protocol import (
    ClipResult,
    EncodeError,
    encode_each,
    require_content,
)
from semanticmac.preprocess.encoders.rows import to_float16
from semanticmac.preprocess.encoders.spec import EncoderSpec

# Kind → `model_type` in config.json → class of transformers.
CLASSES = {
    "clip": {
        "clip": "CLIPVisionModelWithProjection",
        "clip_vision_model": "CLIPVisionModelWithProjection",
    },
    "siglip": {
        "siglip": "SiglipVisionModel",
        "siglip_vision_model": "SiglipVisionModel",
        "siglip2": "Siglip2VisionModel",
        "siglip2_vision_model": "Siglip2VisionModel",
    },
    "dino": {
        "dinov2": "Dinov2Model",
        "dinov2_with_registers": "Dinov2WithRegistersModel",
        "dinov3_vit": "DINOv3ViTModel",
    },
}
# CLIP's class depends on this entry too: a file without projection has no weights for one.
PLAIN_CLIP = "CLIPVisionModel"
# Frames of one clip in one batch on a CPU. Not an option, because rounding depends on it.
CHUNK_ROWS = 16
# Frames of one batch on a GPU, at most, of any clips.
GPU_CHUNK_ROWS = 64
NAFLEX_PATCHES = 256
CACHED_PX = Sampling().short_side_px

# Frames of one clip → the inputs of the model.
PrepareFn = Callable[[np.ndarray], dict[str, Tensor]]


class TransformersVision:
    """A frozen vision model: per frame its pooled output, or the state of a layer.

    Without a layer it is the projection of CLIP, the pooler of SigLIP, the class token of DINO.
    With a layer it is the class token after that layer; SigLIP has none, so it is the mean of the
    patches.
    """

    modality: FrameModality = "vision"

    def __init__(
        self,
        model: nn.Module,
        prepare: PrepareFn,
        identity: Identity,
        layer: LayerOutput | None = None,
        class_token: bool = True,
        device: str = "auto",
        remark: str = "",
    ) -> None:
        """remark: what the user must know about these embeddings."""
        self.device = pick_device(device)
        self.model = model.to(self.device)
        self.prepare = prepare
        self.identity = identity
        self.name = identity.name
        self._layer = layer
        self._chunk_rows = GPU_CHUNK_ROWS if self.device.type == "cuda" else CHUNK_ROWS
        self._class_token = class_token
        self.remark = remark

    @property
    def width(self) -> int:
        """Numbers in one embedding."""
        return self.identity.width

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        """Identifies the embeddings that this encoder gives for clips with this sampling."""
        fingerprint = self.identity.fingerprint(sampling)
        return replace(fingerprint, batched=self.device.type == "cuda")

    def encode(self, raw: RawClip) -> np.ndarray | None:
        """(F, width) float16, row k of the frame at k/2 s; None for a clip without frames.

        On a CPU a batch has frames of one clip only. Raises EncodeError for embeddings that float16
        cannot hold.
        """
        require_content(raw)
        if raw.frames is None:
            return None
        check_frames(raw.frames)
        outputs = []
        for first in range(0, len(raw.frames), self._chunk_rows):
            inputs = self.prepare(raw.frames[first : first + self._chunk_rows])
            outputs.append(self.forward(inputs))
        return to_float16(torch.cat(outputs).cpu().numpy(), "frames")

    def encode_clips(self, raws: Sequence[RawClip]) -> list[ClipResult]:
        """`encode` of several clips, in batches across their borders.

        Clips are encoded one by one where the model reads frames of any size.
        """
        prepared: dict[int, dict[str, Tensor]] = {}
        for position, raw in enumerate(raws):
            if raw.frames is not None and len(raw.frames):
                check_frames(raw.frames)
                prepared[position] = self.prepare(raw.frames)
        sizes = set()
        for inputs in prepared.values():
            sizes.add(tuple(tensor.shape[1:] for tensor in inputs.values()))
        if len(sizes) != 1:
            return encode_each(self, raws)

        lengths = [len(next(iter(inputs.values()))) for inputs in prepared.values()]
        outputs = self._run_together(list(prepared.values()), sum(lengths))
        results: list[ClipResult] = [None] * len(raws)
        for position, output in zip(prepared, torch.split(outputs, lengths), strict=True):
            try:
                results[position] = to_float16(output.numpy(), "frames")
            except EncodeError as error:
                results[position] = error
        return results

    def _run_together(self, prepared: Sequence[dict[str, Tensor]], rows: int) -> Tensor:
        """The inputs of several clips → (rows, width) float32 on the CPU, in equal batches."""
        joined = {}
        for name in prepared[0]:
            joined[name] = torch.cat([inputs[name] for inputs in prepared])
        count = math.ceil(rows / GPU_CHUNK_ROWS)
        outputs = []
        for number in range(count):
            chunk = slice(number * rows // count, (number + 1) * rows // count)
            outputs.append(self.forward({name: joined[name][chunk] for name in joined}))
        return torch.cat(outputs).cpu()

    @torch.inference_mode()
    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Prepared frames → (F, width) float32 on the device."""
        moved = {name: to_device(tensor, self.device) for name, tensor in inputs.items()}
        with exact_float32(self.device):
            output = self.model(**moved)
        if self._layer is not None:
            states = self._layer.take()
            return states[:, 0] if self._class_token else states.mean(dim=1)
        return _pooled(output)


def _pooled(output: Any) -> Tensor:
    projected: Tensor | None = getattr(output, "image_embeds", None)
    if projected is not None:
        return projected
    pooled: Tensor | None = output.pooler_output
    if pooled is not None:
        return pooled
    states: Tensor = output.last_hidden_state  # A SigLIP without a pooling head.
    return states.mean(dim=1)


def load_vision(spec: EncoderSpec, device: str) -> TransformersVision:
    """The frozen encoder of a folder. Raises CheckpointError if it holds another kind of model."""
    checkpoint = open_checkpoint(spec.source)
    model_type = str(checkpoint.config.get("model_type"))
    class_name = class_for(spec.kind, checkpoint, CLASSES)
    if spec.kind == "clip" and checkpoint.architecture == PLAIN_CLIP:
        class_name = PLAIN_CLIP
    config = vision_config(checkpoint.config)
    model = load_model(checkpoint, class_name, config)
    loaded: Any = model.config
    output = None
    if spec.layer is not None:
        output = LayerOutput(model, spec.layer, loaded.num_hidden_layers, spec.name)

    fields = checkpoint.preprocessing("image_processor")
    prepare: PrepareFn
    preparation: dict[str, Any]
    remark = ""
    if class_name == "Siglip2VisionModel":
        preparation = naflex_settings(fields, loaded.patch_size)
        prepare = naflex_prepare(preparation)
    else:
        settings = read_image_settings(fields, model_type)
        preparation = settings.to_dict()
        prepare = _still(settings)
        if settings.input_px > CACHED_PX:
            remark = (
                f"{spec.name} reads frames of {settings.input_px} pixels, and the cache stores "
                f"{CACHED_PX}: they are enlarged"
            )

    projected = class_name == "CLIPVisionModelWithProjection" and spec.layer is None
    width = loaded.projection_dim if projected else loaded.hidden_size
    architecture = json_digest([class_name, config, preparation, spec.layer, "float32"])
    identity = Identity(
        "vision", spec.name, architecture, checkpoint.weights_digest(), width, spec.text
    )
    class_token = spec.kind != "siglip"
    return TransformersVision(model, prepare, identity, output, class_token, device, remark)


def vision_config(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a configuration that describes the vision tower."""
    tower = config.get("vision_config")
    if not isinstance(tower, dict):
        return config
    if "projection_dim" in config:
        return {**tower, "projection_dim": config["projection_dim"]}
    return tower


def _still(settings: ImageSettings) -> PrepareFn:
    def prepare(frames: np.ndarray) -> dict[str, Tensor]:
        return {"pixel_values": prepare_images(frames, settings)}

    return prepare


def naflex_settings(fields: dict[str, Any], patch: int) -> dict[str, Any]:
    """The entries of a preprocessor_config.json that a SigLIP2 NaFlex model needs."""
    return {
        "patch": patch,
        "mean": list(fields.get("image_mean") or HALF),
        "std": list(fields.get("image_std") or HALF),
        "resample": int(fields.get("resample", 2)),
        "scale": float(fields.get("rescale_factor", 1 / 255)),
        "most": int(fields.get("max_num_patches", NAFLEX_PATCHES)),
    }


def naflex_prepare(fields: dict[str, Any]) -> PrepareFn:
    """SigLIP2 reads patches of frames with about their own aspect ratio, padded to a fixed count.

    A mask hides the padding from attention.
    """
    patch, most = int(fields["patch"]), int(fields["most"])
    settings = ImageSettings(
        tuple(fields["mean"]), tuple(fields["std"]), fields["resample"], scale=fields["scale"]
    )

    def prepare(frames: np.ndarray) -> dict[str, Tensor]:
        count = len(frames)
        height, width = frames.shape[1:3]
        rows, columns = patch_grid(height, width, patch, most)
        used = rows * columns
        pixels = torch.zeros(count, most, patch * patch * 3)
        for number, frame in enumerate(frames):
            resized = resize(frame, (rows * patch, columns * patch), settings.resample)
            scaled = (resized.astype(np.float64) * settings.scale).astype(np.float32)
            picture = normalise(torch.from_numpy(scaled).permute(2, 0, 1), settings)
            grid = picture.reshape(3, rows, patch, columns, patch)
            pixels[number, :used] = grid.permute(1, 3, 2, 4, 0).reshape(used, -1)
        mask = torch.zeros(count, most, dtype=torch.int32)
        mask[:, :used] = 1
        shapes = torch.tensor([[rows, columns]] * count)
        return {"pixel_values": pixels, "pixel_attention_mask": mask, "spatial_shapes": shapes}

    return prepare
