"""Images as addresses."""

import base64
import io

import numpy as np
from PIL import Image

from viz.pictures import data_url


def test_a_picture_comes_back_pixel_by_pixel() -> None:
    image = np.arange(6 * 5, dtype=np.uint8).reshape(6, 5) * 8
    head, coded = data_url(image).split(",")
    assert head == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(coded)))), image)
