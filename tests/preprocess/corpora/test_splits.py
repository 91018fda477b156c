"""Splits that the project makes: whole groups, near their shares, the same everywhere."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from semanticmac.preprocess.corpora.splits import assign_splits, tenth_for_valid


@given(st.lists(st.sampled_from("abcdefghijklmnop"), max_size=60))
def test_a_made_split_keeps_groups_whole_and_fills_what_it_can(groups):
    splits = assign_splits(groups)
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))
    kinds = len(set(groups))
    expected = (
        [set(), {"train"}, {"train", "valid"}][kinds] if kinds < 3 else {"train", "valid", "test"}
    )
    assert set(splits) == expected


def test_a_made_split_is_near_its_shares_and_does_not_depend_on_the_machine():
    counts = Counter(assign_splits([f"clip{i}" for i in range(1000)]))
    assert counts == {"train": 700, "valid": 150, "test": 150}
    assert assign_splits(["a", "b", "c", "d", "e", "f"]) == [
        "train",
        "train",
        "train",
        "test",
        "train",
        "valid",
    ]


@given(st.sets(st.text(min_size=1), max_size=50))
def test_a_tenth_is_a_tenth_whatever_the_order(names):
    tenth = tenth_for_valid(sorted(names))
    assert tenth == tenth_for_valid(sorted(names, reverse=True))
    assert tenth <= names
    assert len(tenth) == (max(1, round(len(names) / 10)) if len(names) > 1 else 0)
