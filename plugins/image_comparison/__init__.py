"""How far apart stacks of images are, and how images show their labels: shared by plugins."""
