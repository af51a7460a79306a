"""libpq 18's connection keywords: which exist, which environment variable sets each, which we refuse and why.

A keyword in this table is never sent to the server as a setting by its own name, except the few in `SERVER_SETTINGS`.

https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""
from __future__ import annotations

# servicefile is no keyword of libpq 18 yet; it has the variable, and we have the argument.
ENVIRONMENT: dict[str, str] = {
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER",
    "password": "PGPASSWORD", "passfile": "PGPASSFILE", "service": "PGSERVICE", "servicefile": "PGSERVICEFILE",
    "connect_timeout": "PGCONNECT_TIMEOUT", "options": "PGOPTIONS", "application_name": "PGAPPNAME",
    "sslmode": "PGSSLMODE", "sslnegotiation": "PGSSLNEGOTIATION", "sslcompression": "PGSSLCOMPRESSION",
    "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslcertmode": "PGSSLCERTMODE", "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL", "sslcrldir": "PGSSLCRLDIR", "sslsni": "PGSSLSNI",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION", "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "sslkeylogfile": "SSLKEYLOGFILE", "requirepeer": "PGREQUIREPEER", "require_auth": "PGREQUIREAUTH",
    "channel_binding": "PGCHANNELBINDING", "min_protocol_version": "PGMINPROTOCOLVERSION",
    "max_protocol_version": "PGMAXPROTOCOLVERSION", "gssencmode": "PGGSSENCMODE", "krbsrvname": "PGKRBSRVNAME",
    "gsslib": "PGGSSLIB", "gssdelegation": "PGGSSDELEGATION", "target_session_attrs": "PGTARGETSESSIONATTRS",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
}

# PGCLIENTENCODING is missing above on purpose: it says what a terminal program wants to print. Our strings are str.
WITHOUT_VARIABLE = frozenset({
    "client_encoding", "fallback_application_name", "keepalives", "keepalives_idle", "keepalives_interval",
    "keepalives_count", "tcp_user_timeout", "sslpassword", "replication", "scram_client_key", "scram_server_key",
    "oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope",
})

KEYWORDS: frozenset[str] = frozenset(ENVIRONMENT) | WITHOUT_VARIABLE

ALIASES = {"database": "dbname"}

SERVER_SETTINGS = ("application_name", "client_encoding", "options")

# libpq sends these as settings unless they say "default".
SETTING_VARIABLES = {"PGDATESTYLE": "datestyle", "PGTZ": "timezone", "PGGEQO": "geqo"}

_OAUTH = (frozenset[str](), "OAuth authentication is not supported")
_SCRAM_KEY = (frozenset[str](), "SCRAM keys cannot be passed through; give the password")

# keyword: (values that ask for nothing, why the others are refused)
REFUSED: dict[str, tuple[frozenset[str], str]] = {
    "replication": (frozenset({"false", "off", "no", "0"}), "replication sessions are not supported"),
    "gssencmode": (frozenset({"disable", "prefer"}), "GSSAPI encryption is not supported, use TLS"),
    "sslcertmode": (frozenset({"disable", "allow"}), "Python's ssl does not tell whether a certificate was asked for"),
    "sslcompression": (frozenset({"0", "1"}), "0 or 1 was expected"),
    "scram_client_key": _SCRAM_KEY,
    "scram_server_key": _SCRAM_KEY,
    "oauth_issuer": _OAUTH,
    "oauth_client_id": _OAUTH,
    "oauth_client_secret": _OAUTH,
    "oauth_scope": _OAUTH,
}

SECRET_KEYWORDS = frozenset({"password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"})
