"""The view of a face at an angle: foreshortening, the shift of slices, the cut face."""
