"""The hash that a certificate is bound by, against cryptography's own reading, and over broken bytes."""
import datetime
import functools
import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from pgproto.certificate import end_point_binding, end_point_hash_name
from pgproto.errors import MalformedBody

PSS_SHA384 = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
KINDS = {
    "rsa-sha256": ("rsa", hashes.SHA256(), None),
    "rsa-sha384": ("rsa", hashes.SHA384(), None),
    "rsa-sha512": ("rsa", hashes.SHA512(), None),
    "rsa-sha224": ("rsa", hashes.SHA224(), None),
    "rsa-sha3-256": ("rsa", hashes.SHA3_256(), None),
    "pss-sha256": ("rsa", hashes.SHA256(), padding.PSS(padding.MGF1(hashes.SHA256()), 32)),
    "pss-sha384": ("rsa", hashes.SHA384(), PSS_SHA384),
    "ec-sha256": ("ec", hashes.SHA256(), None),
    "ec-sha384": ("ec", hashes.SHA384(), None),
    "ec-sha512": ("ec", hashes.SHA512(), None),
    "ed25519": ("ed25519", None, None),
    "ed448": ("ed448", None, None),
}


@functools.cache
def key(kind):
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ed448.Ed448PrivateKey.generate()


@functools.cache
def make_certificate(kind):
    """Return a self-signed certificate, DER."""
    key_kind, algorithm, rsa_padding = KINDS[kind]
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder(name, name, key(key_kind).public_key(), 7, day, day + datetime.timedelta(9))
    signed = builder.sign(key(key_kind), algorithm, **({"rsa_padding": rsa_padding} if rsa_padding else {}))
    return signed.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("kind", KINDS)
def test_hash_is_the_one_cryptography_reads(kind):
    der = make_certificate(kind)
    expected = x509.load_der_x509_certificate(der).signature_hash_algorithm
    assert end_point_hash_name(der) == (None if expected is None else expected.name.replace("-", "_"))
    if expected is None:
        assert end_point_binding(der) is None
    else:
        digest = hashes.Hash(expected)
        digest.update(der)
        assert end_point_binding(der) == digest.finalize()


# Signing with MD5 and SHA-1 is refused nowadays, so the algorithm's identifier is exchanged in place.
@pytest.mark.parametrize("last", [0x04, 0x05])
def test_md5_and_sha1_are_replaced_by_sha256(last):
    der = bytearray(make_certificate("rsa-sha512"))
    at = der.rindex(bytes.fromhex("2a864886f70d01010d"))
    der[at + 8] = last
    assert end_point_hash_name(bytes(der)) == "sha256"


def element(tag, content):
    length = len(content)
    head = bytes([length]) if length < 128 else bytes([0x82]) + length.to_bytes(2, "big")
    return bytes([tag]) + head + content


def certificate_with(algorithm):
    return element(0x30, element(0x30, b"tbs") + element(0x30, algorithm) + element(0x03, b"\0sig"))


PSS = element(0x06, bytes.fromhex("2a864886f70d01010a"))


def test_pss_without_a_hash_is_sha1_and_so_sha256():
    assert end_point_hash_name(certificate_with(PSS + element(0x30, b""))) == "sha256"
    assert end_point_hash_name(certificate_with(PSS + element(0x30, element(0xA2, b"\x02\x01\x20")))) == "sha256"


def test_unknown_algorithms_have_no_hash():
    assert end_point_hash_name(certificate_with(element(0x06, b"\x2a\x03"))) is None
    odd = element(0xA0, element(0x30, element(0x06, b"\x2a\x03")))
    assert end_point_hash_name(certificate_with(PSS + element(0x30, odd))) is None


@pytest.mark.parametrize(
    "der",
    [
        b"", b"\x30", b"\x30\x80\0\0", b"\x30\x85\0\0\0\0\0", b"\x30\x84\xff\xff\xff\xff", b"\x31\x00", b"\x30\x00",
        certificate_with(b""), certificate_with(PSS), certificate_with(PSS + b"\x30\x05"), b"\x30" * 70_000,
    ],
)  # fmt: skip
def test_what_is_no_certificate_is_refused(der):
    with pytest.raises(MalformedBody):
        end_point_hash_name(der)


@pytest.mark.parametrize("kind", ["rsa-sha256", "pss-sha384", "ed25519"])
def test_certificate_cut_anywhere_or_with_bytes_after_it_is_refused(kind):
    der = make_certificate(kind)
    for at in range(len(der)):
        with pytest.raises(MalformedBody):
            end_point_hash_name(der[:at])
    with pytest.raises(MalformedBody):
        end_point_hash_name(der + b"\0")


def test_changed_bytes_give_a_name_or_a_refusal():
    chance = random.Random(4)
    names = {None, "sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512"}
    for kind in KINDS:
        der = make_certificate(kind)
        for _ in range(1500):
            bent = bytearray(der)
            for _ in range(chance.randint(1, 4)):
                bent[chance.randrange(len(bent))] = chance.choice((0, 1, 0x7F, 0x80, 0x84, 0xFF, chance.randrange(256)))
            try:
                assert end_point_hash_name(bytes(bent)) in names
            except MalformedBody:
                pass
