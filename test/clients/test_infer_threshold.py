"""infer's engine threshold against NumPy, which follows gpu/threshold.h by brute force."""

import numpy as np
import pytest
import scipy.ndimage

from inference import START, detector_images, infer, stream_of, write_mask
from support import expected, messages


# ---------------------------------------------------------------- the judge

def windows(values, radius):
    """Sums over the window of (2 radius + 1)^2 about each pixel, clipped at the edges; exact."""
    side = 2 * radius + 1
    padded = np.pad(values.astype(np.int64), radius)
    rows = np.lib.stride_tricks.sliding_window_view(padded, side, axis=0).sum(axis=-1)
    return np.lib.stride_tricks.sliding_window_view(rows, side, axis=1).sum(axis=-1)


def threshold(image, bad=False, radius=7, clip=4, min_sigma=4, snr=7, min_intensity=90,
              max_share=0.8, grow_snr=2, grow_adu=8, min_pixels=3):
    """The five steps of gpu/threshold.h for one image. A mean is a sum s over a count n, so the
    conditions are multiplied by n: d = n (x - mean), and v is n^2 times the variance."""
    good = np.isfinite(image) & ~np.broadcast_to(bad, image.shape)
    adu = np.clip(np.where(good, image, 0).astype(float), -2.0**19, 2.0**19)
    x = np.rint(128 * adu).astype(np.int64)

    def background(counts):
        n, s, squares = (windows(values * counts, radius) for values in (good, x, x * x))
        v = n.astype(np.longdouble) * squares - s.astype(np.longdouble) ** 2
        return n, s, np.maximum(v, (n * 128 * min_sigma).astype(np.longdouble) ** 2)

    def exceeds(d, sigmas, v):
        return (d > 0) & (d.astype(np.longdouble) ** 2 > np.longdouble(sigmas) ** 2 * v)

    counts = good
    for _ in range(2):
        n, s, v = background(counts)
        counts = good & ~exceeds(n * x - s, clip, v)
    n, s, v = background(counts)
    d = n * x - s
    lit = (good & (8 * n >= (2 * radius + 1) ** 2) & exceeds(d, grow_snr, v)
           & (d > 128 * grow_adu * n))

    number = windows(good, 1)
    intensity = n * windows(x, 1) - number * s
    brightest = scipy.ndimage.maximum_filter(np.where(good, x, -2**26), 3, mode="constant",
                                             cval=-2**26)
    seed = (lit & (windows(lit, 1) >= min_pixels) & exceeds(intensity, snr, v * number)
            & (intensity > 128 * min_intensity * n)
            & (n * brightest - s < max_share * intensity))
    return seed | lit & scipy.ndimage.binary_dilation(seed, np.ones((3, 3)))


def threshold_map(event, bad=False, **settings):
    """The map of an event in the layout of the file: panels one below the other."""
    panels = event.reshape(-1, *event.shape[-2:])
    masks = np.broadcast_to(bad, panels.shape)
    return np.concatenate([threshold(*pair, **settings) for pair in zip(panels, masks)])


# ---------------------------------------------------------------- maps

SHAPES = [(1, 1), (1, 200), (5, 7), (31, 129), (3, 85, 93)]


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32", "float64"])
def test_threshold_gives_exactly_the_documented_map(tmp_path, dtype):
    random = np.random.default_rng(7)
    batches = [detector_images(random, (events, *shape), np.dtype(dtype))
               for shape in SHAPES for events in (3, 1)]
    if dtype in ("int32", "float32", "float64"):
        # Cut to 2^19 ADU, the first pixel has less than 'max_share' of the spot's light.
        batches[-1][0, 0, 40, 40:43] = [1e9, 1e5, 1e5]
    stream, events = stream_of(batches)
    result = infer(tmp_path, stream, {"engine": "threshold"})
    assert sorted(result.maps) == list(range(len(events)))
    found = dict.fromkeys(SHAPES, 0)
    for number, event in enumerate(events):
        np.testing.assert_array_equal(result.maps[number], threshold_map(event), str(event.shape))
        found[event.shape] += int(result.maps[number].sum())
    assert found[31, 129] > 100 and found[3, 85, 93] > 500, "there was hardly anything to find"


@pytest.mark.parametrize("limit", [{"grow_adu": 8, "grow_snr": 0}, {"grow_adu": 0, "grow_snr": 2}],
                         ids=["grow_adu", "grow_snr at min_sigma"])
def test_threshold_takes_a_pixel_above_the_limit_and_none_at_it(tmp_path, limit):
    images = np.zeros((3, 31, 129), np.int16)
    images[:, 14:17, 60] = 100  # the spot, next to which the pixel is
    for image, height in zip(images, [7, 8, 9]):
        image[15, 61:63] = height, -height  # so that the mean is exactly 0
    result = infer(tmp_path, stream_of([images])[0], {"engine": "threshold", "threshold": limit})
    assert [int(result.maps[number][15, 61]) for number in range(3)] == [0, 0, 1]
    for number, image in enumerate(images):
        np.testing.assert_array_equal(result.maps[number], threshold_map(image, **limit))


