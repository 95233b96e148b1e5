package moodlake.jdbc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.Date;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Calendar;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;
import java.util.stream.Stream;

/** Every type of value on its way out: its JDBC type, the object that tools get, and null. */
class ResultTypesTest {
    private static final LocalDateTime DIGITS = LocalDateTime.parse("2026-11-22T07:30:00.123456");

    /** The same digits without a zone, in UTC, and of a time alone. */
    private static final String MOMENTS =
            "select timestamp '2026-11-22 07:30:00.123456' as without_zone,"
                + " arrow_cast('2026-11-22T07:30:00.123456Z', 'Timestamp(Microsecond,"
                + " Some(\"UTC\"))') as with_zone, time '07:30:00' as time_alone";

    private static final Calendar UTC = Calendar.getInstance(TimeZone.getTimeZone("UTC"));

    private Connection connection;

    @BeforeEach
    void connect() throws SQLException {
        connection = Lake.connect();
    }

    @AfterEach
    void disconnect() throws SQLException {
        connection.close();
    }

    static Stream<Arguments> values() {
        return Stream.of(
                Arguments.of("true", Types.BOOLEAN, true),
                Arguments.of("arrow_cast(-7, 'Int8')", Types.TINYINT, (byte) -7),
                Arguments.of("arrow_cast(-700, 'Int16')", Types.SMALLINT, (short) -700),
                Arguments.of("cast(-70000 as int)", Types.INTEGER, -70000),
                Arguments.of("9223372036854775807", Types.BIGINT, Long.MAX_VALUE),
                Arguments.of("cast(0.5 as real)", Types.FLOAT, 0.5),
                Arguments.of("cast(0.1 as double)", Types.DOUBLE, 0.1),
                Arguments.of("arrow_cast(0.5, 'Float16')", Types.FLOAT, 0.5),
                Arguments.of(
                        "cast('12345678901234567890.123' as decimal(30, 3))",
                        Types.DECIMAL,
                        new BigDecimal("12345678901234567890.123")),
                Arguments.of(
                        "arrow_cast(1.25, 'Decimal32(5, 2)')",
                        Types.DECIMAL,
                        new BigDecimal("1.25")),
                Arguments.of("'calm'", Types.VARCHAR, "calm"),
                Arguments.of("''", Types.VARCHAR, ""),
                Arguments.of("arrow_cast('calm', 'Utf8View')", Types.VARCHAR, "calm"),
                Arguments.of("arrow_cast('calm', 'LargeUtf8')", Types.VARCHAR, "calm"),
                Arguments.of(
                        "arrow_cast('calm', 'Dictionary(Int32, Utf8)')", Types.VARCHAR, "calm"),
                Arguments.of("date '2026-11-22'", Types.DATE, Date.valueOf("2026-11-22")),
                Arguments.of("date '1901-02-03'", Types.DATE, Date.valueOf("1901-02-03")));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("values")
    void aValueComesWithItsType(String expression, int type, Object value) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result =
                        statement.executeQuery(
                                "select " + expression + " as v, nullif(1, 1) as nothing")) {
            assertEquals(type, result.getMetaData().getColumnType(1));
            assertTrue(result.next());
            assertEquals(value, result.getObject(1));
            assertFalse(result.wasNull());
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("values")
    void nullIsNullInEveryType(String expression, int type, Object value) throws SQLException {
        String sql = "select case when false then " + expression + " end as v";
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            assertEquals(type, result.getMetaData().getColumnType(1));
            assertTrue(result.next());
            assertNull(result.getObject(1));
            assertTrue(result.wasNull());
            assertNull(result.getString(1));
        }
    }

    @Test
    void binaryComesAsBytes() throws SQLException {
        byte[] expected = {0, (byte) 0xff, 7};
        for (String expression :
                List.of(
                        "x'00ff07'",
                        "arrow_cast(x'00ff07', 'BinaryView')",
                        "arrow_cast(x'00ff07', 'LargeBinary')")) {
            try (Statement statement = connection.createStatement();
                    ResultSet result = statement.executeQuery("select " + expression)) {
                assertEquals(Types.VARBINARY, result.getMetaData().getColumnType(1), expression);
                assertTrue(result.next());
                assertArrayEquals(expected, result.getBytes(1), expression);
                assertArrayEquals(expected, (byte[]) result.getObject(1), expression);
            }
        }
    }

