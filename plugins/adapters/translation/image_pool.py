"""Translations of earlier steps, shown to the discriminator in place of the newest half the time.

Shrivastava et al., CVPR 2017; 50 images as in Zhu et al. 2017.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


class ImagePool(nn.Module):
    """Images that stay where the networks are; which are exchanged is decided on the host.

    Attributes:
        images: axes (place, channel, y, x): `size` places of the pool, then one for each image of
            a batch. That of an image of the batch which the pool does not keep is of no meaning.

    Args:
        size: images that are kept, at least 1.
        shape: of a batch of images, (patch, channel, y, x).
    """

    images: torch.Tensor

    def __init__(self, size: int, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.size, self.batch = size, shape[0]
        room = torch.zeros(size + self.batch, *shape[1:])
        self.register_buffer("images", room.contiguous(memory_format=torch.channels_last))

    def draw(self, rng: np.random.Generator, before: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Decide about the images of a batch, one after the other, as `forward` takes it.

        As long as the pool is not full, an image is kept and given back as well. Then half of the
        images are kept in place of one of the pool, which is given back instead; it may be one
        that the same batch has put in.

        Args:
            rng: where the decisions come from.
            before: images that were put in before these.

        Returns:
            given: int64 in axes (patch): the place of each image that is given back.
            kept: int64 in axes (patch): the place that each image of the batch is put in.
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
        """Put images (patch, channel, y, x) in; return as many, new ones or old ones.

        Args:
            images: a batch.
            given: what `draw` returned, on the device of the images.
            kept: likewise.
        """
        images = images.detach()
        self.images[self.size :] = images
        back = self.images[given]
        self.images[kept] = images
        return back.contiguous(memory_format=torch.channels_last)
