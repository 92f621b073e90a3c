import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bnnstudy import data
from bnnstudy.config.run import RunConfig
from bnnstudy.training import loop


@pytest.mark.parametrize("name", ["none", "crop_flip"])
def test_of_many_networks_each_has_its_own_augmentation(name):
    images = torch.randint(256, (3, 5, 2, 9, 7), dtype=torch.uint8)
    numbers = torch.stack([torch.randperm(20)[:5] for _ in range(3)])
    seeds = [torch.Generator().manual_seed(k) for k in range(3)]
    found = data.augmentation_of_many(name, 20, seeds, "cpu")(images, numbers)
    for k in range(3):
        own = data.augmentation(name, 20, torch.Generator().manual_seed(k), "cpu")
        assert torch.equal(found[k], own(images[k], numbers[k]))


@given(
    seed=st.integers(0, 1000), channels=st.integers(1, 3), height=st.integers(1, 12),
    width=st.integers(1, 12), padding=st.integers(0, 5),
)  # fmt: skip
def test_crop_flip_is_pad_crop_and_mirror_image_by_image(seed, channels, height, width, padding):
    random = torch.Generator().manual_seed(seed)
    shape = (6, channels, height, width)
    images = torch.randint(256, shape, generator=random, dtype=torch.uint8)
    shifts = torch.randint(2 * padding + 1, (6, 2), generator=random)
    mirrored = torch.randint(2, (6,), generator=random).bool()
    found = data.crop_flip(images, shifts, mirrored, padding)
    for image, (down, right), mirror, changed in zip(images, shifts, mirrored, found, strict=True):
        padded = torch.zeros(channels, height + 2 * padding, width + 2 * padding, dtype=torch.uint8)
        padded[:, padding : padding + height, padding : padding + width] = image
        cropped = padded[:, down : down + height, right : right + width]
        assert torch.equal(changed, cropped.flip(2) if mirror else cropped)


def test_the_draws_are_uniform_over_shifts_and_mirrors_and_the_middle_changes_nothing():
    images = torch.zeros(20_000, 1, 9, 9, dtype=torch.uint8)
    images[:, :, 4, 4], images[:, :, 4, 5] = 200, 100  # the place tells the shift, the order the mirror
    augment = data.augmentation("crop_flip", len(images), torch.Generator().manual_seed(0), "cpu")
    changed = augment(images, torch.arange(len(images)))[:, 0]
    places = (changed == 200).flatten(1).double().argmax(1)
    counts = places.bincount(minlength=81)
    # 247 expected of each of 81 places, with a standard deviation of 16.
    assert counts.min() > 247 - 5 * 16
    assert counts.max() < 247 + 5 * 16
    columns = [(changed == value).any(1).double().argmax(1) for value in (200, 100)]
    both = (changed == 100).flatten(1).any(1)
    right = (columns[1] > columns[0])[both].double().mean()
    assert abs(right - 0.5) < 0.02
    still = data.crop_flip(images, torch.full((20_000, 2), 4), torch.zeros(20_000).bool())
    assert torch.equal(still, images)


def test_the_same_generator_gives_the_same_images_in_any_order_of_batches():
    images = torch.randint(256, (50, 3, 8, 8), dtype=torch.uint8)
    one, same, other = (
        data.augmentation("crop_flip", 50, torch.Generator().manual_seed(s), "cpu") for s in (1, 1, 2)
    )
    numbers = torch.randperm(50)
    assert torch.equal(one(images[numbers], numbers), same(images, torch.arange(50))[numbers])
    assert not torch.equal(one(images, torch.arange(50)), other(images, torch.arange(50)))


def test_no_augmentation_draws_nothing():
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    images = torch.randint(256, (5, 1, 8, 8), dtype=torch.uint8)
    assert data.augmentation("none", 5, generator, "cpu")(images, torch.arange(5)) is images
    assert torch.equal(generator.get_state(), before)
    with pytest.raises(ValueError, match="augmentation must be one of none, crop_flip; got 'mixup'"):
        data.augmentation("mixup", 5, generator, "cpu")


def test_training_sees_augmented_images_and_evaluation_does_not(digits, monkeypatch):
    seen = []
    inputs = data.Dataset.inputs

    def remember(self, images, dtype):
        seen.append(images)
        return inputs(self, images, dtype)

    monkeypatch.setattr(data.Dataset, "inputs", remember)
    config = RunConfig(width=8, depth=1, epochs=1, augmentation="crop_flip")
    loop.fit(config, digits)
    *batches, validation, test = seen
    assert torch.equal(validation, digits.validation.images)
    assert torch.equal(test, digits.test.images)
    known = {image.numpy().tobytes() for image in digits.train.images}
    trained = [image.numpy().tobytes() in known for batch in batches for image in batch]
    # One of 162 draws leaves an image as it was.
    assert 0 < sum(trained) / len(trained) < 0.05
