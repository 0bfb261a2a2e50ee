"""Episode records, metrics, summaries and comparisons."""
