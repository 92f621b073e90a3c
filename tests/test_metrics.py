import pytest
import torch

from bnnstudy.training import metrics


def test_flip_ratio_counts_changed_signs_over_all_layers():
    before = [torch.tensor([1.0, -1.0, 0.5]), torch.tensor([[-2.0]])]
    after = [torch.tensor([1.0, 1.0, -0.1]), torch.tensor([[-3.0]])]
    assert metrics.flip_ratio(before, after) == 0.5
    assert metrics.correlation_to_start(before, after) == 0.0
    assert metrics.correlation_to_start(before, before) == 1.0


def test_a_negative_zero_has_a_sign_of_its_own():
    assert metrics.flips(torch.tensor([0.0]), torch.tensor([-0.0])) == 1


@pytest.mark.parametrize("after", [[], [torch.zeros(2)], [torch.zeros(3), torch.zeros(1)]])
def test_lists_that_do_not_match_are_refused(after):
    with pytest.raises(ValueError, match="same shapes"):
        metrics.flip_ratio([torch.zeros(3)] if after else [], after)


def test_saturation_includes_the_edge_and_death_does_not():
    weights = [torch.tensor([0.0, 1.0, -1.0, 1.5])]
    assert metrics.saturation(weights) == 0.75
    assert metrics.beyond(weights) == 0.25
    assert metrics.not_binary(weights) == 2


def test_accuracy_is_a_share():
    outputs = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert metrics.accuracy(outputs, torch.tensor([1, 1, 1])).item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("steps", [1, 2, 7, 500, 100_000])
def test_looks_are_log_spaced_from_the_first_step_to_the_last(steps):
    looks = sorted(metrics.log_spaced(steps, 50))
    assert looks[0] == 1
    assert looks[-1] == steps
    assert len(looks) <= 50
