"""The process that writes the audit log: every record of the topics of `schemas.entry.LOGGED`, once and in order."""
