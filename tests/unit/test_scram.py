"""SCRAM-SHA-256 against RFC 7677's example, and its messages cut and bent; SASLprep against RFC 4013's examples."""
import base64
import hashlib
import hmac

import pytest

from pgproto.errors import ClientConfigurationError, InterfaceError, ProtocolError, UnsupportedClientFeatureError
from pgproto.limits import MAX_SCRAM_ITERATIONS
from pgproto.saslprep import saslprep
from pgproto.scram import ScramClient, ScramKeys, client_proof, derive_keys, password_bytes, server_signature
from pgproto.secret import Secret

NONCE = b"rOprNGfwEbeRWgbNEkqO"
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
WITHOUT_PROOF = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
KEYS = derive_keys("pencil", SALT, 4096)


def test_proof_and_signature_are_those_of_rfc_7677():
    auth_message = b"n=user,r=" + NONCE + b"," + SERVER_FIRST + b"," + WITHOUT_PROOF
    assert base64.b64encode(client_proof(KEYS, auth_message)) == b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert base64.b64encode(server_signature(KEYS, auth_message)) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def exchange(binding=None, flag=b"n"):
    client = ScramClient(binding=binding, flag=flag, nonce=NONCE)
    first = client.first()
    client.read_server_first(SERVER_FIRST)
    return client, first, client.final(KEYS)


def server_final(first_bare, final):
    auth_message = first_bare + b"," + SERVER_FIRST + b"," + final.partition(b",p=")[0]
    return b"v=" + base64.b64encode(hmac.digest(KEYS.server_key, auth_message, "sha256"))


def test_exchange_sends_an_empty_user_name_and_checks_the_server():
    client, first, final = exchange()
    assert first == b"n,,n=,r=" + NONCE
    assert final.startswith(WITHOUT_PROOF + b",p=")
    client.check_server_final(server_final(b"n=,r=" + NONCE, final))


def test_bound_exchange_sends_flag_and_binding():
    _, first, final = exchange(binding=b"\x01\x02")
    assert first == b"p=tls-server-end-point,,n=,r=" + NONCE
    channel = final.split(b",")[0].removeprefix(b"c=")
    assert base64.b64decode(channel) == b"p=tls-server-end-point,,\x01\x02"


def test_flag_y_is_repeated_in_the_channel():
    _, first, final = exchange(flag=b"y")
    assert first.startswith(b"y,,n=,")
    assert final.startswith(b"c=" + base64.b64encode(b"y,,") + b",")


def test_server_that_does_not_know_the_password_is_refused():
    client, _, _ = exchange()
    with pytest.raises(InterfaceError, match="did not prove"):
        client.check_server_final(b"v=" + base64.b64encode(bytes(32)))
    with pytest.raises(InterfaceError, match="ended the SCRAM exchange: invalid-proof"):
        client.check_server_final(b"e=invalid-proof")


def test_server_first_cut_anywhere_is_refused_or_names_less():
    for at in range(len(SERVER_FIRST)):
        client = ScramClient(nonce=NONCE)
        cut = SERVER_FIRST[:at]
        try:
            first = client.read_server_first(cut)
        except ProtocolError:
            continue
        assert cut.endswith((b",i=4", b",i=40", b",i=409")), cut
        assert first.iterations in (4, 40, 409)


def test_server_final_cut_anywhere_is_refused():
    client, _, final = exchange()
    whole = server_final(b"n=,r=" + NONCE, final)
    for at in range(len(whole)):
        with pytest.raises((ProtocolError, InterfaceError)):
            client.check_server_final(whole[:at])
    with pytest.raises(ProtocolError):
        client.check_server_final(whole + b",x=1")
    client.check_server_final(whole)


