"""A URL as what the ADBC driver takes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import URL

DEFAULT_PORT = 50051
# Every query key that starts so is a header of each call: `x-moodlake-user=alice`.
HEADER = "x-"
YES = {"1", "true", "yes", "on"}
NO = {"0", "false", "no", "off"}
OPTION = "adbc.flight.sql."


def connect_arguments(url: URL) -> tuple[str, dict[str, Any]]:
    """The server's address, and the keyword arguments of the driver's `connect`.

    Raises `ArgumentError` for a query key that means nothing here: a misspelt one must not be passed over.
    """
    query = {
        key: value if isinstance(value, str) else value[-1] for key, value in url.query.items()
    }
    encrypted = flag(query, "tls", True)
    address = f"{'grpc+tls' if encrypted else 'grpc'}://{url.host or 'localhost'}:{url.port or DEFAULT_PORT}"
    database = {
        # The server may know a session by its cookie.
        f"{OPTION}rpc.with_cookie_middleware": "true",
        **credentials(url, query.pop("token", None)),
        **tls_options(query),
    }
    for kind in ("query", "fetch", "update"):
        if "timeout" in query:
            database[f"{OPTION}rpc.timeout_seconds.{kind}"] = seconds(query["timeout"])
    query.pop("timeout", None)
    for key in [key for key in query if key.lower().startswith(HEADER)]:
        database.update(header(key, query.pop(key)))
    session = {}
    if url.database:
        session["adbc.connection.catalog"] = url.database
    if schema := query.pop("schema", None):
        session["adbc.connection.db_schema"] = schema
    if query:
        raise exc.ArgumentError(
            f"URL: unknown option {', '.join(sorted(query))}; "
            f"use schema, tls, tls_skip_verify, tls_root_certs, token, timeout or a header {HEADER}…"
        )
    return address, {"db_kwargs": database, "conn_kwargs": session, "autocommit": True}


def header(name: str, value: str) -> dict[str, str]:
    """The driver's option that sends this header with each call."""
    return {f"{OPTION}rpc.call_header.{name.lower()}": value}


def credentials(url: URL, token: str | None) -> dict[str, str]:
    if token is not None and url.username:
        raise exc.ArgumentError("URL: a user and a token were given; give one of them")
    if token is not None:
        return {f"{OPTION}authorization_header": f"Bearer {token}"}
    if url.username:
        return {"username": url.username, "password": url.password or ""}
    return {}


def tls_options(query: dict[str, str]) -> dict[str, str]:
    options = {}
    if flag(query, "tls_skip_verify", False):
        options[f"{OPTION}client_option.tls_skip_verify"] = "true"
    if path := query.pop("tls_root_certs", None):
        with open(path, encoding="ascii") as certificates:
            options[f"{OPTION}client_option.tls_root_certs"] = certificates.read()
    return options


def flag(query: dict[str, str], key: str, default: bool) -> bool:
    value = query.pop(key, None)
    if value is None:
        return default
    if value.lower() not in YES | NO:
        raise exc.ArgumentError(f"URL: {key}={value}: expected true or false")
    return value.lower() in YES


def seconds(value: str) -> str:
    try:
        return str(float(value))
    except ValueError:
        raise exc.ArgumentError(f"URL: timeout={value}: expected seconds") from None
