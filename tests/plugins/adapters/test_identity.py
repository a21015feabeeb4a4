import numpy as np

from fib_plugins.adapters.identity import Identity
from fibcore import Images


def test_images_come_back_unchanged():
    data = np.random.default_rng(0).integers(0, 2**16, (2, 3, 4, 5), dtype=np.uint16)
    images = Images(data.copy(), (10.0, 3.0, 3.0), kv=(1.0, 2.0), quantity="counts")
    adapted = Identity().transform(images)
    np.testing.assert_array_equal(adapted.data, data)
    assert adapted.spec == images.spec
    assert adapted.quantity == "counts"
    assert Identity().forecast("transform", {"images": images.spec}).output == images.spec