@pytest.mark.parametrize(
    "message",
    [
        b"r=" + NONCE + b",s=AAAA,i=4096",  # nothing added to our nonce
        b"r=other" + NONCE + b",s=AAAA,i=4096",
        b"r=" + NONCE.lower() + b"x,s=AAAA,i=4096",
        b"r=" + NONCE + b"x,s=AAAA,i=0",
        b"r=" + NONCE + b"x,s=AAAA,i=-1",
        b"r=" + NONCE + b"x,s=AAAA,i=04096",
        b"r=" + NONCE + b"x,s=AAAA,i=4096 ",
        b"r=" + NONCE + b"x,s=AAAA,i=99999999999",
        b"r=" + NONCE + b"x,s=AAA,i=4096",
        b"r=" + NONCE + b"x,s=,i=4096",
        b"r=" + NONCE + b"x,s=A\0AA,i=4096",
        b"r=" + NONCE + b"\xc3\xa9,s=AAAA,i=4096",
        b"r=" + NONCE + b"x,s=AAAA,i=4096,x=1",
        b"r=" + NONCE + b"x,s=AAAA,i=4096\n",
        b"m=ext,r=" + NONCE + b"x,s=AAAA,i=4096",
        b"s=AAAA,r=" + NONCE + b"x,i=4096",
        b"e=unknown-user",
    ],
)
def test_bent_server_first_is_a_protocol_error(message):
    with pytest.raises(ProtocolError):
        ScramClient(nonce=NONCE).read_server_first(message)


def test_iterations_are_capped():
    head = b"r=" + NONCE + b"x,s=AAAA,i="
    assert ScramClient(nonce=NONCE).read_server_first(head + b"1000000").iterations == MAX_SCRAM_ITERATIONS
    with pytest.raises(UnsupportedClientFeatureError, match="1000001 SCRAM iterations, at most 1000000"):
        ScramClient(nonce=NONCE).read_server_first(head + b"1000001")


def test_own_nonce_is_fresh_and_printable():
    nonces = {ScramClient().first() for _ in range(100)}
    assert len(nonces) == 100
    assert all(len(base64.b64decode(first.partition(b"r=")[2], validate=True)) == 24 for first in nonces)


def test_keys_and_secrets_are_not_shown():
    assert repr(KEYS) == "ScramKeys()"
    assert repr(Secret("pencil")) == str(Secret("pencil")) == f"{Secret('pencil')}" == "<secret>"
    assert Secret("pencil").reveal() == "pencil"
    assert KEYS.stored_key == hashlib.sha256(KEYS.client_key).digest()
    with pytest.raises(TypeError):
        Secret("pencil").__reduce__()


# RFC 4013, section 3
@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", None),
        ("\u0627\u0031", None),
        ("a\u00a0b", "a b"),
        ("\u0627\u0628", "\u0627\u0628"),
        ("\u06271\u0628", "\u06271\u0628"),
        ("\u0627a\u0628", None),
        ("\u00ad", None),
        ("", None),
        (chr(0xD800), None),
        ("\u0221", None),  # unassigned in Unicode 3.2
        ("\ue000", None),
        ("\ufdd0", None),
        ("\ufffd", None),
        ("\u2ff0", None),
        ("\u200e", None),
        ("\U000e0001", None),
    ],
)
def test_saslprep(text, prepared):
    assert saslprep(text) == prepared


def test_prohibited_password_is_used_as_it_is():
    salted = hashlib.pbkdf2_hmac("sha256", b"\x07pencil", SALT, 2)
    expected = ScramKeys(hmac.digest(salted, b"Client Key", "sha256"), hmac.digest(salted, b"Server Key", "sha256"))
    assert derive_keys("\x07pencil", SALT, 2) == expected
    assert derive_keys("I\u00adX", SALT, 2) == derive_keys(Secret("IX"), SALT, 2)


def test_password_of_undecodable_bytes_gets_its_bytes_back_and_lone_surrogates_are_refused():
    assert password_bytes(Secret(b"a\xff".decode("utf-8", "surrogateescape"))) == b"a\xff"
    with pytest.raises(ClientConfigurationError) as caught:
        password_bytes(Secret("hunter2\ud800"))
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert "hunter2" not in str(caught.value)
