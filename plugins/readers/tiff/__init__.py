"""TIFF files: headers followed strictly, tags, planes, and files that Fiji opens."""
