"""Flight SQL by hand: just enough of protobuf to write its commands and to read its answers."""

import pyarrow
import pyarrow.flight as flight

PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."

# What a call is refused with.
REFUSALS = (
    pyarrow.ArrowInvalid,
    pyarrow.ArrowNotImplementedError,
    pyarrow.ArrowKeyError,
    flight.FlightError,
)

BYTES, VARINT, FIXED64 = 2, 0, 1


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def field(number: int, value) -> bytes:
    """One field: text, bytes, a truth value or a whole number; nothing for None."""
    if value is None:
        return b""
    if isinstance(value, (bool, int)):
        return varint(number << 3 | VARINT) + varint(int(value))
    data = value.encode() if isinstance(value, str) else bytes(value)
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def message(**fields) -> bytes:
    """A message of the fields `f1`, `f2` and so on; a list is a repeated field."""
    parts = []
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        parts.extend(field(int(name.removeprefix("f")), one) for one in values)
    return b"".join(parts)


def packed(name: str, **fields) -> bytes:
    """A message in an `Any`, as Flight SQL sends its commands."""
    return field(1, PREFIX + name) + field(2, message(**fields))


def read(data) -> dict[int, list]:
    """The fields of a message by their numbers, each a list."""
    data, position, found = bytes(data), 0, {}

    def number():
        nonlocal position
        value, shift = 0, 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(data):
        key = number()
        if key & 7 == VARINT:
            value = number()
        else:
            length = {BYTES: number, FIXED64: lambda: 8}[key & 7]()
            value = data[position : position + length]
            position += length
        found.setdefault(key >> 3, []).append(value)
    return found


def unpacked(data) -> dict[int, list]:
    """The fields of a message in an `Any`."""
    return read(read(data)[2][0])


def command(name: str, **fields) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(packed(name, **fields))


def rows_of(client, descriptor):
    """The table that a command leads to, from all its endpoints."""
    info = client.get_flight_info(descriptor)
    tables = [client.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints]
    (table,) = tables
    return table


def act(client, action: str, body: bytes) -> list[bytes]:
    return [result.body.to_pybytes() for result in client.do_action((action, body))]


def select(sql: str) -> flight.FlightDescriptor:
    return command("CommandStatementQuery", f1=sql)


def put(client, descriptor, table):
    """Sends a table under a command and returns the answer's metadata."""
    writer, reader = client.do_put(descriptor, table.schema)
    for batch in table.to_batches():
        writer.write_batch(batch)
    writer.done_writing()
    answer = reader.read()
    writer.close()
    return answer.to_pybytes() if answer is not None else b""
