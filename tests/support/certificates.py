"""Certificates for the embedded server: an authority, a server on loopback, a client named after its database user.

Made anew at each start, with `cryptography` where it is installed and the `openssl` program otherwise; without either
the cluster runs without TLS and says so through its features.
"""
import datetime
import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CLIENT_NAME = "cert_user"
NAMES = ("ca.crt", "server.crt", "server.key", "client.crt", "client.key", "stranger.crt", "revoked.crl", "empty.crl")
SERVER_NAMES = "DNS:localhost,IP:127.0.0.1"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files. `stranger` is an authority that signed nothing here, for tests that must fail to verify.

    `revocation` is the authority's list in which the server's certificate stands, `no_revocation` one that is empty.
    """

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    stranger: Path
    revocation: Path
    no_revocation: Path


def make_certificates(directory: Path) -> Certificates | None:
    """Write a fresh set into `directory`; None if this machine has no way to make one."""
    paths = Certificates(*(directory / name for name in NAMES))
    if importlib.util.find_spec("cryptography") is not None:
        make_with_cryptography(paths)
    elif shutil.which("openssl"):
        make_with_openssl(paths, directory)
    else:
        return None
    for key in (paths.server_key, paths.client_key):
        key.chmod(0o600)
    return paths


def make_with_cryptography(paths: Certificates) -> None:
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def issue(name, key, issuer, issuer_key, extension, *, critical):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder(named(issuer), named(name), key.public_key(), x509.random_serial_number(),
                                          now - datetime.timedelta(days=1), now + datetime.timedelta(days=30))
        builder = builder.add_extension(extension, critical).add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
        if isinstance(extension, x509.BasicConstraints):
            # Python 3.13 verifies strictly and wants an authority to say what its key may do.
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, True)
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def revoke(issuer_key, *certificates: Path) -> bytes:
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        builder = x509.CertificateRevocationListBuilder(named("test authority"), now - day, now + 30 * day)
        for certificate in certificates:
            serial = x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, now - day).build())
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def private(key) -> bytes:
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                 serialization.NoEncryption())

    ca_key, server_key, client_key, stranger_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
    authority = x509.BasicConstraints(ca=True, path_length=None)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    client_name = x509.SubjectAlternativeName([x509.DNSName(CLIENT_NAME)])
    paths.authority.write_bytes(issue("test authority", ca_key, "test authority", ca_key, authority, critical=True))
    paths.stranger.write_bytes(issue("a stranger", stranger_key, "a stranger", stranger_key, authority, critical=True))
    paths.server.write_bytes(issue("localhost", server_key, "test authority", ca_key, names, critical=False))
    paths.client.write_bytes(issue(CLIENT_NAME, client_key, "test authority", ca_key, client_name, critical=False))
    paths.no_revocation.write_bytes(revoke(ca_key))
    paths.revocation.write_bytes(revoke(ca_key, paths.server))
    paths.server_key.write_bytes(private(server_key))
    paths.client_key.write_bytes(private(client_key))


def make_with_openssl(paths: Certificates, directory: Path) -> None:
    def openssl(*args: str | Path) -> None:
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=directory)

    def new_key(key: Path) -> None:
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)

    ca_key, stranger_key = directory / "ca.key", directory / "stranger.key"
    for key in (ca_key, stranger_key, paths.server_key, paths.client_key):
        new_key(key)
    for name, key, certificate in (("test authority", ca_key, paths.authority),
                                   ("a stranger", stranger_key, paths.stranger)):
        openssl("req", "-x509", "-new", "-sha256", "-key", key, "-subj", f"/CN={name}", "-days", "30",
                "-out", certificate, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for name, alternative, key, certificate in (("localhost", SERVER_NAMES, paths.server_key, paths.server),
                                                (CLIENT_NAME, f"DNS:{CLIENT_NAME}", paths.client_key, paths.client)):
        request, extensions = certificate.with_suffix(".csr"), certificate.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={alternative}\nsubjectKeyIdentifier=hash\n"
                              "authorityKeyIdentifier=keyid\n")
        openssl("req", "-new", "-sha256", "-key", key, "-subj", f"/CN={name}", "-out", request)
        openssl("x509", "-req", "-sha256", "-in", request, "-CA", paths.authority, "-CAkey", ca_key, "-CAcreateserial",
                "-days", "30", "-extfile", extensions, "-out", certificate)
    database, configuration = directory / "index.txt", directory / "ca.conf"
    database.write_text("")
    configuration.write_text(f"[ca]\ndefault_ca=it\n[it]\ndatabase={database}\ndefault_md=sha256\n"
                             "default_crl_days=30\n")
    authority = ("-config", configuration, "-keyfile", ca_key, "-cert", paths.authority)
    openssl("ca", *authority, "-gencrl", "-out", paths.no_revocation)
    openssl("ca", *authority, "-revoke", paths.server)
    openssl("ca", *authority, "-gencrl", "-out", paths.revocation)
    for leftover in (ca_key, stranger_key, configuration, *directory.glob("index.txt*")):
        leftover.unlink()
