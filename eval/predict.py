"""predict: batches through a model, the predictions of all clips returned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from semanticmac.cache.batch import Batch
from semanticmac.core import MODALITIES
from semanticmac.model.build import Network
from semanticmac.run.predictions import Predictions


@torch.inference_mode()
def predict(
    model: Network,
    batches: Iterable[Batch],
    device: torch.device,
    without: Sequence[str] = (),
    *,
    bfloat16: bool = False,
) -> Predictions:
    """Runs the model in evaluation mode; afterwards it is in the mode that it was in before.

    without: modalities that are made absent in every clip. bfloat16: as in training with
    precision=bfloat16; the predictions keep the precision of the model's output. The outputs stay
    on the device until the last batch, so that a GPU never waits for this process.
    """
    kept = torch.tensor([[name not in without for name in MODALITIES]])  # (1, 3)
    drops = not bool(kept.all())
    kept = kept.to(device)
    was_training = model.training
    model.eval()
    clip_ids: list[str] = []
    truth, outputs, present = [], [], []
    for batch in batches:
        moved = batch.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            output = model(moved.keep(kept) if drops else moved)
        scored = batch.scored_clips()
        clip_ids += [batch.clip_ids[clip] for clip in scored]
        truth.append(batch.labels[scored].double().numpy())
        assert output.present is not None
        outputs.append(output.sub_tasks().double())
        present.append(output.present)
    model.train(was_training)
    return Predictions(
        tuple(clip_ids),
        np.concatenate(truth),
        torch.cat(outputs).cpu().numpy(),
        torch.cat(present).cpu().numpy(),
    )
