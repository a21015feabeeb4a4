"""OME-Zarr: images and labels in folders of chunks, with coarser levels for viewers."""
