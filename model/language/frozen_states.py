"""FrozenStates: the hidden states of a language model that does not learn, computed once a text."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LIMIT_BYTES = 2 << 30  # of remembered states; later texts are computed each time


class FrozenStates:
    """Remembers the states of each text. Texts must be padded on the right.

    Each text is computed alone, without padding. Its states therefore have the same bits in every
    batch, before and after a resume, and whether they are remembered or not.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self._states: dict[tuple[object, ...], Tensor] = {}

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __call__(
        self, language: nn.Module, ids: Tensor, mask: Tensor, types: Tensor | None, width: int
    ) -> Tensor:
        """ids, types (B, L) int64; mask (B, L), True = real → states (B, L, width).

        They are zero in padding.
        """
        lengths: list[int] = mask.sum(1).tolist()
        texts: list[list[int]] = ids.tolist()
        segments: list[list[int]] | None = None if types is None else types.tolist()
        hidden = torch.zeros(*ids.shape, width, device=ids.device)
        for row, length in enumerate(lengths):
            if not length:
                continue
            key: tuple[object, ...] = (
                torch.is_autocast_enabled(ids.device.type),
                tuple(texts[row][:length]),
                None if segments is None else tuple(segments[row][:length]),
            )
            states = self._states.get(key)
            if states is None:
                of_row = None if types is None else types[row : row + 1, :length]
                states = _compute(language, ids[row : row + 1, :length], of_row)
                self._remember(key, states)
            hidden[row, :length] = states
        return hidden

    def _remember(self, key: tuple[object, ...], states: Tensor) -> None:
        size = states.numel() * states.element_size()
        if self.bytes + size <= self.limit_bytes:
            self._states[key] = states
            self.bytes += size


# States that were computed in inference mode could not be used in training.
@torch.inference_mode(False)
@torch.no_grad()
def _compute(language: nn.Module, ids: Tensor, types: Tensor | None) -> Tensor:
    """One text without padding (1, L) → (L, D)."""
    ids = ids.clone()
    inputs = [ids, torch.ones_like(ids, dtype=torch.bool)]
    if types is not None:
        inputs.append(types.clone())
    states: Tensor = language(*inputs)[0].float()
    return states
