"""ragfood: chat with a food knowledge base in the terminal and see the sources behind each answer."""

from __future__ import annotations

import os

# The linear algebra library under numpy reads this once, when numpy is first imported. On several cores it waits busily
# for the slowest: next to any other busy process a search of 1 ms becomes 8 ms, and making a sketch takes seconds
# instead of 0.2 (measured 2026-11, two cores). One core is steady, and every core left alone saves 10 MB of buffers.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
