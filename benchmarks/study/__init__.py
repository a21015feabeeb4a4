"""The paper's study and what goes beyond it, from the pipelines of examples/paper."""
