"""infer without regard to what is found: the engine that finds nothing, and images that do not fit
its settings."""

import numpy as np
import pytest

from chains import chain
from inference import detector_images, infer, stream_of, write_mask
from peers import Push
from support import Run


@pytest.mark.parametrize("output", ["bits", "uint8"])
def test_engine_none_delivers_every_event_with_an_empty_map(tmp_path, output):
    images = detector_images(np.random.default_rng(11), (5, 2, 31, 129), np.dtype("uint16"))
    stream, events = stream_of([images[:3], images[3:]])
    result = infer(tmp_path, stream, {"engine": "none", "output": output, "batch_size": 4})
    assert result.report["events"]["delivered"] == len(result.maps) == len(events)
    assert set(result.peaks.values()) == {0}
    assert not any(segmap.any() for segmap in result.maps.values())


@pytest.mark.parametrize("settings, said", [
    ({"mask": "mask.h5"}, "the mask is 2x30x129; the images are 2 panels of 31x129"),
    ({"pad": {"height": 20, "width": 200}},
     "images of 31x129 pixels do not fit into 'pad' of 20x200"),
    ({"crop": {"height": 31, "width": 100, "left": 30}},
     "'crop' of 31x100 at row 0, column 30 does not lie in images of 31x129 pixels"),
], ids=["mask", "pad", "crop"])
def test_images_that_do_not_fit_fail_with_both_shapes(tmp_path, settings, said):
    write_mask(tmp_path / "mask.h5", np.zeros((2, 30, 129)))
    images = detector_images(np.random.default_rng(17), (3, 2, 31, 129), np.dtype("uint16"))
    with Run(tmp_path, chain(infer={"engine": "threshold", **settings})) as run:
        with Push(run.wait_running().endpoint()) as push:
            push.send_all(stream_of([images])[0])
        report = run.finish()
    assert report["events"]["failed"] == {"wrong shape": 3}
    line, = [line for line in run.lines if "failed: " in line]
    assert f"failed: wrong shape: {said}" in line
