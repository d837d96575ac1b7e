"""Is a config right? Rules are generators of diagnostics; they know no files."""
