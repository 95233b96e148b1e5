"""URLs as the driver's arguments, without a server."""

import pytest
from moodlake_sqlalchemy import MoodlakeDialect
from moodlake_sqlalchemy.address import connect_arguments
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

COOKIES = {"adbc.flight.sql.rpc.with_cookie_middleware": "true"}


def arguments(rest):
    address, options = connect_arguments(make_url(f"datafusion+adbc://{rest}"))
    return address, {**options["db_kwargs"], **options["conn_kwargs"]}


def test_tls_is_the_default():
    assert arguments("lake.example") == ("grpc+tls://lake.example:50051", COOKIES)
    assert arguments("lake.example:1?tls=false") == ("grpc://lake.example:1", COOKIES)


def test_a_user_a_catalogue_and_a_schema():
    _, options = arguments("ada:s%40crt@lake.example/moodlake?schema=silver")
    assert options == {
        **COOKIES,
        "username": "ada",
        "password": "s@crt",
        "adbc.connection.catalog": "moodlake",
        "adbc.connection.db_schema": "silver",
    }


def test_a_token():
    _, options = arguments("lake.example?token=abc")
    assert options["adbc.flight.sql.authorization_header"] == "Bearer abc"
    with pytest.raises(ArgumentError, match="user and a token"):
        arguments("ada:secret@lake.example?token=abc")


def test_timeouts_and_certificates(tmp_path):
    certificates = tmp_path / "roots.pem"
    certificates.write_text("PEM")
    _, options = arguments(
        f"lake.example?timeout=2.5&tls_skip_verify=yes&tls_root_certs={certificates}"
    )
    assert options["adbc.flight.sql.rpc.timeout_seconds.query"] == "2.5"
    assert options["adbc.flight.sql.rpc.timeout_seconds.fetch"] == "2.5"
    assert options["adbc.flight.sql.rpc.timeout_seconds.update"] == "2.5"
    assert options["adbc.flight.sql.client_option.tls_skip_verify"] == "true"
    assert options["adbc.flight.sql.client_option.tls_root_certs"] == "PEM"


def test_a_header():
    _, options = arguments("lake.example?x-moodlake-user=ada")
    assert options["adbc.flight.sql.rpc.call_header.x-moodlake-user"] == "ada"


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("lake.example?shcema=silver", "unknown option shcema"),
        ("lake.example?tls=perhaps", "tls=perhaps: expected true or false"),
        ("lake.example?timeout=soon", "timeout=soon: expected seconds"),
    ],
)
def test_a_misspelt_option_is_told(rest, message):
    with pytest.raises(ArgumentError, match=message):
        arguments(rest)


def test_the_package_announces_the_dialect():
    assert make_url("datafusion+adbc://lake.example").get_dialect() is MoodlakeDialect
