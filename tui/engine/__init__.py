"""The embedded vector database: records, filters, scoring and fusion over SQLite and numpy. Synchronous, no HTTP."""

from __future__ import annotations

import os

# The linear algebra library under numpy reads this once, when numpy is first imported. On several cores it waits busily
# for the slowest: next to any other busy process a search of 1 ms becomes 8 ms, and making a sketch takes seconds
# instead of 0.2 (measured 2026-08, two cores). One core is steady, and every core left alone saves 10 MB of buffers.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
