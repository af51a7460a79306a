"""The one question that SCRAM's channel binding asks of a server's certificate: which hash is it bound by?

Not a parser of certificates: a fixed number of steps through the outer DER elements, each checked against the bytes
that are there. The transport hands over the bytes; nothing here checks who signed them.
"""
from __future__ import annotations

import hashlib

from pgproto.errors import MalformedBody
from pgproto.limits import MAX_CERTIFICATE_LENGTH

_SEQUENCE = 0x30
_OBJECT_IDENTIFIER = 0x06
_BIT_STRING = 0x03
_CONTEXT_0 = 0xA0

# Encoded object identifiers. https://www.rfc-editor.org/rfc/rfc8017#appendix-C, rfc3279, rfc5758, rfc8692
_PKCS1 = bytes.fromhex("2a864886f70d0101")
_ECDSA = bytes.fromhex("2a8648ce3d04")
_NIST_SIGNATURES = bytes.fromhex("6086480165030403")
_NIST_HASHES = bytes.fromhex("6086480165030402")
_RSA_PSS = _PKCS1 + b"\x0a"

_HASH_OF_SIGNATURE: dict[bytes, str] = {
    _PKCS1 + b"\x04": "md5",
    _PKCS1 + b"\x05": "sha1",
    _PKCS1 + b"\x0b": "sha256",
    _PKCS1 + b"\x0c": "sha384",
    _PKCS1 + b"\x0d": "sha512",
    _PKCS1 + b"\x0e": "sha224",
    _ECDSA + b"\x01": "sha1",
    _ECDSA + b"\x03\x01": "sha224",
    _ECDSA + b"\x03\x02": "sha256",
    _ECDSA + b"\x03\x03": "sha384",
    _ECDSA + b"\x03\x04": "sha512",
    bytes.fromhex("2a8648ce380403"): "sha1",  # DSA
    _NIST_SIGNATURES + b"\x01": "sha224",  # DSA
    _NIST_SIGNATURES + b"\x02": "sha256",
    _NIST_SIGNATURES + b"\x03": "sha384",
    _NIST_SIGNATURES + b"\x04": "sha512",
    _NIST_SIGNATURES + b"\x09": "sha3_224",  # ECDSA
    _NIST_SIGNATURES + b"\x0a": "sha3_256",
    _NIST_SIGNATURES + b"\x0b": "sha3_384",
    _NIST_SIGNATURES + b"\x0c": "sha3_512",
    _NIST_SIGNATURES + b"\x0d": "sha3_224",  # RSA
    _NIST_SIGNATURES + b"\x0e": "sha3_256",
    _NIST_SIGNATURES + b"\x0f": "sha3_384",
    _NIST_SIGNATURES + b"\x10": "sha3_512",
}
_HASH_OF_IDENTIFIER: dict[bytes, str] = {
    bytes.fromhex("2a864886f70d0205"): "md5",
    bytes.fromhex("2b0e03021a"): "sha1",
    _NIST_HASHES + b"\x01": "sha256",
    _NIST_HASHES + b"\x02": "sha384",
    _NIST_HASHES + b"\x03": "sha512",
    _NIST_HASHES + b"\x04": "sha224",
    _NIST_HASHES + b"\x07": "sha3_224",
    _NIST_HASHES + b"\x08": "sha3_256",
    _NIST_HASHES + b"\x09": "sha3_384",
    _NIST_HASHES + b"\x0a": "sha3_512",
}


def end_point_hash_name(certificate: bytes) -> str | None:
    """Return hashlib's name of the hash for tls-server-end-point, None where the signature has none (Ed25519).

    That is the hash of the certificate's signature algorithm, or SHA-256 in place of MD5 and SHA-1. Raises
    MalformedBody where the bytes are no certificate.

    https://www.rfc-editor.org/rfc/rfc5929#section-4.1
    """
    name = _signature_hash_name(certificate)
    return "sha256" if name in ("md5", "sha1") else name


def end_point_binding(certificate: bytes) -> bytes | None:
    """Return the channel binding data for this certificate, None where there can be none."""
    name = end_point_hash_name(certificate)
    return None if name is None else hashlib.new(name, certificate).digest()


def _signature_hash_name(der: bytes) -> str | None:
    if len(der) > MAX_CERTIFICATE_LENGTH:
        raise MalformedBody(f"a certificate of {len(der)} bytes (at most {MAX_CERTIFICATE_LENGTH})")
    at, end = _enter(der, 0, len(der), _SEQUENCE)
    if end != len(der):
        raise MalformedBody(f"{len(der) - end} bytes after the certificate")
    _, tbs_end = _enter(der, at, end, _SEQUENCE)
    at, algorithm_end = _enter(der, tbs_end, end, _SEQUENCE)
    _, signature_end = _enter(der, algorithm_end, end, _BIT_STRING)
    if signature_end != end:
        raise MalformedBody(f"{end - signature_end} bytes after the certificate's signature")
    at, identifier_end = _enter(der, at, algorithm_end, _OBJECT_IDENTIFIER)
    identifier = der[at:identifier_end]
    if identifier == _RSA_PSS:
        return _pss_hash_name(der, identifier_end, algorithm_end)
    return _HASH_OF_SIGNATURE.get(identifier)


def _pss_hash_name(der: bytes, at: int, end: int) -> str | None:
    """Return the hash that RSASSA-PSS-params name: their element [0], SHA-1 where it is left out."""
    at, end = _enter(der, at, end, _SEQUENCE)
    if at == end or der[at] != _CONTEXT_0:
        return "sha1"
    at, end = _enter(der, at, end, _CONTEXT_0)
    at, end = _enter(der, at, end, _SEQUENCE)
    at, end = _enter(der, at, end, _OBJECT_IDENTIFIER)
    return _HASH_OF_IDENTIFIER.get(der[at:end])


def _enter(der: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Return where the content of the element at `at` starts and ends; it must have this tag and lie within `end`."""
    if end - at < 2:
        raise MalformedBody(f"a DER element at byte {at} is cut off")
    if der[at] != tag:
        raise MalformedBody(f"a DER element at byte {at} has tag 0x{der[at]:02x}, expected 0x{tag:02x}")
    length = der[at + 1]
    start = at + 2
    if length >= 0x80:
        n_length_bytes = length & 0x7F
        # 0 would be the indefinite form, which DER has not; 4 bytes reach beyond any certificate.
        if not 1 <= n_length_bytes <= 4 or n_length_bytes > end - start:
            raise MalformedBody(f"the length of the DER element at byte {at} cannot be read")
        length = int.from_bytes(der[start : start + n_length_bytes], "big")
        start += n_length_bytes
    if length > end - start:
        raise MalformedBody(f"the DER element at byte {at} has {length} bytes, {end - start} are left")
    return start, start + length
