"""What is no Flight SQL, sent through `pyarrow.flight`: refused in words, and harmless."""

import random

import flight_sql
import pyarrow
import pyarrow.flight as flight
import pytest
from flight_sql import REFUSALS, act, field, packed, put, rows_of, select, unpacked

GARBAGE = {
    "nothing": b"",
    "a zero": b"\x00",
    "text": b"select 1",
    "no end": b"\x0a\xff\xff\xff\xff\x7f",
    "high bytes": b"\xff" * 64,
    "no value": field(1, flight_sql.PREFIX + "CommandStatementQuery"),
    "a strange type": field(1, "type.googleapis.com/arrow.Flight") + field(2, b"x"),
    "an unknown command": packed("CommandDoWhatIMean", f1="x"),
    "a broken value": field(1, flight_sql.PREFIX + "CommandStatementQuery") + field(2, b"\xff\xff"),
    "an action's message": packed("ActionBeginTransactionRequest"),
    "a megabyte": b"\x08" * 1_000_000,
}


def refuses(work):
    """The message with which a call is refused."""
    with pytest.raises(REFUSALS) as caught:
        work()
    told = str(caught.value)
    assert told.strip()
    assert "panicked" not in told
    return told


def answers(client):
    return rows_of(client, select("select 1 as one")).to_pylist() == [{"one": 1}]


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
def test_a_garbage_ticket(client, data):
    refuses(lambda: client.do_get(flight.Ticket(data)).read_all())
    assert answers(client)


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
def test_a_garbage_command(client, data):
    descriptor = flight.FlightDescriptor.for_command(data)
    refuses(lambda: client.get_flight_info(descriptor))
    refuses(lambda: client.get_schema(descriptor))
    refuses(lambda: put(client, descriptor, pyarrow.table({"n": [1]})))
    assert answers(client)


@pytest.mark.parametrize(
    "action",
    [
        "CreatePreparedStatement",
        "ClosePreparedStatement",
        "CancelFlightInfo",
        "RenewFlightEndpoint",
        "SetSessionOptions",
        "BeginTransaction",
        "EndTransaction",
        "CancelQuery",
        "NoSuchAction",
        "",
    ],
)
def test_a_garbage_action(client, action):
    for data in (b"\xff" * 64, b"\x0a\xff\xff\xff\xff\x7f"):
        refuses(lambda: act(client, action, data))
    assert answers(client)


def test_a_path_is_no_command(client):
    refuses(lambda: client.get_flight_info(flight.FlightDescriptor.for_path("gold", "notes")))
    refuses(
        lambda: put(client, flight.FlightDescriptor.for_path("gold"), pyarrow.table({"n": [1]}))
    )
    assert answers(client)


def test_an_exchange_is_not_offered(client):
    def exchange():
        writer, reader = client.do_exchange(select("select 1"))
        writer.done_writing()
        reader.read_all()

    refuses(exchange)
    assert answers(client)


def test_tickets_that_were_changed_show_nothing(client):
    """A ticket is good as it was given, and no other."""
    info = client.get_flight_info(select("select 'secret' as s"))
    ticket = info.endpoints[0].ticket.ticket
    prefix = len(ticket) - len(unpacked(ticket)[1][0])
    generator = random.Random(20261122)
    for _ in range(200):
        changed = bytearray(ticket)
        changed[generator.randrange(prefix, len(ticket))] ^= 1 << generator.randrange(8)
        refuses(lambda changed=changed: client.do_get(flight.Ticket(bytes(changed))).read_all())
    for length in range(0, len(ticket), 3):
        refuses(lambda length=length: client.do_get(flight.Ticket(ticket[:length])).read_all())
    assert client.do_get(info.endpoints[0].ticket).read_all().num_rows == 1


def test_random_messages_end_nothing(client):
    generator = random.Random(20261122)
    names = [
        "CommandStatementQuery",
        "CommandGetTables",
        "CommandPreparedStatementQuery",
        "CommandGetSqlInfo",
    ]
    for _ in range(300):
        data = bytearray(packed(generator.choice(names), f1="select 1", f2="x", f3=b"y"))
        for _ in range(generator.randrange(1, 8)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        try:
            client.get_flight_info(flight.FlightDescriptor.for_command(bytes(data)))
        except REFUSALS as error:
            assert str(error).strip()
    assert answers(client)
