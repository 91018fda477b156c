"""The clips before a target clip are those of its dialogue, in their order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from semanticmac.cache.dialogue import preceding_rows
from semanticmac.cache.manifest import Row


def row(clip_id: str, dialogue: str | None, position: int | None) -> Row:
    return Row(
        clip_id,
        clip_id,
        "",
        0.0,
        None,
        "",
        None,
        1,
        0.5,
        True,
        True,
        None,
        dialogue=dialogue,
        position=position,
    )


place = st.tuples(st.sampled_from(["a", "b", None]), st.one_of(st.none(), st.integers(0, 6)))


@settings(max_examples=60, deadline=None)
@given(st.lists(place, max_size=12), st.integers(1, 4))
def test_what_comes_before_is_of_the_dialogue_and_never_of_the_future(
    places: list[tuple[str | None, int | None]], limit: int
) -> None:
    rows = [row(str(i), *where) for i, where in enumerate(places)]
    for target, before in zip(rows, preceding_rows(rows, rows, limit), strict=True):
        earlier = [
            other
            for other in rows
            if None not in (other.dialogue, target.dialogue, other.position, target.position)
            and other.dialogue == target.dialogue
            and other.position < target.position  # type: ignore[operator]
        ]
        assert list(before) == sorted(earlier, key=lambda other: other.position)[-limit:]  # type: ignore[arg-type,return-value]
