"""A learned simulator: its curriculum, network, training, application, and referee."""
