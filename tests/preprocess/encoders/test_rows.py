"""Windows of rows, and embeddings that float16 cannot hold."""

from __future__ import annotations

import numpy as np
import pytest

from semanticmac.preprocess.encoders.protocol import EncodeError
from semanticmac.preprocess.encoders.rows import to_float16, window_means, window_slices


def test_windows_hold_the_states_with_their_centre_inside():
    centre, step, states = 200, 320, 159
    for row, window in enumerate(window_slices(states, centre, step, 7)):
        inside = []
        for j in range(states):
            if row * 8000 - 16_000 <= centre + j * step < row * 8000 + 16_000:
                inside.append(j)
        assert list(range(states))[window] == inside


def test_a_window_without_a_state_gets_the_nearest():
    assert window_slices(3, 200, 320, 9)[-1] == slice(2, 3)
    assert (
        window_means(np.arange(3.0)[:, None], 200, 320, 9)[:, 0].tolist() == [1.0] * 3 + [2.0] * 6
    )


def test_what_float16_cannot_hold_is_an_error():
    with pytest.raises(EncodeError, match="not finite"):
        to_float16(np.array([[np.nan]]), "audio")
    with pytest.raises(EncodeError, match="beyond the largest float16"):
        to_float16(np.array([[1e6]]), "audio")
