"""One loss as one number."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from lrwidget.losses import as_float


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        np.float16(1.5),
        np.float32(1.5),
        np.float64(1.5),
        np.array(1.5),
        np.array([1.5]),
        np.array([[1.5]]),
        torch.tensor(1.5),
        torch.tensor(1.5, dtype=torch.bfloat16),
        torch.tensor([1.5]),
        torch.tensor(1.5, requires_grad=True),
        Fraction(3, 2),
        Decimal("1.5"),
    ],
    ids=lambda v: f"{type(v).__name__}-{getattr(v, 'dtype', '')}-{getattr(v, 'shape', '')}",
)
def test_anything_that_stands_for_one_real_number_is_a_loss(value):
    """Floats, scalars, arrays and tensors of one element give their number as a float."""
    result = as_float(value, 0)
    assert type(result) is float
    assert result == 1.5


def test_ints_and_non_finite_losses_are_numbers():
    """Whole numbers count, and NaN and infinity pass: the stop rule judges them."""
    assert as_float(3, 0) == 3.0
    assert as_float(torch.tensor(3), 0) == 3.0
    assert np.isnan(as_float(float("nan"), 0))
    assert as_float(np.float32("inf"), 0) == float("inf")


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (None, "NoneType None"),
        ("0.5", "str '0.5'"),
        (b"0.5", "bytes b'0.5'"),
        (1 + 2j, r"complex \(1\+2j\)"),
        (np.complex64(1), "complex64"),
        (torch.tensor(1 + 0j), "Tensor tensor"),
        (np.zeros(16), r"ndarray of shape \(16,\)"),
        (np.zeros(0), r"ndarray of shape \(0,\)"),
        (torch.zeros(4, 2), r"Tensor of shape \(4, 2\)"),
        ([0.5], r"list \[0.5\]"),
        ({"loss": 0.5}, r"dict \{'loss': 0.5\}"),
        (np.array("x"), "ndarray array"),
    ],
)
def test_anything_else_is_refused_with_the_step_and_what_to_return(value, got):
    """The message names the step, what came, and what to return."""
    with pytest.raises(TypeError, match=rf"step 7: need one real number as the loss, got {got}.*; return"):
        as_float(value, 7)
