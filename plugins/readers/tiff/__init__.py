"""TIFF files: strict checks of headers, tags, planes, and output for Fiji."""
