"""One page per code: `RUNnnn.md`."""
