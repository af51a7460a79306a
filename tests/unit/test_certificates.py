"""Both ways of making the embedded server's certificates give a chain that Python's own TLS accepts."""
import importlib.util
import os
import shutil
import ssl

import pytest

from tests.support.certificates import NAMES, Certificates, make_certificates, make_with_openssl


def handshake(authority, certificates: Certificates, revocation=None) -> None:
    """A TLS handshake in memory, server and client each verifying the other."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificates.server, certificates.server_key)
    server.load_verify_locations(certificates.authority)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(authority))
    if revocation is not None:
        client.load_verify_locations(revocation)
        client.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    client.load_cert_chain(certificates.client, certificates.client_key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
            server.wrap_bio(to_server, to_client, server_side=True)]
    for _ in range(4):
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    for end in ends:
        assert end.version()


@pytest.mark.parametrize("way", ["chosen", "openssl"])
def test_certificates_verify_and_those_of_a_stranger_do_not(tmp_path, way):
    if way == "openssl":
        if not shutil.which("openssl") or os.name == "nt":
            pytest.skip("missing feature: openssl program")
        certificates = Certificates(*(tmp_path / name for name in NAMES))
        make_with_openssl(certificates, tmp_path)
    else:
        if importlib.util.find_spec("cryptography") is None:
            pytest.skip("missing feature: cryptography")
        certificates = make_certificates(tmp_path)
    handshake(certificates.authority, certificates)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates.stranger, certificates)
    handshake(certificates.authority, certificates, certificates.no_revocation)
    with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
        handshake(certificates.authority, certificates, certificates.revocation)
