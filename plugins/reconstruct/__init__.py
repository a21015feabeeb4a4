"""What ``fib reconstruct`` does: it looks at a stack and writes a pipeline for it."""
