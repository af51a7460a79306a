"""Every limit on what goes over the wire and on what a peer may make us do. Sizes are in bytes.

A message's length counts itself (4 bytes) and the body, not the type byte, as on the wire.
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""
from __future__ import annotations

# Received.
MIN_MESSAGE_LENGTH = 4
MAX_MESSAGE_LENGTH = 0x3FFFFFFF
# After AuthenticationOk only these may be long: T t D d E N A.
LONG_MESSAGE_TYPES = b"TtDdENA"
MAX_SHORT_MESSAGE_LENGTH = 30_000
READY_FOR_QUERY_LENGTH = 5
# Before AuthenticationOk.
MAX_AUTHENTICATION_REQUEST_LENGTH = 2_000  # R
MAX_EARLY_MESSAGE_LENGTH = 30_000  # E N S v
EARLY_MESSAGE_TYPES = b"ENSv"
MAX_EARLY_TOTAL = 64 * 1024
# A session's parameters: ParameterStatus may come at any time and is kept.
MAX_PARAMETERS = 256
MAX_PARAMETERS_TOTAL = 64 * 1024

# Sent. A longer message makes the server drop the connection, so each is refused before a byte of it leaves.
MAX_SENT_LONG_LENGTH = 0x3FFFFFFE  # Query, Parse, Bind, CopyData
MAX_SENT_PASSWORD_LENGTH = 65_535  # PasswordMessage and the SASL responses
MAX_SENT_SHORT_LENGTH = 10_000  # all others
MAX_STARTUP_PACKET_LENGTH = 10_000
MAX_NAME_LENGTH = 63  # statements and portals; the server compares no more
MAX_PARAMETER_COUNT = 65_535  # arguments of one Bind

# Values.
MAX_FIELDS = 65_535
MAX_NESTING = 512
MAX_ARRAY_DIMENSIONS = 6
MAX_VALUE_LENGTH = 0x3FFFFFFF

# Introspection: a server whose types never end.
MAX_INTROSPECTION_ROUNDS = 8

# SCRAM. PBKDF2 at 20,000 iterations takes about 10 ms; above, the keys are derived off the loop.
MAX_SCRAM_ITERATIONS = 1_000_000
OFF_LOOP_ITERATIONS = 20_000
# GSSAPI and SSPI. Kerberos takes one token each way, SPNEGO before it one or two more.
MAX_TOKEN_ROUNDS = 16
# The walk over a server's certificate.
MAX_CERTIFICATE_LENGTH = 64 * 1024
