import shutil
import wave

import numpy as np
import pytest
from conftest import forget

from bnnstudy import data
from bnnstudy.data import audio

SAMPLES = np.arange(audio.LENGTH)


def write(file, samples, rate=8_000, channels=1, width=2):
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as stream:
        stream.setparams((channels, width, rate, 0, "NONE", ""))
        stream.writeframes(np.asarray(samples, dtype=f"<i{width}" if width > 1 else "u1").tobytes())


def tone(hertz: float, rate: int = 8_000, seconds: float = 0.5, loud: float = 8_000):
    return loud * np.sin(2 * np.pi * hertz / rate * np.arange(int(rate * seconds)))


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """Two speakers, ten digits, twelve takes; each digit is a tone of its own."""
    monkeypatch.setitem(audio.SOURCES, "fsdd", audio.Source(speakers=2, takes=12))
    forget()
    for digit in range(10):
        for speaker in ("ada", "bob_b"):
            for take in range(12):
                file = tmp_path / "fsdd" / speaker / f"{digit}_{speaker}_{take}.wav"
                write(file, tone(200 * (digit + 1) + take))
    yield tmp_path
    forget()


def test_links_that_lead_back_up_are_followed_once(recordings):
    folder = recordings / "fsdd"
    before = data.load("fsdd", recordings).fingerprint
    for name in ("again", "once more"):
        (folder / name).symlink_to(folder)
    forget()
    assert data.load("fsdd", recordings).fingerprint == before


def test_a_recording_that_takes_an_hour_is_refused_by_its_header(recordings):
    file = recordings / "fsdd" / "ada" / "0_ada_0.wav"
    with file.open("r+b") as stream:  # what the header says of its length, and no samples
        stream.seek(40)
        stream.write((2 * 8_000 * 3600).to_bytes(4, "little"))
    with pytest.raises(ValueError, match=r"0_ada_0.wav must take at most 60 seconds, got 3600"):
        data.load("fsdd", recordings)


