"""Who gets in: passwords, tokens, certificates, and the commands that make users."""

import stat

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow
import pyarrow.flight
import pytest
import trustme
from people import OPTIONS, STATUS, USERS, add_user, refused, user

# Who gets in


@pytest.mark.parametrize("name", USERS)
def test_a_password_opens(ask, name):
    assert ask(name, "select current_user()") == [(name,)]


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "a wrong password"),
        ("ada", ""),
        ("ada", USERS["lea"][1]),
        ("ada", USERS["ada"][1] + " "),
        ("nobody", "a wrong password"),
        ("", ""),
    ],
)
def test_a_wrong_password_is_refused(ask, name, password):
    message = refused(STATUS.UNAUTHENTICATED, ask, name, "select 1", password=password)
    assert not password or password not in message


def test_a_wrong_name_and_a_wrong_password_are_told_alike(ask):
    told = [
        refused(STATUS.UNAUTHENTICATED, ask, name, "select 1", password="wrong, wrong")
        for name in ("ada", "nobody")
    ]
    assert told[0].replace("ada", "") == told[1].replace("nobody", "")


def test_without_credentials_nothing_is_answered(connect):
    def select():
        with connect() as connection, connection.cursor() as cursor:
            cursor.execute("select 1")

    def objects():
        with connect() as connection:
            connection.adbc_get_objects(depth="catalogs").read_all()

    def load():
        with connect() as connection, connection.cursor() as cursor:
            cursor.adbc_ingest("loaded", pyarrow.table({"n": [1]}))

    for work in (select, objects, load):
        assert "user add" in refused(STATUS.UNAUTHENTICATED, work)


def test_a_certificate_of_a_stranger_is_not_trusted(secured):
    options = {
        OPTIONS.TLS_ROOT_CERTS.value: trustme.CA().cert_pem.bytes().decode(),
        "username": "ada",
        "password": USERS["ada"][1],
    }
    with pytest.raises(flightsql.Error, match="(?i)certificate"):
        with flightsql.connect(secured.address, options, autocommit=True) as connection:
            connection.execute("select 1")


def test_without_tls_there_is_no_answer(secured):
    with pytest.raises(flightsql.Error):
        options = {"username": "ada", "password": USERS["ada"][1]}
        address = f"grpc://localhost:{secured.port}"
        with flightsql.connect(address, options, autocommit=True) as connection:
            connection.execute("select 1")


# Certificates of clients


def test_a_certificate_says_who_one_is(ask, authority):
    shown = authority.issue_cert("lea", common_name="lea")
    options = {
        OPTIONS.MTLS_CERT_CHAIN.value: shown.cert_chain_pems[0].bytes().decode(),
        OPTIONS.MTLS_PRIVATE_KEY.value: shown.private_key_pem.bytes().decode(),
    }
    assert ask(None, "select current_user()", **options) == [("lea",)]
    assert ask(None, "select count(*) from gold.listens", **options) == [(2,)]


@pytest.mark.parametrize("case", ["unknown user", "unknown authority"])
def test_a_certificate_of_nobody_is_refused(ask, authority, case):
    issuer = authority if case == "unknown user" else trustme.CA()
    shown = issuer.issue_cert("x", common_name="nobody" if case == "unknown user" else "ada")
    options = {
        OPTIONS.MTLS_CERT_CHAIN.value: shown.cert_chain_pems[0].bytes().decode(),
        OPTIONS.MTLS_PRIVATE_KEY.value: shown.private_key_pem.bytes().decode(),
    }
    with pytest.raises(flightsql.Error):
        ask(None, "select 1", **options)


# Tokens


@pytest.fixture(scope="session")
def token(secured):
    """The bearer token that a user name and password are answered with."""

    def of(name):
        with pyarrow.flight.FlightClient(secured.address, tls_root_certs=secured.root) as client:
            key, value = client.authenticate_basic_token(name, USERS[name][1])
        assert key == b"authorization"
        return value.decode()

    return of


def test_a_token_is_good_again_and_again(ask, token):
    header = token("lea")
    assert header.startswith("Bearer ")
    for _ in range(3):
        options = {OPTIONS.AUTHORIZATION_HEADER.value: header}
        assert ask(None, "select current_user()", **options) == [("lea",)]


def test_a_token_tells_no_password(token):
    assert USERS["lea"][1] not in token("lea")
    assert token("lea") != token("leo")


@pytest.mark.parametrize("change", ["flipped", "cut", "longer", "empty", "other scheme"])
def test_a_token_that_was_changed_is_refused(ask, token, change):
    header = token("ada")
    middle = len(header) // 2
    changed = {
        "flipped": header[:middle] + ("A" if header[middle] != "A" else "B") + header[middle + 1 :],
        "cut": header[:-4],
        "longer": header + "AAAA",
        "empty": "Bearer ",
        "other scheme": header.replace("Bearer", "Digest"),
    }[change]
    options = {OPTIONS.AUTHORIZATION_HEADER.value: changed}
    refused(STATUS.UNAUTHENTICATED, ask, None, "select 1", **options)


def test_a_result_is_its_askers_alone(connect):
    with connect("ada") as asker, asker.cursor() as cursor:
        (partition,), _ = cursor.adbc_execute_partitions("select * from gold.notices")
        for name in ("lea", "anna"):
            with connect(name) as other, other.cursor() as thief:
                with pytest.raises(flightsql.Error) as caught:
                    thief.adbc_read_partition(partition)
                    thief.fetchall()
                assert "secret" not in str(caught.value)
        cursor.adbc_read_partition(partition)
        assert len(cursor.fetchall()) == 2


# Users, as commands make them


def test_users_are_listed_without_their_passwords(lake):
    listed = user(lake, "list")
    assert listed.returncode == 0, listed.stderr
    for name, (role, password) in USERS.items():
        assert any(name in line and role in line for line in listed.stdout.splitlines())
        assert password not in listed.stdout
    assert "argon2" not in listed.stdout


def test_passwords_are_kept_as_hashes_that_others_cannot_read(lake):
    kept = [path for path in lake.rglob("*") if path.is_file() and b"argon2id" in path.read_bytes()]
    assert kept
    for path in kept:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        assert not any(password.encode() in path.read_bytes() for _, password in USERS.values())


def test_a_user_of_that_name_is_not_made_twice(lake):
    again = user(lake, "add", "ada", "--role", "listener", text="some other password\n")
    assert again.returncode != 0
    assert "ada" in again.stderr


def test_a_new_password_is_good_at_once(lake, ask):
    add_user(lake, "newcomer", "listener", "the first password")
    assert ask("newcomer", "select 1", password="the first password") == [(1,)]
    changed = user(lake, "passwd", "newcomer", text="the second password\n")
    assert changed.returncode == 0, changed.stderr
    assert ask("newcomer", "select 1", password="the second password") == [(1,)]
    refused(STATUS.UNAUTHENTICATED, ask, "newcomer", "select 1", password="the first password")


def test_who_is_removed_is_out_at_once(lake, connect):
    add_user(lake, "leaver", "analyst", "a password for now")
    with connect("leaver", password="a password for now") as connection:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            assert cursor.fetchall() == [(1,)]
        assert user(lake, "remove", "leaver").returncode == 0
        with connection.cursor() as cursor:
            refused(STATUS.UNAUTHENTICATED, cursor.execute, "select 1")
