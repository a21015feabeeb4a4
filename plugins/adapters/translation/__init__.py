"""The parts of the GAN translators: networks, training, checks, inference."""
