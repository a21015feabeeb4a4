"""Translations of earlier steps, shown to the discriminator in place of the newest half the time.

Shrivastava et al., CVPR 2017; 50 images as in Zhu et al. 2017.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


class ImagePool:
    """Up to `size` images; 0 keeps none."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[torch.Tensor] = []

    def exchange(self, images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Put images (patch, channel, y, x) in; return as many, new ones or old ones."""
        images = images.detach()
        if self.size == 0:
            return images
        given = []
        for image in images:
            if len(self.images) < self.size:
                self.images.append(image.clone())
                given.append(image)
            elif rng.random() < 0.5:
                place = int(rng.integers(self.size))
                given.append(self.images[place].to(image.device))
                self.images[place] = image.clone()
            else:
                given.append(image)
        return torch.stack(given).contiguous(memory_format=torch.channels_last)

    def state_dict(self) -> dict[str, Any]:
        """Return the images, for a checkpoint."""
        return {"images": [image.cpu() for image in self.images]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the images of a checkpoint."""
        self.images = list(state["images"])
