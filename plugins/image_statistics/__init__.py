"""Grey-value statistics that several kinds of plugin need."""
