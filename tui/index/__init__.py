"""Where records live. Every adapter keeps the `VectorIndex` contract of `tui.index.base`."""
