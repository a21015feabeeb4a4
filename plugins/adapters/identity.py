"""No adaptation: the baseline of all adapters."""

from __future__ import annotations

from typing import ClassVar

from fibcore import Adapter, Context, Images


class Identity(Adapter):
    """Returns the images unchanged: the baseline of adaptation studies."""

    name: ClassVar[str] = "identity"

    def transform(self, images: Images, context: Context | None = None) -> Images:
        """Return `images` themselves."""
        return images
