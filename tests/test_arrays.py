"""Arrays as arguments: what comes back is a copy of 64-bit floats; what is none is refused by name."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bnnstudy.config import arrays

FLOATS = st.floats(-1e100, 1e100)


@given(st.lists(FLOATS, min_size=1))
def test_whatever_holds_the_numbers_they_come_back_as_they_were(values):
    for kind in (list, tuple, np.array, lambda row: torch.tensor(row, dtype=torch.float64)):
        found = arrays.numbers("values", kind(values))
        assert found.dtype == np.float64
        assert found.tolist() == values


def test_what_comes_back_is_a_copy():
    given_, before = np.array([1.0, 2.0]), [1.0, 2.0]
    arrays.numbers("values", given_)[0] = 5.0
    assert given_.tolist() == before


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("x", {}),
        ([1.0, float("inf")], {}),
        ([], {}),
        ([[1.0], [1.0, 2.0]], {"dims": 2}),
        ([1.0, 2.0], {"dims": 2}),
        ([[1.0]], {"dims": 2, "least": 2}),
        ([[], []], {"dims": 2}),
        ([10**400], {}),
        (1.0, {}),
    ],
)
def test_what_is_no_such_array_is_refused(value, asked):
    with pytest.raises(ValueError, match=r"^values must be a (row|table) of numbers, .*each from"):
        arrays.numbers("values", value, **asked)


def test_a_row_may_be_empty_where_that_is_said():
    assert arrays.numbers("values", [], least=0).size == 0
