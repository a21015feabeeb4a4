"""No adaptation: the baseline of all adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from fibcore import Adapter, Context, Forecast, Images


class Identity(Adapter):
    """Returns the images unchanged: the baseline of adaptation studies."""

    name: ClassVar[str] = "identity"

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the spec of the given stack."""
        return replace(super().forecast(method, inputs), memory_bytes=0)

    def transform(self, images: Images, context: Context | None = None) -> Images:
        """Return `images` themselves."""
        return images
