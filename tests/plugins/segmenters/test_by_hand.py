import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.segmenters.by_hand import ByHand
from fib_plugins.unlabelled import UNLABELLED
from fibcore import FibError, Images, Labels
from fibcore.materials import EPOXY, GOLD

SIZE_NM = (10.0, 5.0, 5.0)


def stack(depth: int = 6) -> Images:
    grey = np.random.default_rng(0).random((depth, 4, 5), np.float32)
    return Images(grey, SIZE_NM, kv=(2.0,))


def drawn(number: int = 2) -> Labels:
    data = np.random.default_rng(1).integers(0, 2, (number, 4, 5), np.uint8)
    data[0, 0] = UNLABELLED
    return Labels(data, (1.0, 1.0, 1.0), {0: GOLD, 1: EPOXY})


def test_slices_get_their_places_and_the_rest_is_unlabelled() -> None:
    found = ByHand(slices=(4, 1)).predict(stack(), labels=drawn())
    np.testing.assert_array_equal(found.data[[4, 1]], drawn().data)
    assert (found.data[[0, 2, 3, 5]] == UNLABELLED).all()
    assert found.voxel_size_nm == SIZE_NM
    assert found.phases == {0: GOLD, 1: EPOXY}


def test_the_forecast_is_what_is_made() -> None:
    given = {"images": stack().spec, "labels": drawn().spec}
    forecast = ByHand(slices=(4, 1)).forecast("predict", given)
    assert forecast.output == ByHand(slices=(4, 1)).predict(stack(), labels=drawn()).spec


def test_slices_that_do_not_fit_are_refused() -> None:
    with pytest.raises(FibError, match="names slice 6, the stack has 6: use numbers from 0 to 5"):
        ByHand(slices=(1, 6)).predict(stack(), labels=drawn())
    with pytest.raises(FibError, match="labels of 2 slices, and slices names 3"):
        ByHand(slices=(1, 2, 3)).predict(stack(), labels=drawn())
    narrow = drawn().with_data(drawn().data[:, :, :3])
    with pytest.raises(FibError, match="4 x 3 pixels, those of the images 4 x 5"):
        ByHand(slices=(1, 2)).predict(stack(), labels=narrow)
    with pytest.raises(FibError, match="there are no labels"):
        ByHand(slices=(1, 2)).predict(stack())
    with pytest.raises(FibError, match="there are no labels"):
        ByHand(slices=(1, 2)).forecast("predict", {"images": stack().spec})
    with pytest.raises(ValidationError, match="slice 2 is named more than once"):
        ByHand(slices=(2, 2))