def test_takes_make_the_split(recordings):
    loaded = data.load("fsdd", recordings)
    assert [len(s) for s in (loaded.train, loaded.validation, loaded.test)] == [40, 100, 100]
    assert loaded.shape == (1, 32, 32)
    for split in (loaded.train, loaded.validation, loaded.test):
        assert split.labels.bincount().tolist() == [len(split) // 10] * 10
    first = data.load("fsdd", recordings, train_size=20)
    assert first.train.labels.bincount().tolist() == [2] * 10  # one take of each, then the next


def test_a_tone_is_loudest_in_the_band_that_holds_it():
    for hertz in (120, 440, 1_000, 3_000):
        features = audio.log_mel(np.stack([8_000 * np.sin(2 * np.pi * hertz / 8_000 * SAMPLES)]))[0]
        m = 2595 * np.log10(1 + np.array([50, 4_000, hertz]) / 700)
        expected = (m[2] - m[0]) / (m[1] - m[0]) * (audio.BANDS + 1) - 1
        # The fundamental's window is 64 ms, so a low tone reaches into the bands beside its own.
        assert abs(int(features[:, 5].argmax()) - expected) <= 1.5
        assert features.max() == 255


def test_loudness_as_a_whole_changes_nothing_and_silence_is_nothing():
    voice = np.stack([tone(300, seconds=1) * np.linspace(0, 1, 8_000)])
    assert np.array_equal(audio.log_mel(voice), audio.log_mel(0.125 * voice))
    assert not audio.log_mel(np.zeros((1, audio.LENGTH))).any()


def test_a_step_is_its_share_of_eighty_decibels():
    quiet = tone(1_000, seconds=1)
    quiet[4_000:] *= 10 ** (-40 / 20)
    features = audio.log_mel(quiet[None])[0].astype(int)
    band = features[:, 4].argmax()
    assert features[band, 4] - features[band, 24] == pytest.approx(255 / 2, abs=1)


def test_short_recordings_are_filled_with_silence_and_long_ones_cut(recordings):
    folder = recordings / "fsdd" / "ada"
    write(folder / "0_ada_0.wav", tone(440, seconds=0.25))
    write(folder / "0_ada_1.wav", np.concatenate([tone(440, seconds=1), tone(3_000, seconds=2)]))
    loaded = data.load("fsdd", recordings).test
    short, long = loaded.images[0, 0], loaded.images[20, 0]
    assert not short[:, 10:].any()
    first_second = audio.log_mel(tone(440, seconds=1).astype("<i2")[None])[0]
    assert np.array_equal(long.numpy(), first_second)


def test_another_rate_gives_nearly_the_same_features(recordings):
    folder = recordings / "fsdd" / "ada"
    write(folder / "3_ada_0.wav", tone(440))
    write(folder / "4_ada_0.wav", tone(440, rate=48_000), rate=48_000)
    images = data.load("fsdd", recordings).test.images.int()
    difference = (images[6, 0] - images[8, 0]).abs()[:, :14]
    assert difference[images[6, 0, :, :14] > 128].max() <= 3


def test_the_fingerprint_is_of_all_samples(recordings):
    before = data.load("fsdd", recordings).fingerprint
    forget()
    assert data.load("fsdd", recordings).fingerprint == before
    write(recordings / "fsdd" / "ada" / "5_ada_7.wav", tone(1_300))
    forget()
    assert data.load("fsdd", recordings).fingerprint != before


def _overwrite(file, place, value):
    content = bytearray(file.read_bytes())
    content[place] = value
    file.write_bytes(content)


def _truncate(file):
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda file: file.write_bytes(b""),
            r"is no readable wav file \(it ends too soon\); replace it",
        ),
        (lambda file: file.write_bytes(b"RIFF\0\0\0\0nonsense"), "is no readable wav file"),
        (_truncate, "must hold 4000 samples .*, got 3950; it is empty or cut short: replace it"),
        (lambda file: write(file, []), "must hold 0 samples"),
        (lambda file: write(file, tone(100), channels=2), "must be mono, 16 bits, .* got 2 channels"),
        (lambda file: write(file, tone(1) % 256, width=1), "got 1 channels, 8 bits, 8000 Hz"),
        (lambda file: write(file, tone(100), rate=4_000), "got 1 channels, 16 bits, 4000 Hz"),
        (lambda file: write(file, tone(100), rate=10**8), "got 1 channels, 16 bits, 100000000 Hz"),
        (lambda file: file.unlink() or file.mkdir(), "is no readable wav file .*directory"),
        # A chunk that says it goes on beyond the one that holds it.
        (lambda file: _overwrite(file, 17, 0x80), "is no readable wav file"),
    ],
)
def test_a_bad_recording_is_refused_by_name(recordings, spoil, message):
    file = recordings / "fsdd" / "ada" / "7_ada_3.wav"
    spoil(file)
    with pytest.raises(ValueError, match=message) as caught:
        data.load("fsdd", recordings)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "ada" / "7_ada_3.wav").unlink(), "lacks 7_ada_3.wav and 0 others"),
        (lambda folder: shutil.rmtree(folder / "ada"), "2 speakers, got 1 .bob_b.; it is incomplete"),
        (lambda folder: shutil.rmtree(folder / "ada") or shutil.rmtree(folder / "bob_b"), "got 0"),
        (lambda folder: write(folder / "3_ada_12.wav", tone(1)), "has 3_ada_12.wav and 0 others"),
        (lambda folder: write(folder / "x_ada_12.wav", tone(1)), "must be called digit_speaker_take"),
        (lambda folder: write(folder / "noise.wav", tone(1)), "must be called digit_speaker_take"),
        (lambda folder: write(folder / "1_ada_-1.wav", tone(1)), "must be called digit_speaker_take"),
        (lambda folder: write(folder / "٣_ada_1.wav", tone(1)), "must be called digit_speaker_take"),
        (lambda folder: write(folder / "3_ada_1.wav", tone(1)), "are the same take: keep one of them"),
        (lambda folder: write(folder / "ada" / "03_ada_1.wav", tone(1)), "are the same take"),
    ],
)
def test_an_incomplete_folder_is_refused_by_what_is_missing(recordings, spoil, message):
    spoil(recordings / "fsdd")
    with pytest.raises(ValueError, match=message):
        data.load("fsdd", recordings)


def test_hidden_files_are_passed_over_links_followed_and_suffixes_read_in_any_case(recordings):
    before = data.load("fsdd", recordings).fingerprint
    folder = recordings / "fsdd" / "ada"
    (folder / "._0_ada_1.wav").write_bytes(b"\0")
    (folder / "0_ada_0.wav").rename(folder / "0_ada_0.WAV")
    folder.rename(recordings / "elsewhere")
    folder.symlink_to(recordings / "elsewhere")
    forget()
    assert data.load("fsdd", recordings).fingerprint == before


def test_a_folder_that_is_nowhere_says_what_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*audiomnist of wav files.*BNNSTUDY_DATA"):
        data.load("audiomnist", tmp_path)


def test_the_real_recordings_are_read_where_they_are():
    if not (data.default_root() / "fsdd").is_dir():
        pytest.skip("no folder fsdd under BNNSTUDY_DATA")
    loaded = data.load("fsdd")
    assert [len(s) for s in (loaded.train, loaded.validation, loaded.test)] == [2400, 300, 300]
    assert loaded.fingerprint == "78134d7452e1ea4f"
