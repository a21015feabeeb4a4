"""No adaptation: what every other adapter has to beat."""

from __future__ import annotations

from typing import ClassVar

from fibcore import Adapter, Context, Images


class Identity(Adapter):
    """Returns the images unchanged: the null of every adaptation study."""

    name: ClassVar[str] = "identity"

    def transform(self, images: Images, context: Context | None = None) -> Images:
        """Return `images` themselves."""
        return images
