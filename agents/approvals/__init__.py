"""Approvals and break-glass: read and verified, asked for and given, told of."""
