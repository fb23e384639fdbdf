"""Text to vectors: the built-in static model and BM25 as a sparse embedder."""
