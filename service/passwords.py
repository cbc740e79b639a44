"""Secrets, so kept that whoever reads the ledger cannot use them.

A password is short and chosen by a person: scrypt (RFC 7914), slow and large on purpose. A token is made here, 256 bits
from the system: its SHA-256 says nothing about it. Both are compared in constant time.
"""

import base64
import hashlib
import hmac
import secrets
import threading
from typing import Final

#: OWASP Password Storage Cheat Sheet: N = 2^15, r = 8, p = 3 takes 32 MiB.
_N, _R, _P = 2**15, 8, 3
_MEMORY: Final = 64 * 1024 * 1024
_SALT_BYTES: Final = 16
#: Passwords that are shorter are guessed (NIST SP 800-63B 5.1.1.2 asks for 8; these guard reports to a PACS).
SHORTEST_PASSWORD: Final = 10
#: NIST SP 800-63B 5.1.1.2: 64 at least must be allowed; scrypt reads all of it.
LONGEST_PASSWORD: Final = 256
_PREFIX: Final = "spo_"
#: One at a time: whoever sends passwords from many places costs one core and 32 MiB, not all.
_one = threading.Lock()


def hashed(password: str) -> str:
    """Return what is kept of a password: method, parameters, salt, key."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"scrypt${_N}${_R}${_P}${_text(salt)}${_text(_key(password, salt, _N, _R, _P))}"


def matches(password: str, kept: str) -> bool:
    """Whether this is the password of which `kept` was made."""
    method, n, r, p, salt, key = kept.split("$")
    if method != "scrypt":
        return False
    return hmac.compare_digest(_key(password, base64.b64decode(salt), int(n), int(r), int(p)), base64.b64decode(key))


#: Of a password that nobody has: where there is no such person, as much time is taken.
NOBODYS: Final = f"scrypt${_N}${_R}${_P}${base64.b64encode(bytes(16)).decode()}${base64.b64encode(bytes(32)).decode()}"


def new_token() -> str:
    """Return a new token; it begins alike, so that a scanner for secrets finds one that got lost."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is kept of a token, or of what a cookie says: SHA-256, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    with _one:
        return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
