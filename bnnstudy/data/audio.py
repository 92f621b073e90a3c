"""Recordings of spoken digits as log-mel features, from a folder of wav files."""

import hashlib
import os
import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy  # its own rooms are imported when first used: `scipy.signal` takes a second

from bnnstudy.config import checks
from bnnstudy.data.images import CLASSES, Parts, digest_of

RATE = 8_000
"""Samples a second, to which every recording is brought."""

HIGHEST_RATE = 192_000
"""More samples a second than any recorder takes: a damaged header."""

LONGEST = 60
"""Seconds that a recording of one digit may take."""

LENGTH = 8_000
"""Samples of a recording that are used: one second, filled up with silence or cut."""

WINDOW, HOP = 512, 250
"""Samples of a frame (64 ms) and between two frames (31.25 ms)."""

BANDS, FRAMES = 32, LENGTH // HOP
"""Mel bands and frames of the features, 32 x 32."""

SHAPE = (1, BANDS, FRAMES)
"""The features of a recording as an image, (C, H, W)."""

DIGITS = 10
TEST_TAKES, VALIDATION_TAKES = range(5), range(5, 10)
"""The takes of each speaker and digit that are the test set and the validation set."""

FLOOR = -80.0
"""Decibels below a recording's loudest value that count as silence."""

LOWEST, HIGHEST = 50.0, RATE / 2
"""The edges of the mel bands, in hertz."""


@dataclass(frozen=True)
class Source:
    """A published set of recordings: each speaker says each digit `takes` times."""

    speakers: int
    takes: int = 50

    def sizes(self) -> tuple[int, int, int]:
        """Recordings for training, validation and test."""
        apart = len(VALIDATION_TAKES), len(TEST_TAKES)
        each = (self.takes - sum(apart), *apart)
        train, validation, test = (self.speakers * DIGITS * takes for takes in each)
        return train, validation, test


SOURCES = {"fsdd": Source(speakers=6), "audiomnist": Source(speakers=60)}
"""The published data sets of recordings by name: a folder each, whatever its folders inside."""


def read(name: str, root: Path) -> tuple[Parts, str]:
    """The features of a set of recordings under `root/<name>`, and the fingerprint of its samples.

    The fingerprint is of every recording with its digit, speaker and take (`images.digest_of`).

    Files are called `{digit}_{speaker}_{take}.wav`, mono, 16 bits, 8 to 192 kHz, in any folder below.
    Takes 0 to 4 are the test set by the convention of FSDD's authors, 5 to 9 validate, the others
    train, take by take, so that the first recordings are of all speakers and digits.

    Raises:
        ValueError, FileNotFoundError: as `bnnstudy.data.load`.
    """
    folder = root / name
    if not checks.is_folder(folder):
        raise FileNotFoundError(
            f"no data: there is no folder {folder} of wav files; "
            "put it there, or name another root with --data or BNNSTUDY_DATA"
        )
    files = _files(folder)
    _require_complete(files, SOURCES[name], folder)
    order = sorted(files, key=lambda key: (key[2], key[0], key[1]))
    digests: list[bytes] = []
    features = np.concatenate(list(_features(order, files, digests)))
    labels = np.array([digit for digit, _, _ in order], dtype=np.uint8)
    takes = np.array([take for _, _, take in order])
    test, validation = np.isin(takes, TEST_TAKES), np.isin(takes, VALIDATION_TAKES)
    masks = (~(test | validation), validation, test)
    parts = tuple((features[mask], labels[mask]) for mask in masks)
    return parts, digest_of([digests])


def log_mel(recordings: np.ndarray) -> np.ndarray:
    """Log-mel features of recordings: (N, 8000) samples at 8 kHz to (N, 32, 32) uint8.

    A Hann window of 512 samples (64 ms) every 250 (31.25 ms), centred on its moment; the squared
    modulus of its Fourier transform, summed over 32 triangles that are evenly spaced from 50 Hz to
    4 kHz on the mel scale, m = 2595 log10(1 + f / 700); in decibels below the recording's loudest
    value, of which 80 are kept: 255 is the loudest, 0 is -80 dB and less, a step is 0.31 dB. Rows are
    bands, the lowest first; columns are time. Loudness as a whole changes nothing; silence is all 0.
    """
    transform = scipy.signal.ShortTimeFFT(scipy.signal.get_window("hann", WINDOW), HOP, fs=RATE)
    power = transform.spectrogram(recordings.astype(np.float64), p0=0, p1=FRAMES)
    mel = _triangles(transform.f) @ power
    loudest = mel.max(axis=(1, 2), keepdims=True)
    relative = np.divide(mel, loudest, out=np.zeros_like(mel), where=loudest > 0)
    decibels = 10 * np.log10(np.maximum(relative, 10 ** (FLOOR / 10)))
    return np.rint((1 - decibels / FLOOR) * 255).astype(np.uint8)


