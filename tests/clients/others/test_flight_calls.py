"""Flight's own calls through `pyarrow.flight`: actions, cancelling, renewing, sessions."""

import threading

import pyarrow
import pyarrow.flight as flight
import pytest
from flight_sql import REFUSALS, act, command, message, packed, read, rows_of, select

# Actions


def test_actions_are_listed(client):
    actions = {action.type for action in client.list_actions()}
    assert {
        "CreatePreparedStatement",
        "ClosePreparedStatement",
        "CancelFlightInfo",
        "RenewFlightEndpoint",
        "SetSessionOptions",
        "GetSessionOptions",
        "CloseSession",
    } <= actions


def test_there_are_no_flights_of_everybody(client):
    client.get_flight_info(select("select 1"))
    assert list(client.list_flights()) == []


def test_cancel_flight_info(client):
    info = client.get_flight_info(select("select value from generate_series(1, 100000000000)"))
    reader = client.do_get(info.endpoints[0].ticket)
    assert reader.read_chunk().data.num_rows > 0
    (result,) = act(client, "CancelFlightInfo", message(f1=info.serialize()))
    cancelled, cancelling = 1, 2
    assert read(result)[1][0] in (cancelled, cancelling)
    with pytest.raises(Exception, match="(?i)cancel"):
        for _ in reader:
            pass
    with pytest.raises(REFUSALS):
        client.do_get(info.endpoints[0].ticket).read_all()


def test_cancel_of_what_never_was(client):
    ticket = flight.Ticket(packed("TicketStatementQuery", f1=b"never was"))
    endpoint = flight.FlightEndpoint(ticket, [])
    info = flight.FlightInfo(pyarrow.schema([]), select("select 1"), [endpoint], -1, -1)
    try:
        (result,) = act(client, "CancelFlightInfo", message(f1=info.serialize()))
    except REFUSALS as error:
        assert str(error)
    else:
        not_cancellable = 3
        assert read(result).get(1, [0])[0] in (0, not_cancellable)


def test_renew_flight_endpoint(client):
    info = client.get_flight_info(select("select 7 as seven"))
    (result,) = act(client, "RenewFlightEndpoint", message(f1=info.endpoints[0].serialize()))
    renewed = flight.FlightEndpoint.deserialize(result)
    assert client.do_get(renewed.ticket).read_all().to_pylist() == [{"seven": 7}]
    unknown = flight.Ticket(packed("TicketStatementQuery", f1=b"never was"))
    with pytest.raises(REFUSALS, match="expired or never was"):
        act(
            client,
            "RenewFlightEndpoint",
            message(f1=flight.FlightEndpoint(unknown, []).serialize()),
        )


def test_renewing_what_does_not_expire(client):
    info = client.get_flight_info(command("CommandGetCatalogs"))
    (result,) = act(client, "RenewFlightEndpoint", message(f1=info.endpoints[0].serialize()))
    renewed = flight.FlightEndpoint.deserialize(result)
    assert client.do_get(renewed.ticket).read_all().to_pylist() == [{"catalog_name": "moodlake"}]


class Cookies(flight.ClientMiddlewareFactory):
    """Sends back the cookies of the server, as browsers do."""

    def __init__(self):
        self.kept = {}

    def start_call(self, info):
        factory = self

        class Middleware(flight.ClientMiddleware):
            def sending_headers(self):
                text = "; ".join(f"{name}={value}" for name, value in factory.kept.items())
                return {"cookie": text} if text else {}

            def received_headers(self, headers):
                for cookie in headers.get("set-cookie", []):
                    name, value = cookie.split(";", 1)[0].split("=", 1)
                    factory.kept[name] = value

        return Middleware()


@pytest.fixture
def sessions(server):
    """Makes clients that keep a session."""
    opened = []

    def connected():
        client = flight.FlightClient(
            server.replace("grpc://", "grpc+tcp://"), middleware=[Cookies()]
        )
        opened.append(client)
        return client

    yield connected
    for client in opened:
        client.close()


def set_options(client, **options):
    entries = [message(f1=name, f2=message(f1=value)) for name, value in options.items()]
    (result,) = act(client, "SetSessionOptions", message(f1=entries))
    errors = (read(entry) for entry in read(result).get(1, []))
    return {entry[1][0].decode(): read(entry[2][0])[1][0] for entry in errors}


def get_options(client):
    (result,) = act(client, "GetSessionOptions", b"")
    entries = (read(entry) for entry in read(result)[1])
    return {entry[1][0].decode(): read(entry[2][0])[1][0].decode() for entry in entries}


def test_session_options(sessions, query):
    query("create or replace table silver.notes as select 'silver' as here")
    client, other = sessions(), sessions()
    assert get_options(client)["schema"] == "gold"
    assert set_options(client, schema="silver", time_zone="Europe/Berlin") == {}
    found = get_options(client)
    assert (found["catalog"], found["schema"]) == ("moodlake", "silver")
    assert found["time_zone"] == "Europe/Berlin"
    assert rows_of(client, select("select here from notes")).to_pylist() == [{"here": "silver"}]
    assert get_options(other)["schema"] == "gold"
    act(client, "CloseSession", b"")
    assert get_options(client)["schema"] == "gold"


def test_session_options_that_cannot_be(sessions):
    client = sessions()
    invalid_name, invalid_value = 1, 2
    assert set_options(client, colour="blue", schema="nowhere", catalog="elsewhere") == {
        "colour": invalid_name,
        "schema": invalid_value,
        "catalog": invalid_value,
    }
    assert get_options(client)["schema"] == "gold"


# Many at once


def test_many_clients_of_flight_at_once(server):
    failed = []

    def work(number):
        try:
            with flight.FlightClient(server.replace("grpc://", "grpc+tcp://")) as client:
                for round_number in range(10):
                    table = rows_of(client, select(f"select {number} as a, {round_number} as b"))
                    assert table.to_pylist() == [{"a": number, "b": round_number}]
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
