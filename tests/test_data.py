import tracemalloc

import numpy as np
import pytest
import torch
from conftest import forget

from bnnstudy import data
from bnnstudy.data import images


def test_digits_are_split_once_and_for_all(digits):
    assert [len(s) for s in (digits.train, digits.validation, digits.test)] == [1197, 200, 400]
    assert digits.shape == (1, 8, 8)
    assert digits.fingerprint == "1cf1f67f93a81ea0"
    rows = [s.images.flatten(1) for s in (digits.train, digits.validation, digits.test)]
    together = torch.cat(rows)
    # 1,797 images, of which scikit-learn holds no exact duplicate: no image is in two parts.
    assert len(torch.unique(together, dim=0)) == len(together)


def test_every_digit_is_in_every_part(digits):
    for split in (digits.train, digits.validation, digits.test):
        assert split.labels.unique().tolist() == list(range(10))


def test_inputs_are_standardised_by_the_training_set(digits):
    inputs = digits.inputs(digits.train.images, torch.float64)
    assert inputs.mean().abs() < 1e-12
    assert abs(inputs.std() - 1) < 1e-12
    assert digits.train.images.dtype == torch.uint8  # the data itself is left as it is


def test_the_validation_set_is_the_last_tenth_of_training(tiny_mnist):
    root, arrays = tiny_mnist
    loaded = data.load("mnist", root)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (36, 4, 10)
    assert np.array_equal(loaded.validation.images[:, 0].numpy(), arrays["train_images"][36:])
    assert np.array_equal(loaded.test.labels.numpy(), arrays["test_labels"])


def test_a_smaller_training_set_takes_the_first_images_and_leaves_the_rest(tiny_mnist):
    root, arrays = tiny_mnist
    small, whole = data.load("mnist", root, train_size=5), data.load("mnist", root)
    assert np.array_equal(small.train.images[:, 0].numpy(), arrays["train_images"][:5])
    assert torch.equal(small.validation.images, whole.validation.images)
    assert small.fingerprint == whole.fingerprint
    for size in (37, -1, 1.5, "5", None):
        with pytest.raises(ValueError, match="train_size must be 0 to 36 for mnist, got"):
            data.load("mnist", root, train_size=size)


def test_colour_images_become_channels_first(tmp_path, monkeypatch):
    monkeypatch.setitem(images.SOURCES, "cifar10", images.Source((32, 32, 3), 20, 10, "CIFAR10"))
    forget()
    pixels = np.random.default_rng(1).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(30) % 10
    np.savez(tmp_path / "cifar10.npz", train_images=pixels[:20], train_labels=labels[:20],
             test_images=pixels[20:], test_labels=labels[20:])  # fmt: skip
    loaded = data.load("cifar10", tmp_path)
    forget()
    assert loaded.shape == (3, 32, 32)
    assert torch.equal(loaded.test.images[3, 2], torch.from_numpy(pixels[23, :, :, 2]))


def _broken(key, change):
    return lambda arrays: arrays | {key: change(arrays[key])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_broken("train_images", lambda x: x[:-1]), r"train_images must have shape \(40, 28, 28\)"),
        (
            _broken("train_images", lambda x: x[:, :14]),
            r"train_images must have shape .* got \(40, 14, 28\)",
        ),
        (_broken("test_labels", lambda x: x[:0]), "test_labels is empty"),
        (
            _broken("train_images", lambda x: x * np.float32("nan")),
            "train_images must be uint8 .* float32",
        ),
        (
            _broken("train_images", lambda x: x / np.float32(255)),
            "train_images must be uint8 .* float32",
        ),
        (_broken("train_labels", lambda x: x + 5), "train_labels must be 0 to 9"),
        (_broken("train_labels", lambda x: x.astype(float)), "train_labels must be integers"),
        (lambda arrays: {k: v for k, v in arrays.items() if k != "test_images"}, "test_images missing"),
    ],
)
def test_wrong_data_is_refused_by_file_and_by_what_is_wrong(tiny_mnist, change, message):
    root, arrays = tiny_mnist
    np.savez(root / "mnist.npz", **change(arrays))
    with pytest.raises(ValueError, match=message) as caught:
        data.load("mnist", root)
    assert str(root / "mnist.npz") in str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 1000, -1])
