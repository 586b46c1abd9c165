"""Signed webhooks: who sent a message, when, and that nobody changed it.

Source: Standard Webhooks 1.0.0 (`spec/standard-webhooks.md`), "Signature scheme" and "Webhook headers". What is signed
is `{webhook-id}.{webhook-timestamp}.{body}`, by HMAC-SHA-256. The id stays the same however often a message is sent,
the timestamp is that of the attempt: a receiver refuses what is older than some minutes, and takes each id once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from alerts.secrets import SecretRef
from schemas.errors import ConfigurationError

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = (24, 64)
"""Length of a symmetric secret: 192 to 512 bits (the table of signature schemes)."""

SECRETS_MAX: Final = 2
"""Secrets at once: the new one and the one before, while receivers change over."""


def signing_key(ref: SecretRef, what: str) -> bytes:
    """Return the key of a secret as the specification writes it: `whsec_` and base64.

    Raises:
        ConfigurationError: it is not there, is no base64, or is shorter or longer than is allowed.
    """
    text = ref.read(what).reveal().removeprefix(PREFIX)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"{what}: the secret is not {PREFIX} followed by base64") from None
    least, most = SECRET_BYTES
    if not least <= len(key) <= most:
        raise ConfigurationError(f"{what}: the secret has {len(key)} bytes; allowed: {least} to {most}")
    return key


def signed_headers(keys: Sequence[bytes], message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers of a signed message.

    Args:
        keys: one signature each: a receiver takes the message when it knows one of them.
        message_id: what a repetition is recognised by; without a full stop, which separates what is signed.
        at_s: seconds since 1970, of this attempt.
        body: exactly as it is sent.
    """
    if "." in message_id:
        raise ValueError("an id with a full stop could move the border of what is signed")
    content = b"%s.%d.%s" % (message_id.encode(), at_s, body)
    signatures = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
