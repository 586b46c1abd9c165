"""The independent auditor's side: what the files of a log prove, and what they do not.

Needs files and public keys, no broker, no configuration, no secret. The log's formats (C2SP signed-note,
tlog-checkpoint, tlog-tiles, tlog-cosignature) and the tree of RFC 6962 are read here by code that shares nothing with
the code that writes a log: a fault in one is not hidden by the same fault in the other. What is shared are the records'
types (`schemas`), which say what an entry means.
"""
