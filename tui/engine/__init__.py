"""The database: records, filter grammar, scoring, fusion and SQLite. Synchronous, without HTTP."""

from __future__ import annotations

import os

# The linear algebra library under numpy reads this once, when numpy is first imported. On several cores it waits busily
# for the slowest: next to any other busy process a search of 1 ms becomes 8 ms and making a sketch takes seconds instead
# of 0.2 (measured 2026-08, two cores). One core is steady, and saves 10 MB of buffers for each that it leaves alone.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
