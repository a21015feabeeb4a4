"""Pool of translations of earlier steps, shown to the discriminator in half of the cases.

Shrivastava et al., CVPR 2017; 50 images as in Zhu et al. 2017.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


class ImagePool(nn.Module):
    """Images on the device of the networks; the host decides which are exchanged.

    Attributes:
        images: axes (place, channel, y, x): `size` places of the pool, then one for each image of
            a batch, which is only used if the pool does not keep the image.

    Args:
        size: number of images that are kept, at least 1.
        shape: of a batch of images, (patch, channel, y, x).
    """

    images: torch.Tensor

    def __init__(self, size: int, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.size, self.batch = size, shape[0]
        room = torch.zeros(size + self.batch, *shape[1:])
        self.register_buffer("images", room.contiguous(memory_format=torch.channels_last))

    def draw(self, rng: np.random.Generator, before: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Decide about the images of a batch, one after the other, for `forward`.

        While the pool is not full, each image is both kept and returned. Later, half of the images
        are kept in place of one of the pool, which is returned instead; it may be from the same
        batch.

        Args:
            rng: random generator of the decisions.
            before: number of images added before these.

        Returns:
            given: int64 in axes (patch): the place of each image that is returned.
            kept: int64 in axes (patch): the place where each image of the batch is stored.
        """
        holds: dict[int, int] = {}  # the image of the batch at a place of the pool, by own place
        given, wanted = [], []
        for own in range(self.size, self.size + self.batch):
            place = back = own
            if (stored := before + own - self.size) < self.size:
                place = stored
            elif rng.random() < 0.5:
                place = int(rng.integers(self.size))
                back = holds.get(place, place)
            holds[place] = own
            given.append(back)
            wanted.append(place)
        kept = [
            place if holds[place] == own else own for own, place in enumerate(wanted, self.size)
        ]
        return torch.tensor(given), torch.tensor(kept)

    def forward(
        self, images: torch.Tensor, given: torch.Tensor, kept: torch.Tensor
    ) -> torch.Tensor:
        """Store images (patch, channel, y, x); return the same number of new or earlier ones.

        Args:
            images: a batch.
            given: from `draw`, on the device of the images.
            kept: likewise.
        """
        images = images.detach()
        self.images[self.size :] = images
        back = self.images[given]
        self.images[kept] = images
        return back.contiguous(memory_format=torch.channels_last)
