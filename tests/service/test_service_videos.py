"""People in videos are shown by the frame that they are seen in, and only of the very file that was indexed."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from passers_by import RED, put_street, write_street
from PIL import Image
from serving import Sample, serving

from passerby.index.open import create_index


def test_a_crop_and_its_frame_come_from_the_video_that_was_indexed(sample: Sample, tmp_path: Path) -> None:
    video = write_street(tmp_path / "street.mp4")
    with create_index(tmp_path / "index", sample.encoder) as index:
        red, _ = put_street(index, video, dim=sample.encoder.dim)

    with serving(Sample(tmp_path, tmp_path / "index", sample.encoder, sample.street), tmp_path / "service") as client:
        crop = client.http.get(f"/api/v1/crops/{red}-1")
        photo = client.http.get(f"/api/v1/people/{red}/photo")
        video.write_bytes(video.read_bytes() + b"more")
        later = client.http.get(f"/api/v1/people/{red}/photo")

    assert (crop.status_code, photo.status_code, later.status_code) == (200, 200, 410)
    shown = np.asarray(Image.open(BytesIO(crop.content)))
    assert shown.shape[:2] == (50, 20)
    assert np.abs(np.median(shown, axis=(0, 1)) - RED).max() < 40
    assert Image.open(BytesIO(photo.content)).size == (192, 96)
