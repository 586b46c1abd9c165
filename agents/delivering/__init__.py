"""Handing alerts on to destinations."""