def test_a_file_cut_short_is_refused(tiny_mnist, keep):
    root, _ = tiny_mnist
    file = root / "mnist.npz"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"mnist\.npz cannot be read .* replace it"):
        data.load("mnist", root)


def test_data_that_is_nowhere_says_what_was_looked_for(tmp_path, monkeypatch):
    datasets = pytest.importorskip("torchvision.datasets")

    def refuse(*arguments, **options):
        raise RuntimeError("no network")

    monkeypatch.setattr(datasets.MNIST, "download", refuse)
    forget()
    with pytest.raises(FileNotFoundError, match=r"mnist\.npz.*no network.*--data or BNNSTUDY_DATA"):
        data.load("mnist", tmp_path)


def test_other_data_under_a_known_name_is_refused(tiny_mnist, monkeypatch):
    root, arrays = tiny_mnist
    mean = arrays["train_images"].mean() / 255
    small = images.Source((28, 28), 40, 10, "MNIST", mean=(round(mean, 4),))
    monkeypatch.setitem(images.SOURCES, "mnist", small)
    data.load("mnist", root)
    forget()
    np.savez(root / "mnist.npz", **arrays | {"train_images": arrays["train_images"] // 2})
    with pytest.raises(ValueError, match=r"mnist\.npz: this is not mnist: the training .* replace it"):
        data.load("mnist", root)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"test_images": np.zeros((10, 28, 28), np.uint8)}, "the test images' mean is"),
        ({"train_labels": np.zeros(40, np.uint8)}, "the training images' labels are not"),
        ({"test_labels": np.zeros(10, np.uint8)}, "the test images' labels are not"),
    ],
)
def test_labels_and_test_images_are_looked_at_too(tiny_mnist, monkeypatch, spoil, message):
    root, arrays = tiny_mnist
    means = [(arrays[f"{part}_images"].mean() / 255,) for part in ("train", "test")]
    counts = [tuple(np.bincount(arrays[f"{p}_labels"], minlength=10)) for p in ("train", "test")]
    source = images.Source((28, 28), 40, 10, "MNIST", *means, *counts)
    monkeypatch.setitem(images.SOURCES, "mnist", source)
    forget()
    data.load("mnist", root)
    np.savez(root / "mnist.npz", **arrays | spoil)
    forget()
    with pytest.raises(ValueError, match=message):
        data.load("mnist", root)


def test_a_relative_root_follows_the_working_folder(tiny_mnist, tmp_path, monkeypatch):
    root, _ = tiny_mnist
    (root / "inner").mkdir()
    monkeypatch.chdir(root)
    data.load("mnist", ".")
    monkeypatch.chdir(root / "inner")
    monkeypatch.setattr(images, "_from_torchvision", lambda name, root: pytest.fail("looked for"))
    with pytest.raises(pytest.fail.Exception, match="looked for"):
        data.load("mnist", ".")


def test_each_channel_is_standardised_by_its_own_mean(tmp_path, monkeypatch):
    pixels = np.random.default_rng(1).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    pixels[..., 1] //= 4
    source = images.Source((8, 8, 3), 20, 10, "CIFAR10", mean=tuple(pixels[:20].mean((0, 1, 2)) / 255))
    monkeypatch.setitem(images.SOURCES, "cifar10", source)
    forget()
    np.savez(tmp_path / "cifar10.npz", train_images=pixels[:20], train_labels=np.arange(20) % 10,
             test_images=pixels[20:], test_labels=np.arange(10))  # fmt: skip
    loaded = data.load("cifar10", tmp_path)
    forget()
    inputs = loaded.inputs(loaded.train.images, torch.float64)
    assert inputs.mean((0, 2, 3)).abs().max() < 1e-12
    assert (inputs.transpose(0, 1).flatten(1).std(1) - 1).abs().max() < 1e-12


@pytest.mark.parametrize(
    "name",
    [
        "MNIST/raw/train-images-idx3-ubyte",
        "MNIST/raw/t10k-labels-idx1-ubyte",
        "MNIST/raw/train-images-idx3-ubyte.gz",
        "cifar-10-batches-py/data_batch_3",
        "cifar-10-batches-py/test_batch",
        "cifar-10-python.tar.gz",
    ],
)
def test_a_half_downloaded_file_of_torchvisions_is_refused_by_name(tmp_path, name):
    pytest.importorskip("torchvision")
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\0" * 5000)
    forget()
    with pytest.raises(ValueError, match=r"half downloaded \(5000 bytes\); delete it") as caught:
        data.load("mnist" if "MNIST" in name else "cifar10", tmp_path)
    assert str(file) in str(caught.value)


