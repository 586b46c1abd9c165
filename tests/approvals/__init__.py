"""Approvals: what counts, who may, and what everybody sees of it."""
