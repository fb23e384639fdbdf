"""What Upstash Vector takes at most. The embedded index keeps to it, so that what works locally works in the cloud."""

from __future__ import annotations

MAX_DATA_BYTES = 1024 * 1024
"""Largest text of a record, in UTF-8 (upstash.com/pricing/vector, all plans, 2026-08-21: 1 MB)."""

MAX_METADATA_BYTES = 48 * 1024
"""Largest metadata of a record, as JSON in UTF-8 (upstash.com/pricing/vector, all plans, 2026-08-21: 48 KB)."""

MAX_SPARSE_VALUES = 1000
"""Most non-zero values of one sparse vector (upstash.com/docs/vector, "Sparse indexes", 2026-08-21)."""
