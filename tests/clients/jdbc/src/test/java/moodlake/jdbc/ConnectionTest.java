package moodlake.jdbc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;

/** Connecting, what a connection says of itself, and transactions. */
class ConnectionTest {
    @Test
    void theDriverIsTheOneAskedFor() throws SQLException {
        try (Connection connection = Lake.connect()) {
            assertEquals(
                    Lake.property("driver.version"), connection.getMetaData().getDriverVersion());
        }
    }

    @Test
    void connectsWithoutCredentials() throws SQLException {
        try (Connection connection = Lake.connect()) {
            assertFalse(connection.isClosed());
            assertEquals(1L, Lake.value(connection, "select 1"));
        }
    }

    @Test
    void settingsMayStandInTheUrl() throws SQLException {
        try (Connection connection =
                Lake.connect(Lake.address() + "/?useEncryption=false&threadPoolSize=2")) {
            assertEquals(1L, Lake.value(connection, "select 1"));
        }
    }

    @Test
    void isValidUntilClosed() throws SQLException {
        Connection connection = Lake.connect();
        assertTrue(connection.isValid(5));
        connection.close();
        assertTrue(connection.isClosed());
        assertFalse(connection.isValid(5));
        connection.close();
    }

    @Test
    void aCatalogThatExistsCanBeChosen() throws SQLException {
        Connection connection =
                Lake.connect(Lake.address(), "useEncryption", "false", "catalog", "moodlake");
        assertEquals(1L, Lake.value(connection, "select 1"));
        if (Lake.driverIsAtLeast(19)) {
            connection.close();
        } else {
            // Up to 18.3 the driver ends such a session twice, the second time on a channel that it
            // has shut.
            SQLException twice = assertThrows(SQLException.class, connection::close);
            assertTrue(twice.getMessage().contains("Channel shutdown"), twice.getMessage());
        }
    }

    @Test
    void aCatalogThatDoesNotExistIsRefused() {
        Exception refused =
                assertThrows(
                        Exception.class,
                        () ->
                                Lake.connect(
                                        Lake.address(),
                                        "useEncryption",
                                        "false",
                                        "catalog",
                                        "elsewhere"));
        assertTrue(refused.getMessage().contains("elsewhere"), refused.getMessage());
    }

    /** JDBC tools send what they do not know themselves as a header; the server must not mind. */
    @Test
    void unknownSettingsDoNoHarm() throws SQLException {
        try (Connection connection =
                Lake.connect(Lake.address(), "useEncryption", "false", "colour", "blue")) {
            assertEquals(1L, Lake.value(connection, "select 1"));
        }
    }

    /** Without credentials the driver first speaks to the server when it has something to ask. */
    @Test
    void nobodyListeningIsSaidSo() throws SQLException {
        try (Connection connection = Lake.connect("127.0.0.1:1", "useEncryption", "false")) {
            SQLException refused =
                    assertThrows(SQLException.class, () -> Lake.value(connection, "select 1"));
            assertTrue(
                    Lake.story(refused).contains("Connection refused: /127.0.0.1:1"),
                    Lake.story(refused));
        }
    }

    /** Up to 18.3 the driver remembers both for its caller and tells the server neither. */
    @Test
    void catalogAndSchemaAreRemembered() throws SQLException {
        try (Connection connection = Lake.connect()) {
            connection.setCatalog("moodlake");
            assertEquals("moodlake", connection.getCatalog());
            connection.setSchema("silver");
            assertEquals("silver", connection.getSchema());
            assertEquals(1L, Lake.value(connection, "select 1"));
        }
    }

    @Test
    void thereAreNoTransactionsAndThatIsSaid() throws SQLException {
        try (Connection connection = Lake.connect()) {
            DatabaseMetaData metaData = connection.getMetaData();
            assertTrue(connection.getAutoCommit());
            assertFalse(metaData.supportsTransactions());
            assertFalse(metaData.supportsSavepoints());
            assertFalse(metaData.supportsMultipleTransactions());
            assertEquals(Connection.TRANSACTION_NONE, connection.getTransactionIsolation());
            assertEquals(Connection.TRANSACTION_NONE, metaData.getDefaultTransactionIsolation());
            assertThrows(SQLException.class, connection::setSavepoint);
        }
    }

    /** The driver asks for no transaction, so that what a tool calls one is none: rows stay. */
    @Test
    void everyStatementCommitsByItself() throws SQLException {
        try (Connection connection = Lake.connect();
                Connection other = Lake.connect()) {
            Lake.update(connection, "create schema if not exists connections");
            Lake.update(connection, "create or replace table connections.notes (n bigint)");
            connection.setAutoCommit(false);
            Lake.update(connection, "insert into connections.notes values (1)");
            assertEquals(1L, Lake.value(other, "select count(*) from connections.notes"));
            connection.rollback();
            assertEquals(1L, Lake.value(other, "select count(*) from connections.notes"));
            connection.commit();
            connection.setAutoCommit(true);
            assertEquals(1L, Lake.value(connection, "select count(*) from connections.notes"));
        }
    }

    @Test
    void severalConnectionsWorkAtOnce() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(8);
        try {
            List<Callable<Long>> tasks = new ArrayList<>();
            IntStream.range(0, 24).forEach(number -> tasks.add(() -> sumUpTo(1000 + number)));
            List<Future<Long>> answers = threads.invokeAll(tasks);
            for (int number = 0; number < answers.size(); number++) {
                long last = 1000 + number;
                assertEquals(last * (last + 1) / 2, answers.get(number).get());
            }
        } finally {
            threads.shutdown();
        }
    }

    private static long sumUpTo(int last) throws SQLException {
        try (Connection connection = Lake.connect()) {
            return (Long)
                    Lake.value(
                            connection, "select sum(value) from generate_series(1, " + last + ")");
        }
    }
}
