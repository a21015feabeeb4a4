"""Commands of ``fib`` that run no pipeline: templates, the schema, materials, the cache."""