def test_files_of_torchvisions_that_hold_something_else_are_named(tmp_path):
    pytest.importorskip("torchvision")
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        for kind, size in (("images-idx3", 16 + 784 * count), ("labels-idx1", 8 + count)):
            with (raw / f"{part}-{kind}-ubyte").open("wb") as file:
                file.truncate(size)
    forget()
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte is damaged or half downloaded"):
        data.load("mnist", tmp_path)


def test_a_header_is_believed_before_its_body_is_read(tiny_mnist):
    """A small file that claims a large array is refused for what it claims, at no cost."""
    root, arrays = tiny_mnist
    with (root / "mnist.npz").open("wb") as stream:
        np.savez_compressed(stream, **arrays | {"test_images": np.zeros((10**5, 28, 28), np.uint8)})
    assert (root / "mnist.npz").stat().st_size < 2e5
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"test_images must have shape \(10, 28, 28\), got \(100000, "):
        data.load("mnist", root)
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()


def test_without_a_home_the_digits_are_there_and_others_say_what_is_missing(monkeypatch):
    def homeless(self):
        raise RuntimeError("Could not determine home directory.")

    forget()
    monkeypatch.delenv("BNNSTUDY_DATA", raising=False)
    monkeypatch.setattr("pathlib.Path.expanduser", homeless)
    assert data.load("digits").name == "digits"
    with pytest.raises(ValueError, match=r"BNNSTUDY_DATA .* must name a folder"):
        data.load("mnist")


def test_torchvisions_own_files_are_read(tmp_path):
    """The idx files of MNIST, written anew from the real images, give the same data."""
    pytest.importorskip("torchvision")
    real = data.default_root() / "mnist.npz"
    if not real.exists():
        pytest.skip("no mnist.npz under BNNSTUDY_DATA")
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    arrays = np.load(real)
    for part, name in (("train", "train"), ("test", "t10k")):
        pictures, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        header = np.array([2051, len(pictures), 28, 28], dtype=">i4").tobytes()
        (raw / f"{name}-images-idx3-ubyte").write_bytes(header + pictures.tobytes())
        header = np.array([2049, len(labels)], dtype=">i4").tobytes()
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(header + labels.astype(np.uint8).tobytes())
    forget()
    assert data.load("mnist", tmp_path).fingerprint == data.load("mnist").fingerprint


def test_an_unknown_name_is_refused():
    with pytest.raises(
        ValueError, match="dataset must be one of digits, mnist, cifar10, fsdd, audiomnist; got 'svhn'"
    ):
        data.load("svhn")


def test_the_root_is_an_environment_variable_or_a_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("BNNSTUDY_DATA", str(tmp_path))
    assert data.default_root() == tmp_path
    monkeypatch.delenv("BNNSTUDY_DATA")
    assert data.default_root().parts[-2:] == (".cache", "bnnstudy")


def test_the_real_mnist_is_read_where_it_is(request):
    if not (data.default_root() / "mnist.npz").exists():
        pytest.skip("no mnist.npz under BNNSTUDY_DATA")
    mnist = data.load("mnist")
    assert [len(s) for s in (mnist.train, mnist.validation, mnist.test)] == [54_000, 6_000, 10_000]
    assert mnist.fingerprint == "7a9a4e57533a9a9f"


def test_the_real_cifar10_is_read_where_it_is():
    if not (data.default_root() / "cifar10.npz").exists():
        pytest.skip("no cifar10.npz under BNNSTUDY_DATA")
    cifar10 = data.load("cifar10")
    assert [len(s) for s in (cifar10.train, cifar10.validation, cifar10.test)] == [
        45_000,
        5_000,
        10_000,
    ]
    assert cifar10.shape == (3, 32, 32)
    published = torch.tensor([0.4914, 0.4822, 0.4465])
    assert (cifar10.mean.flatten() / 255 - published).abs().max() < 1e-3
