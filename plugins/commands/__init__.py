"""Commands of ``fib`` that run no pipeline: plugins, templates, materials, the cache."""
