"""ImageNet's folder, in small: its layout, its order and draws, its errors."""

import itertools
import shutil
import sys

import numpy as np
import pytest
import torch

from bnnstudy.data import imagenet

torchvision = pytest.importorskip("torchvision")
v2 = pytest.importorskip("torchvision.transforms.v2")
Image = pytest.importorskip("PIL.Image")

NAMES = ("n01", "n02", "n10")


def save(file, height=90, width=70, seed=0, mode="RGB"):
    file.parent.mkdir(parents=True, exist_ok=True)
    random = torch.Generator().manual_seed(seed)
    # Large patches, which JPEG keeps.
    patches = torch.randint(256, (1, 3, 4, 4), generator=random, dtype=torch.uint8)
    pixels = torch.nn.functional.interpolate(patches, (height, width))[0]
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).convert(mode).save(file, "JPEG")


@pytest.fixture
def root(tmp_path):
    """Three classes, four images of each to train on, two to evaluate on."""
    for label, name in enumerate(NAMES):
        for split, number in (("train", 4), ("val", 2)):
            for k in range(number):
                save(tmp_path / split / name / f"{name}_{k}.JPEG", 60 + 9 * k, 95, 10 * label + k)
    return tmp_path


def epoch(root, split="train", batch_size=5, **changes):
    return list(imagenet.batches(root, split, batch_size, **{"size": 32, **changes}))


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


def test_files_and_labels_are_those_of_torchvisions_own_reader(root):
    (root / "train" / NAMES[0] / "notes.txt").touch()
    save(root / "train" / NAMES[2] / "small.jpg")
    assert set(imagenet.SUFFIXES) == set(torchvision.datasets.folder.IMG_EXTENSIONS)
    for split in imagenet.SPLITS:
        theirs = torchvision.datasets.ImageFolder(root / split)
        assert imagenet.files(root, split) == theirs.samples
        assert list(imagenet.classes(root)) == theirs.classes == list(NAMES)


def test_an_epoch_of_training_has_each_image_at_most_once_in_whole_batches(root):
    read = epoch(root)
    assert [images.shape for images, _ in read] == [(5, 3, 32, 32)] * 2
    assert all(images.dtype == torch.float32 and labels.dtype == torch.int64 for images, labels in read)
    labels = torch.cat([labels for _, labels in epoch(root, batch_size=4)])
    assert labels.bincount().tolist() == [4, 4, 4]
    assert labels.tolist() != sorted(labels.tolist())


def test_an_evaluation_has_all_images_in_order_resized_and_cropped_in_the_middle(root):
    read = epoch(root, "val", batch_size=4, size=56)
    assert [len(labels) for _, labels in read] == [4, 2]
    assert torch.cat([labels for _, labels in read]).tolist() == [0, 0, 1, 1, 2, 2]
    images = torch.cat([images for images, _ in read])
    for image, (file, _) in zip(images, imagenet.files(root, "val"), strict=True):
        whole = Image.open(file)
        height, width = 64, int(64 * whole.width / whole.height)
        whole = whole.resize((width, height), Image.Resampling.BILINEAR)
        left = round((width - 56) / 2)
        middle = whole.crop((left, 4, left + 56, 60))
        pixels = torch.from_numpy(np.array(middle)).permute(2, 0, 1).double() / 255
        mean, std = torch.tensor(imagenet.MEAN), torch.tensor(imagenet.STD)
        expected = (pixels - mean.view(3, 1, 1)) / std.view(3, 1, 1)
        torch.testing.assert_close(image.double(), expected, rtol=1e-4, atol=1e-4)
    assert same(read, epoch(root, "val", batch_size=4, size=56, seed=1))


def test_images_in_folders_of_a_class_are_found_as_torchvision_finds_them(root, tmp_path):
    shutil.copytree(root, tmp_path / "nested")
    first = sorted((tmp_path / "nested/train").iterdir())[0]
    (first / "more" / "b").mkdir(parents=True)
    for k, image in enumerate(sorted(first.glob("*.*"))[:2]):
        shutil.copy(image, first / "more" / ("b" if k else "") / image.name)
    found = imagenet.files(tmp_path / "nested", "train")
    assert found == torchvision.datasets.ImageFolder(str(tmp_path / "nested/train")).samples
    assert len(found) == len(imagenet.files(root, "train")) + 2


