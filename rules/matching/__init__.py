"""Accesses against the decisions of the gateways: what was done without, beside or beyond what was decided. Pure."""
