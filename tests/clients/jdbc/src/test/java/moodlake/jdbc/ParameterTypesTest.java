package moodlake.jdbc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.List;
import java.util.stream.Stream;

/** Every type of value on its way into a table of that type, and out again. */
class ParameterTypesTest {
    private Connection connection;

    @BeforeEach
    void connect() throws SQLException {
        connection = Lake.connect();
        Lake.update(connection, "create schema if not exists parameters");
    }

    @AfterEach
    void disconnect() throws SQLException {
        connection.close();
    }

    static Stream<Arguments> values() {
        return Stream.of(
                Arguments.of("boolean", true, Types.BOOLEAN),
                Arguments.of("smallint", (short) -700, Types.SMALLINT),
                Arguments.of("int", -70000, Types.INTEGER),
                Arguments.of("bigint", 9_000_000_000L, Types.BIGINT),
                Arguments.of("real", 0.5, Types.FLOAT),
                Arguments.of("double", 0.1, Types.DOUBLE),
                Arguments.of("decimal(12, 3)", new BigDecimal("-123456789.125"), Types.DECIMAL),
                Arguments.of("varchar", "Zoë ''", Types.VARCHAR),
                Arguments.of("date", Date.valueOf("2026-11-22"), Types.DATE));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("values")
    void aValueIsKeptAsItIs(String type, Object value, int jdbcType) throws SQLException {
        Lake.update(connection, "create or replace table parameters.kept (v " + type + ")");
        try (PreparedStatement statement =
                connection.prepareStatement("insert into parameters.kept values (?)")) {
            statement.setObject(1, value);
            assertEquals(1, statement.executeUpdate());
            statement.setNull(1, jdbcType);
            assertEquals(1, statement.executeUpdate());
        }
        try (Statement statement = connection.createStatement();
                ResultSet result =
                        statement.executeQuery(
                                "select v from parameters.kept order by v nulls last")) {
            assertEquals(jdbcType, result.getMetaData().getColumnType(1));
            assertTrue(result.next());
            assertEquals(value, result.getObject(1));
            assertTrue(result.next());
            assertNull(result.getObject(1));
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("values")
    void aValueIsFoundAgain(String type, Object value, int jdbcType) throws SQLException {
        Lake.update(connection, "create or replace table parameters.found (v " + type + ")");
        try (PreparedStatement statement =
                connection.prepareStatement("insert into parameters.found values (?)")) {
            statement.setObject(1, value);
            statement.executeUpdate();
        }
        try (PreparedStatement statement =
                connection.prepareStatement("select count(*) from parameters.found where v = ?")) {
            statement.setObject(1, value);
            try (ResultSet result = statement.executeQuery()) {
                assertTrue(result.next());
                assertEquals(1, result.getInt(1));
            }
        }
    }

    @Test
    void bytesAreKeptAsTheyAre() throws SQLException {
        byte[] bytes = {0, (byte) 0xff, 7};
        Lake.update(connection, "create or replace table parameters.bytes (v bytea)");
        try (PreparedStatement statement =
                connection.prepareStatement("insert into parameters.bytes values (?)")) {
            statement.setBytes(1, bytes);
            assertEquals(1, statement.executeUpdate());
        }
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery("select v from parameters.bytes")) {
            assertTrue(result.next());
            assertArrayEquals(bytes, result.getBytes(1));
        }
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"timestamp", "timestamp with time zone"})
    void aTimestampMeansTheDigitsThatWereWritten(String type) throws SQLException {
        Timestamp moment = Timestamp.valueOf("2026-11-22 07:30:00.123");
        Lake.update(connection, "create or replace table parameters.moments (v " + type + ")");
        try (PreparedStatement statement =
                connection.prepareStatement("insert into parameters.moments values (?)")) {
            statement.setTimestamp(1, moment);
            assertEquals(1, statement.executeUpdate());
        }
        String kept =
                (String)
                        Lake.value(connection, "select cast(v as varchar) from parameters.moments");
        assertTrue(kept.startsWith("2026-11-22T07:30:00.123"), kept);
        try (PreparedStatement statement =
                connection.prepareStatement(
                        "select count(*) from parameters.moments where v = ?")) {
            statement.setTimestamp(1, moment);
            assertEquals(List.of(List.of(1L)), Lake.rows(statement.executeQuery()));
        }
    }

    @Test
    void aDateMeansTheDayThatWasWritten() throws SQLException {
        Lake.update(connection, "create or replace table parameters.days (v date)");
        try (PreparedStatement statement =
                connection.prepareStatement("insert into parameters.days values (?)")) {
            statement.setDate(1, Date.valueOf("2026-11-22"));
            statement.executeUpdate();
        }
        assertEquals(
                "2026-11-22",
                Lake.value(connection, "select cast(v as varchar) from parameters.days"));
    }
}
