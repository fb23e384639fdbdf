"""Who writes the answer. Every adapter keeps the `Answerer` contract of `tui.llm.base`."""