def test_the_published_size_is_scaled_to_256_and_cropped_to_224(root, monkeypatch):
    seen, resize = [], v2.Resize
    monkeypatch.setattr(v2, "Resize", lambda side: seen.append(side) or resize(side))
    ((images, _),) = imagenet.batches(root, "val", 6)
    assert seen == [256]
    assert images.shape == (6, 3, 224, 224)


def test_a_seed_is_an_epoch_whoever_reads_it_and_torchs_own_state_stays(root):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, again, other = epoch(root, seed=1), epoch(root, seed=1), epoch(root, seed=2)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(6)
    assert same(one, again)
    assert same(one, epoch(root, seed=1, workers=2))
    assert not same(one, other)
    assert any(not torch.equal(x[1], y[1]) for x, y in zip(one, other, strict=True))


def test_each_epoch_crops_and_mirrors_anew(root):
    # One image, as wide as it is high: brightness rises from left to right, then from top to bottom.
    shutil.rmtree(root / "train")
    ramp = torch.arange(128, dtype=torch.uint8)
    pixels = torch.stack([ramp.expand(128, 128), ramp.expand(128, 128).T, ramp.expand(128, 128)], 2)
    for name in NAMES:
        (root / "train" / name).mkdir(parents=True)
        Image.fromarray(pixels.numpy()).save(root / "train" / name / "ramp.png")
    mirrored, areas = [], []
    for seed in range(40):
        for image in epoch(root, batch_size=3, seed=seed)[0][0]:
            image = image * torch.tensor(imagenet.STD).view(3, 1, 1)
            across = (image[0, :, -1] - image[0, :, 0]).mean().item()
            down = (image[1, -1] - image[1, 0]).mean().item()
            mirrored.append(across < 0)
            assert down > 0
            areas.append(abs(across) * down * (255 / 128) ** 2)
    # Images of one batch have draws of their own: there are 120 of them in 40 batches.
    assert len(set(areas)) > 100
    assert 0.35 < sum(mirrored) / len(mirrored) < 0.65
    # Uniform from 0.08 to 1; each side loses a pixel of the result.
    assert 0.06 < min(areas) < 0.15
    assert 0.8 < max(areas) <= 1.01
    assert sum(areas) / len(areas) == pytest.approx(0.54 * (31 / 32) ** 2, abs=0.08)


def test_lighting_is_the_codes_formula_and_all_but_nothing():
    image = torch.randint(256, (3, 8, 8), dtype=torch.uint8)
    image[:, 0] = torch.tensor([0, 255] * 4, dtype=torch.uint8)
    axes = [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    for draw in ([0.1, -0.2, 0.05], [-3.0, 40.0, 900.0], [2000.0, -300.0, 10.0]):
        lit = imagenet.lighting(image, torch.tensor(draw))
        assert lit.dtype == torch.uint8
        for channel, axis in enumerate(axes):
            lengths = zip(axis, (0.2175, 0.0188, 0.0045), draw, strict=True)
            moved = sum(e * length * d for e, length, d in lengths)
            expected = [int(min(max(v + moved, 0), 255)) for v in image[channel].flatten().tolist()]
            assert lit[channel].flatten().tolist() == expected
    for seed in range(20):
        draw = imagenet.LIGHTING * torch.randn(3, generator=torch.Generator().manual_seed(seed))
        darker = image.int() - imagenet.lighting(image, draw).int()
        assert set(darker.flatten().tolist()) <= {0, 1}
        assert all(len(set(channel[image[c] > 0].tolist())) == 1 for c, channel in enumerate(darker))


def test_training_images_are_lit_and_others_are_not(root):
    for split in imagenet.SPLITS:
        shutil.rmtree(root / split)
        for name in NAMES:
            (root / split / name).mkdir(parents=True)
            Image.new("RGB", (40, 40), (100, 150, 200)).save(root / split / name / "flat.png")
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (imagenet.MEAN, imagenet.STD))
    lowered = {split: set() for split in imagenet.SPLITS}
    for split, found in lowered.items():
        for seed in range(10):
            for image in epoch(root, split, batch_size=3, seed=seed)[0][0]:
                values = ((image * std + mean) * 255).round().int().flatten(1)
                found |= {
                    tuple((torch.tensor([100, 150, 200]) - values[:, k]).tolist()) for k in (0, -1)
                }
    assert lowered["val"] == {(0, 0, 0)}
    # The first axis, by far the longest, moves all three channels the same way.
    assert {(0, 0, 0), (1, 1, 1)} <= lowered["train"] <= set(itertools.product((0, 1), repeat=3))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_images_and_those_for_print_become_colour(root, mode):
    save(root / "val" / NAMES[0] / "a.JPEG", mode=mode)
    images, _ = epoch(root, "val", batch_size=7)[0]
    assert images.shape == (7, 3, 32, 32)


