"""Reusable panes: transcript, prompt, sources, index panel."""