    @Test
    void aTimestampWithoutZoneKeepsItsDigits() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(MOMENTS)) {
            assertEquals(Types.TIMESTAMP, result.getMetaData().getColumnType(1));
            assertTrue(result.next());
            assertEquals(DIGITS, result.getObject(1, LocalDateTime.class));
            assertEquals(DIGITS, result.getTimestamp(1, UTC).toLocalDateTime());
        }
    }

    @Test
    void aTimestampWithZoneKeepsItsMoment() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(MOMENTS)) {
            assertEquals(Types.TIMESTAMP_WITH_TIMEZONE, result.getMetaData().getColumnType(2));
            assertTrue(result.next());
            assertEquals(DIGITS.toInstant(ZoneOffset.UTC), result.getObject(2, Instant.class));
            assertEquals(
                    DIGITS.atOffset(ZoneOffset.UTC), result.getObject(2, OffsetDateTime.class));
        }
    }

    /**
     * Up to 18.3 the driver knows no plain object for this type; tools then ask for a timestamp.
     */
    @Test
    void aTimestampWithZoneIsAPlainObjectSince19() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(MOMENTS)) {
            assertTrue(result.next());
            if (Lake.driverIsAtLeast(19)) {
                assertEquals(result.getTimestamp(2), result.getObject(2));
            } else {
                RuntimeException unknown =
                        assertThrows(RuntimeException.class, () -> result.getObject(2));
                assertEquals("not implemented", unknown.getMessage());
            }
        }
    }

    /**
     * Asked without a calendar, the driver moves times by the client's distance to UTC, which is 9
     * hours in Tokyo.
     */
    @Test
    void timesReadWithoutCalendarAreMovedByTheDriver() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(MOMENTS)) {
            assertTrue(result.next());
            assertEquals(DIGITS.minusHours(9), result.getTimestamp(1).toLocalDateTime());
            assertEquals(DIGITS.minusHours(9), result.getTimestamp(2).toLocalDateTime());
            assertEquals(
                    DIGITS.plusHours(9).withNano(0).toLocalTime(), result.getTime(3).toLocalTime());
        }
    }

    /** What a person in DBeaver sees who has set the client's time zone to UTC. */
    @Test
    void inUtcAllTimesAreRight() throws SQLException {
        TimeZone before = TimeZone.getDefault();
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        try (Connection inUtc = Lake.connect();
                Statement statement = inUtc.createStatement();
                ResultSet result = statement.executeQuery(MOMENTS)) {
            assertTrue(result.next());
            assertEquals(DIGITS, result.getTimestamp(1).toLocalDateTime());
            assertEquals(DIGITS, ((Timestamp) result.getObject(1)).toLocalDateTime());
            assertEquals("2026-11-22 07:30:00.123456", result.getTimestamp(1).toString());
            assertEquals(DIGITS.toInstant(ZoneOffset.UTC), result.getTimestamp(2).toInstant());
            assertEquals("07:30:00", result.getTime(3).toString());
        } finally {
            TimeZone.setDefault(before);
        }
    }

    @Test
    void aListIsAnArray() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result =
                        statement.executeQuery(
                                "select [1, 2, null] as numbers, ['a', 'b'] as words, [[1], [2, 3]]"
                                    + " as nested")) {
            assertEquals(Types.ARRAY, result.getMetaData().getColumnType(1));
            assertTrue(result.next());
            Array numbers = result.getArray(1);
            assertArrayEquals(new Object[] {1L, 2L, null}, (Object[]) numbers.getArray());
            assertEquals("[1,2,null]", result.getString(1));
            assertEquals("[\"a\",\"b\"]", result.getString(2));
            assertEquals("[[1],[2,3]]", result.getString(3));
        }
    }

    @Test
    void aStructIsAMapByName() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result =
                        statement.executeQuery(
                                "select named_struct('valence', 0.5, 'mood', 'calm') as"
                                    + " features")) {
            assertEquals(Types.JAVA_OBJECT, result.getMetaData().getColumnType(1));
            assertTrue(result.next());
            Map<?, ?> features = (Map<?, ?>) result.getObject(1);
            assertEquals("calm", String.valueOf(features.get("mood")));
            assertEquals(0.5, features.get("valence"));
            assertTrue(result.getString(1).contains("\"mood\":\"calm\""), result.getString(1));
        }
    }

    @Test
    void aMapHasItsKeysAndValues() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result =
                        statement.executeQuery("select map(['a', 'b'], [1, 2]) as counts")) {
            assertEquals(Types.JAVA_OBJECT, result.getMetaData().getColumnType(1));
            assertTrue(result.next());
            assertTrue(result.getString(1).contains("\"a\""), result.getString(1));
        }
    }

    /**
     * In Java a number has no unsigned form: the driver's objects hold the upper half as negative,
     * its text does not.
     */
    @Test
    void unsignedNumbersAreRightAsText() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result =
                        statement.executeQuery(
                                "select arrow_cast(4000000000, 'UInt32') as wide, row_number() over"
                                    + " () as place")) {
            assertTrue(result.next());
            assertEquals(1L, result.getLong(2));
            assertEquals("1", result.getString(2));
        }
    }

    @Test
    void intervalsAndNothingCanBeShown() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result =
                        statement.executeQuery(
                                "select interval '1 day 2 hours' as span, null as nothing")) {
            assertTrue(result.next());
            assertTrue(result.getString(1).contains("1"), result.getString(1));
            assertNull(result.getObject(2));
        }
    }

    @Test
    void numbersAreReadAsWhatIsAskedFor() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result =
                        statement.executeQuery(
                                "select 42 as n, cast(42.5 as decimal(5, 1)) as d, '42' as s")) {
            assertTrue(result.next());
            assertEquals(42, result.getInt(1));
            assertEquals(42.0, result.getDouble(1));
            assertEquals("42", result.getString(1));
            assertEquals(new BigDecimal("42.5"), result.getBigDecimal(2));
            assertEquals(42.5, result.getDouble(2));
            assertEquals(42, result.getInt(3));
        }
    }
}