def cut(root):
    file = root / "train" / NAMES[1] / "n02_2.JPEG"
    file.write_bytes(file.read_bytes()[:300])


def empty(root):
    (root / "train" / NAMES[1] / "n02_2.JPEG").write_bytes(b"")


def dangling(root):
    file = root / "train" / NAMES[1] / "n02_2.JPEG"
    file.unlink()
    file.symlink_to(root / "nowhere")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("damage", [cut, empty, dangling])
def test_an_image_that_cannot_be_read_is_named_when_its_turn_comes(root, damage, workers):
    damage(root)
    read = imagenet.batches(root, "train", 1, 32, workers=workers)
    message = r"/train/n02/n02_2\.JPEG cannot be read as an image \(\w+: .*\); replace it"
    with pytest.raises(ValueError, match=message) as caught:
        list(read)
    assert "Traceback" not in str(caught.value)


def test_draws_are_the_same_whatever_the_default_type(root, double_by_default):
    torch.set_default_dtype(torch.float32)
    usual = epoch(root, seed=3)
    torch.set_default_dtype(torch.float64)
    assert same(epoch(root, seed=3), usual)


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (lambda root: shutil.rmtree(root / "val"), FileNotFoundError, r"there is no folder .*/val;"),
        (lambda root: shutil.rmtree(root), FileNotFoundError, r"there is no folder .*/train;"),
        (
            lambda root: [shutil.rmtree(root / "val" / n) for n in NAMES],
            ValueError,
            r"/val has no folder of a class;",
        ),
        (
            lambda root: shutil.rmtree(root / "val" / "n02"),
            ValueError,
            r"must have the same classes: n02 \(1 in all\) in train alone;",
        ),
        (
            lambda root: [(root / "val" / f"m{k}").mkdir() for k in range(5)],
            ValueError,
            r"must have the same classes: m0, m1, m2 \(5 in all\) in val alone;",
        ),
        (
            lambda root: [file.unlink() for file in (root / "train" / "n10").iterdir()],
            ValueError,
            r"/train/n10 has no images;",
        ),
    ],
)
def test_a_folder_that_is_not_as_it_should_be_is_refused_at_once(root, damage, kind, message):
    damage(root)
    expected = r".* expected are .*/train/<class>/\*\.JPEG and .*/val/<class>/\*\.JPEG"
    with pytest.raises(kind, match=message + expected):
        imagenet.batches(root, "train", 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "test"}, "split must be one of train, val; got 'test'"),
        ({"batch_size": 0}, "batch_size must be a whole number of 1 or more, got 0"),
        ({"batch_size": 13}, "batch_size must be at most the 12 training images, got 13"),
        ({"size": 0.5}, "size must be a whole number of 1 or more, got 0.5"),
        ({"seed": -1}, "seed must be a whole number of 0 or more, got -1"),
        ({"workers": True}, "workers must be a whole number of 0 or more, got True"),
    ],
)
def test_bad_arguments_are_refused_at_once_and_by_name(root, arguments, message):
    with pytest.raises(ValueError, match=message):
        imagenet.batches(root, **{"split": "train", "batch_size": 2, **arguments})


def test_without_torchvision_the_error_says_what_has_it(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(
        ImportError, match=r"torchvision, which is not installed: bnnstudy\[downloads\]"
    ):
        imagenet.batches(root, "train", 2)
