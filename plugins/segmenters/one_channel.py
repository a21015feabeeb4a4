"""The choice of the channel that a segmenter of one channel works on."""

from __future__ import annotations

from pydantic import BaseModel, Field

from fibcore.channels import Channel, chosen


class OneChannel(BaseModel):
    """Parameters of segmenters that look at one channel: its voltage and its detector."""

    kv: float | None = Field(
        default=None,
        gt=0,
        description="channel to segment, by its voltage in kV; default: the first",
    )
    detector: str | None = Field(
        default=None, description="channel to segment, by its detector, e.g. se; default: the first"
    )

    def fitting(self, channels: tuple[Channel, ...]) -> list[int]:
        """Return the numbers of the channels that fit; the first is segmented.

        Raises:
            FibError: there is none.
        """
        kv = None if self.kv is None else [self.kv]
        return chosen(channels, kv, None if self.detector is None else [self.detector])

    def warnings_of(self, channels: tuple[Channel, ...]) -> tuple[str, ...]:
        """Return a warning if several channels fit.

        Raises:
            FibError: there is none.
        """
        fitting = self.fitting(channels)
        if len(fitting) < 2:
            return ()
        return (
            f"the images have {len(fitting)} such channels; only the first "
            f"({channels[fitting[0]]}) is segmented: set kv or detector to choose another",
        )
