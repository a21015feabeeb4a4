"""Commands of ``fib`` other than run and check: plugins, templates, materials, the cache."""
