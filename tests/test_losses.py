"""Learning from a teacher's outputs in place of labels."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from bnnstudy.nn.losses import distillation


def outputs(seed: int, images: int = 6, classes: int = 5) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(images, classes, dtype=torch.float64, generator=random)


def test_distillation_is_its_formula():
    student, teacher = outputs(0), outputs(1)
    expected = 0.0
    for ours, theirs in zip(student.tolist(), teacher.tolist(), strict=True):
        p, q = ([math.exp(y) / sum(map(math.exp, row)) for y in row] for row in (theirs, ours))
        expected -= sum(a * math.log(b) for a, b in zip(p, q, strict=True)) / len(student)
    assert distillation(student, teacher).item() == pytest.approx(expected, rel=1e-12)


def test_a_teacher_that_is_certain_gives_the_labels_cross_entropy():
    student, labels = outputs(2), torch.tensor([0, 4, 2, 2, 1, 3])
    certain = 1e4 * F.one_hot(labels, 5).double()
    torch.testing.assert_close(distillation(student, certain), F.cross_entropy(student, labels))


@given(seed=st.integers(0, 2**16), images=st.integers(1, 8))
def test_its_gradient_is_the_difference_of_the_distributions_and_the_teacher_has_none(seed, images):
    student, teacher = (outputs(seed + k, images).requires_grad_() for k in range(2))
    distillation(student, teacher).backward()
    expected = (student.softmax(1) - teacher.softmax(1)).detach() / images
    torch.testing.assert_close(student.grad, expected)
    assert teacher.grad is None


@given(seed=st.integers(0, 2**16), scale=st.floats(1e-3, 10))
def test_it_is_least_where_both_agree_and_beyond_that_the_kl_divergence(seed, scale):
    teacher = outputs(seed)
    least = distillation(teacher, teacher)
    entropy = torch.distributions.Categorical(logits=teacher).entropy().mean()
    torch.testing.assert_close(least, entropy)
    student = teacher + scale * outputs(seed + 1)
    p, q = teacher.log_softmax(1), student.log_softmax(1)
    kl = F.kl_div(q, p, log_target=True, reduction="batchmean")
    torch.testing.assert_close(distillation(student, teacher) - least, kl, rtol=1e-7, atol=1e-12)
    assert distillation(student, teacher) > least
    # What is added to all classes alike is no change.
    torch.testing.assert_close(distillation(student + 7, teacher - 7), distillation(student, teacher))


def test_large_outputs_overflow_nothing():
    student, teacher = outputs(3).float() * 1e4, outputs(4).float() * 1e4
    assert distillation(student.requires_grad_(), teacher).isfinite()


@pytest.mark.parametrize(
    ("shape", "other"),
    [((6, 5), (6, 4)), ((6, 5), (5, 5)), ((6, 5), (6,)), ((5,), (5,)), ((2, 5, 3), (2, 5, 3))],
)
def test_outputs_of_another_shape_are_refused(shape, other):
    message = f"must both be (N, classes), got {shape} and {other}"
    with pytest.raises(ValueError, match=re.escape(message)):
        distillation(torch.zeros(shape), torch.zeros(other))
