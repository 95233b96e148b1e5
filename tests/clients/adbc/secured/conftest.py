"""A server with TLS over a lake with users, and connections to it as each of them."""

import types

import adbc_driver_flightsql.dbapi as flightsql
import pytest
import trustme
from people import OPTIONS, USERS, add_user
from serving import serving


@pytest.fixture(scope="session")
def lake(tmp_path_factory):
    """A lake's folder with users."""
    folder = tmp_path_factory.mktemp("secured") / "lake"
    folder.mkdir()
    for name, (role, password) in USERS.items():
        add_user(folder, name, role, password)
    return folder


@pytest.fixture(scope="session")
def authority():
    """Who signs certificates."""
    return trustme.CA()


@pytest.fixture(scope="session")
def secured(lake, authority, tmp_path_factory):
    """A server with TLS over that lake."""
    folder = tmp_path_factory.mktemp("certificates")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(folder / "certificate.pem", append=True)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    options = ["--tls-cert", folder / "certificate.pem", "--tls-key", folder / "key.pem"]
    options += ["--tls-client-ca", folder / "authority.pem"]
    with serving(lake, *options) as started:
        port = started.address.rsplit(":", 1)[1]
        yield types.SimpleNamespace(
            address=f"grpc+tls://localhost:{port}",
            port=port,
            root=authority.cert_pem.bytes().decode(),
        )


@pytest.fixture(scope="session")
def connect(secured):
    """Connects as a user, or with what else is given."""

    def connected(name=None, password=None, headers=None, **options):
        options = {OPTIONS.TLS_ROOT_CERTS.value: secured.root, **options}
        if name is not None:
            options["username"] = name
            options["password"] = password if password is not None else USERS[name][1]
        for header, value in (headers or {}).items():
            options[OPTIONS.RPC_CALL_HEADER_PREFIX.value + header] = value
        return flightsql.connect(secured.address, options, autocommit=True)

    return connected


@pytest.fixture(scope="session")
def ask(connect):
    """The rows of a statement, asked by a user."""

    def rows(name, sql, parameters=None, **options):
        with connect(name, **options) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    return rows


@pytest.fixture(scope="session", autouse=True)
def tables(ask):
    """Tables with somebody's rows, and one with nobody's."""
    for sql in [
        "create or replace table gold.listens (user_id varchar, track varchar, plays bigint)",
        "insert into gold.listens values ('lea', 'a', 1), ('lea', 'b', 2), ('leo', 'c', 40)",
        "create or replace table gold.notices (n bigint, text varchar)",
        "insert into gold.notices values (1, 'public'), (2, 'secret')",
        "create or replace view gold.all_listens as select user_id, track, plays from gold.listens",
        "create or replace table gold.people (user_id varchar, email varchar, city varchar)",
        "insert into gold.people values ('lea', 'lea@example.org', 'Bern'),"
        " ('leo', 'leo@example.org', 'Rome')",
    ]:
        ask("ada", sql)