def _triangles(frequencies: np.ndarray) -> np.ndarray:
    """(bands, frequencies): each band rises from the middle of the one below, falls to the next."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (LOWEST, HIGHEST))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    below, middle, above = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - below) / (middle - below), (above - frequencies) / (above - middle)
    return np.maximum(0.0, np.minimum(rising, falling))


def _features(
    order: list[tuple[int, str, int]],
    files: dict[tuple[int, str, int], Path],
    digests: list[bytes],
) -> Iterable[np.ndarray]:
    # In portions, so that 30,000 recordings fit into memory as well.
    for start in range(0, len(order), 500):
        recordings = [_read(files[key]) for key in order[start : start + 500]]
        for key, recording in zip(order[start : start + 500], recordings, strict=True):
            digests.append(hashlib.sha256(f"{key} ".encode() + recording.tobytes()).digest())
        yield log_mel(np.stack([_one_second(recording) for recording in recordings]))


def _one_second(recording: np.ndarray) -> np.ndarray:
    return np.pad(recording[:LENGTH], (0, max(0, LENGTH - len(recording))))


def _files(folder: Path) -> dict[tuple[int, str, int], Path]:
    """All wav files by (digit, speaker, take); hidden ones are left out, links followed."""
    found: dict[tuple[int, str, int], Path] = {}
    for file in sorted(_below(folder)):
        key = _named(file)
        if key in found:
            raise ValueError(f"{file} and {found[key]} are the same take: keep one of them")
        found[key] = file
    return found


def _below(folder: Path) -> Iterator[Path]:
    """The wav files in a folder and those below it, each of which is gone through once."""
    seen = set()
    for path, folders, names in os.walk(folder, followlinks=True):
        real, names = os.path.realpath(path), [*names, *folders]  # a folder of such a name is refused
        # Links may lead back up: two of them would be followed without end.
        folders[:] = [] if real in seen else [name for name in folders if not name.startswith(".")]
        if real not in seen:
            wavs = (name for name in names if name.lower().endswith(".wav"))
            yield from (Path(path, name) for name in wavs if not name.startswith("."))
        seen.add(real)


def _named(file: Path) -> tuple[int, str, int]:
    """(digit, speaker, take) of a file."""
    digit, _, rest = file.stem.partition("_")
    speaker, _, take = rest.rpartition("_")
    numbers = all(part.isascii() and part.isdecimal() for part in (digit, take))
    if not (numbers and speaker and int(digit) < CLASSES):
        raise ValueError(f"{file} must be called digit_speaker_take.wav, with a digit from 0 to 9")
    return int(digit), speaker, int(take)


def _require_complete(files: dict[tuple[int, str, int], Path], source: Source, folder: Path) -> None:
    speakers = sorted({speaker for _, speaker, _ in files})
    if len(speakers) != source.speakers:
        raise ValueError(
            f"{folder} must hold recordings of {source.speakers} speakers, got {len(speakers)} "
            f"({', '.join(speakers[:8])}); it is incomplete or another set: unpack it again"
        )
    wanted = {
        (digit, speaker, take)
        for digit in range(CLASSES)
        for speaker in speakers
        for take in range(source.takes)
    }
    for difference, what in ((wanted - files.keys(), "lacks"), (files.keys() - wanted, "has")):
        if difference:
            digit, speaker, take = min(difference)
            raise ValueError(
                f"{folder} {what} {digit}_{speaker}_{take}.wav and {len(difference) - 1} others "
                f"{'of' if what == 'lacks' else 'beyond'} its {len(wanted)} recordings: unpack it again"
            )


def _wrong_header(channels: int, width: int, rate: int, frames: int) -> str:
    """What is wrong with what a recording's header says of it; empty if nothing is."""
    if (channels, width) != (1, 2) or not RATE <= rate <= HIGHEST_RATE:
        return (
            f"must be mono, 16 bits, {RATE} to {HIGHEST_RATE} Hz, got {channels} channels, "
            f"{8 * width} bits, {rate} Hz"
        )
    if frames > LONGEST * rate:
        return f"must take at most {LONGEST} seconds, got {frames / rate:.0f}; replace it"
    return ""


def _read(file: Path) -> np.ndarray:
    """The samples of a recording at 8 kHz."""
    try:
        with wave.open(os.fspath(file)) as stream:
            channels, width, rate = stream.getparams()[:3]
            frames = stream.getnframes()
            # The header before the body, of which it may claim any length.
            wrong = _wrong_header(channels, width, rate, frames)
            content = b"" if wrong else stream.readframes(frames)
    except (wave.Error, EOFError, OSError, RuntimeError) as error:  # `wave` has all of them
        reason = str(error) or "it ends too soon"
        raise ValueError(f"{file} is no readable wav file ({reason}); replace it") from error
    if wrong:
        raise ValueError(f"{file} {wrong}")
    if frames == 0 or len(content) != 2 * frames:
        raise ValueError(
            f"{file} must hold {frames} samples (at least 1), got {len(content) // 2}; "
            "it is empty or cut short: replace it"
        )
    samples = np.frombuffer(content, dtype="<i2")
    if rate == RATE:
        return samples
    common = np.gcd(rate, RATE)
    resampled = scipy.signal.resample_poly(samples.astype(np.float64), RATE // common, rate // common)
    return np.clip(np.rint(resampled), -(2**15), 2**15 - 1).astype("<i2")