@pytest.mark.parametrize("settings", [
    {"radius": 1, "clip": 1.5, "min_sigma": 0, "snr": 3, "min_intensity": 20, "max_share": 1,
     "grow_snr": 0.5, "grow_adu": 0, "min_pixels": 1},
    {"radius": 15, "clip": 3, "min_sigma": 2.5, "snr": 4.5, "min_intensity": 33.3,
     "max_share": 0.55, "grow_snr": 1.7, "grow_adu": 4.2, "min_pixels": 5},
], ids=["smallest window", "largest window"])
def test_threshold_follows_its_settings(tmp_path, settings):
    random = np.random.default_rng(8)
    stream, events = stream_of([detector_images(random, (2, 2, 85, 93), np.dtype("float32")),
                                detector_images(random, (2, 31, 129), np.dtype("uint16"))])
    result = infer(tmp_path, stream, {"engine": "threshold", "threshold": settings})
    for number, event in enumerate(events):
        np.testing.assert_array_equal(result.maps[number], threshold_map(event, **settings))
        assert result.maps[number].any()
        assert (result.maps[number] != threshold_map(event)).any(), "the defaults give the same"


@pytest.mark.sanitizer
@pytest.mark.parametrize("padding", [None, {"height": 96, "width": 130, "style": "center"},
                                     {"height": 96, "width": 130, "style": "bottom-right"}],
                         ids=["not padded", "center", "bottom-right"])
def test_threshold_leaves_masked_pixels_out_whatever_the_padding(tmp_path, padding):
    random = np.random.default_rng(9)
    images = detector_images(random, (3, 2, 85, 93), np.dtype("float32"))
    bad = random.random((2, 85, 93)) < 0.05
    bad[1, 20:60, 30:80] = True
    stream, events = stream_of([images[:2], images[2:]])
    settings = {"engine": "threshold", "mask": write_mask(tmp_path / "mask.h5", bad)}
    result = infer(tmp_path, stream, settings | ({"pad": padding} if padding else {}))
    for number, event in enumerate(events):
        wanted = threshold_map(event, bad)
        np.testing.assert_array_equal(result.maps[number], wanted)
        assert (wanted != threshold_map(event)).any(), "the mask makes no difference"
        assert not result.maps[number][bad.reshape(-1, 93)].any()


@pytest.mark.parametrize("crop, rows, columns", [
    ({"height": 70, "width": 80}, slice(7, 77), slice(6, 86)),
    ({"height": 70, "width": 80, "top": 15, "left": 0}, slice(15, 85), slice(0, 80)),
    ({"height": 85, "width": 1, "left": 92}, slice(0, 85), slice(92, 93)),
], ids=["middle", "corner", "column"])
@pytest.mark.parametrize("pad", [{}, {"pad": {"height": 96, "width": 130, "style": "center"}}],
                         ids=["not padded", "padded"])
def test_threshold_sees_nothing_of_what_is_cropped(tmp_path, crop, rows, columns, pad):
    random = np.random.default_rng(19)
    images = detector_images(random, (3, 2, 85, 93), np.dtype("uint16"))
    bad = random.random((2, 85, 93)) < 0.05
    stream, events = stream_of([images[:2], images[2:]])
    settings = {"engine": "threshold", "mask": write_mask(tmp_path / "mask.h5", bad),
                "crop": crop, **pad}
    result = infer(tmp_path, stream, settings)
    for number, event in enumerate(events):
        wanted = np.zeros((2, 85, 93), np.uint8)
        inside = threshold_map(np.ascontiguousarray(event[:, rows, columns]),
                               np.ascontiguousarray(bad[:, rows, columns]))
        wanted[:, rows, columns] = inside.reshape(2, -1, wanted[:, rows, columns].shape[2])
        np.testing.assert_array_equal(result.maps[number], wanted.reshape(-1, 93))
        labels = [scipy.ndimage.label(panel, np.ones((3, 3)))[1] for panel in wanted]
        assert result.peaks[number] == sum(labels)


@pytest.mark.parametrize("name", ["hdf5_bslz4_u16_panels", "hdf5_bslz4_i16_odd", "hdf5_none_f32",
                                  "hdf5_gzip_f64_default"])
def test_threshold_on_captured_messages_gives_exactly_the_documented_map(tmp_path, name):
    truth = expected(name)
    result = infer(tmp_path, messages(name), {"engine": "threshold"})
    for stamp, image in zip(truth["timestamp_u64"], truth["images"], strict=True):
        wanted = threshold_map(image)
        assert wanted.any()
        np.testing.assert_array_equal(result.maps[int(stamp) - START], wanted)


def test_instances_and_micro_batches_do_not_change_what_threshold_finds(tmp_path):
    random = np.random.default_rng(10)
    stream, events = stream_of([detector_images(random, (n, 2, 31, 129), np.dtype("int16"))
                                for n in (3, 1, 4, 2)])
    for name, settings in {"two": {"instances": 2, "batch_size": 5}, "bytes": {"output": "uint8"},
                           "many": {"batch_size": 64, "max_wait": "2 ms"}}.items():
        (tmp_path / name).mkdir()
        result = infer(tmp_path / name, stream, {"engine": "threshold", **settings})
        for number, event in enumerate(events):
            np.testing.assert_array_equal(result.maps[number], threshold_map(event))
