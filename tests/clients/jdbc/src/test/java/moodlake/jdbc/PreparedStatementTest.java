package moodlake.jdbc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** Prepared statements: parameters in order, again and again, and batches. */
class PreparedStatementTest {
    private Connection connection;

    @BeforeEach
    void connect() throws SQLException {
        connection = Lake.connect();
        Lake.update(connection, "create schema if not exists prepared");
        Lake.update(
                connection,
                "create or replace table prepared.notes (note_id bigint, note varchar)");
    }

    @AfterEach
    void disconnect() throws SQLException {
        connection.close();
    }

    private List<List<Object>> notes() throws SQLException {
        return Lake.rows(connection, "select note_id, note from prepared.notes order by note_id");
    }

    /** How many versions the table has. */
    private int commits() throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return Lake.column(statement.executeQuery("describe history prepared.notes"), "version")
                    .size();
        }
    }

    @Test
    void parametersTellTheirTypes() throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement(
                        "select note from prepared.notes where note_id > ? and note <> ?")) {
            assertEquals(2, statement.getParameterMetaData().getParameterCount());
            assertEquals(Types.BIGINT, statement.getParameterMetaData().getParameterType(1));
            assertEquals(Types.VARCHAR, statement.getParameterMetaData().getParameterType(2));
        }
    }

    @Test
    void fourteenParametersKeepTheirOrder() throws SQLException {
        int parameters = 14;
        String sql =
                "select " + String.join(", ", Collections.nCopies(parameters, "cast(? as bigint)"));
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            List<Object> expected = new ArrayList<>();
            for (int position = 1; position <= parameters; position++) {
                statement.setLong(position, position * 100L);
                expected.add(position * 100L);
            }
            assertEquals(List.of(expected), Lake.rows(statement.executeQuery()));
        }
    }

    @Test
    void numberedParametersMayComeInAnyOrder() throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement(
                        "select cast($2 as varchar), cast($1 as bigint), cast($2 as varchar)")) {
            statement.setLong(1, 7);
            statement.setString(2, "b");
            assertEquals(List.of(List.of("b", 7L, "b")), Lake.rows(statement.executeQuery()));
        }
    }

    @Test
    void onePreparedStatementRunsManyTimes() throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement("select cast(? as bigint) + 1, cast(? as varchar)")) {
            for (long number = 1; number <= 10; number++) {
                statement.setLong(1, number);
                statement.setString(2, "n" + number);
                assertEquals(
                        List.of(List.of(number + 1, "n" + number)),
                        Lake.rows(statement.executeQuery()));
            }
        }
    }

    @Test
    void conditionsAndLimitsTakeParameters() throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement(
                        "select value from generate_series(1, 100) where value > ? order by value"
                            + " limit ?")) {
            statement.setLong(1, 40);
            statement.setLong(2, 3);
            assertEquals(
                    List.of(List.of(41L), List.of(42L), List.of(43L)),
                    Lake.rows(statement.executeQuery()));
        }
    }

    @Test
    void changesAreCounted() throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement("insert into prepared.notes values (?, ?)")) {
            statement.setLong(1, 1);
            statement.setString(2, "calm");
            assertEquals(1, statement.executeUpdate());
            statement.setLong(1, 2);
            statement.setNull(2, Types.VARCHAR);
            assertEquals(1, statement.executeUpdate());
        }
        assertEquals(List.of(List.of(1L, "calm"), Arrays.asList(2L, null)), notes());
        try (PreparedStatement statement =
                connection.prepareStatement(
                        "update prepared.notes set note = ? where note_id = ?")) {
            statement.setString(1, "glad");
            statement.setLong(2, 2);
            assertEquals(1, statement.executeUpdate());
        }
        assertEquals(List.of(List.of(1L, "calm"), List.of(2L, "glad")), notes());
        try (PreparedStatement statement =
                connection.prepareStatement("delete from prepared.notes where note_id >= ?")) {
            statement.setLong(1, 1);
            assertEquals(2, statement.executeUpdate());
        }
        assertEquals(List.of(), notes());
    }

    /**
     * Up to 18.3 the driver takes every prepared statement that is executed without saying how for
     * a query.
     */
    @Test
    void executeTellsRowsFromChangesSince19() throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement("insert into prepared.notes values (?, 'x')")) {
            statement.setLong(1, 5);
            boolean isQuery = statement.execute();
            assertEquals(!Lake.driverIsAtLeast(19), isQuery);
            assertEquals(isQuery ? -1 : 1, statement.getUpdateCount());
        }
        assertEquals(List.of(List.of(5L, "x")), notes());
    }

    @Test
    void definitionsCanBePrepared() throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement("create table prepared.brief (a int)")) {
            assertEquals(0, statement.executeUpdate());
        }
        assertEquals(0L, Lake.value(connection, "select count(*) from prepared.brief"));
        try (PreparedStatement statement =
                connection.prepareStatement("drop table prepared.brief")) {
            statement.executeUpdate();
        }
        assertThrows(
                SQLException.class,
                () -> Lake.value(connection, "select count(*) from prepared.brief"));
    }

    @Test
    void aBatchIsOneUpdateOfAllItsRows() throws SQLException {
        int rows = 500;
        int commits = commits();
        try (PreparedStatement statement =
                connection.prepareStatement("insert into prepared.notes values (?, ?)")) {
            for (int row = 0; row < rows; row++) {
                statement.setLong(1, row);
                statement.setString(2, "note " + row);
                statement.addBatch();
            }
            // The driver sends the rows together and hands on the server's one count.
            assertArrayEquals(new int[] {rows}, statement.executeBatch());
        }
        List<List<Object>> kept = notes();
        assertEquals(rows, kept.size());
        assertEquals(List.of(499L, "note 499"), kept.get(499));
        assertEquals(commits + 1, commits());
    }

    @Test
    void aBatchTakesNulls() throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement("insert into prepared.notes values (?, ?)")) {
            statement.setLong(1, 1);
            statement.setNull(2, Types.VARCHAR);
            statement.addBatch();
            statement.setLong(1, 2);
            statement.setString(2, "calm");
            statement.addBatch();
            assertArrayEquals(new int[] {2}, statement.executeBatch());
        }
        assertEquals(List.of(Arrays.asList(1L, null), List.of(2L, "calm")), notes());
    }

    @Test
    void aParameterTooManyIsRefused() throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement("select note from prepared.notes where note_id = ?")) {
            assertThrows(SQLException.class, () -> statement.setLong(2, 1));
        }
    }

    @Test
    void manyPreparedStatementsAreOpenAtOnce() throws SQLException {
        List<PreparedStatement> statements = new ArrayList<>();
        for (int number = 0; number < 50; number++) {
            statements.add(connection.prepareStatement("select cast(? as bigint) + " + number));
        }
        for (int number = 0; number < statements.size(); number++) {
            try (PreparedStatement statement = statements.get(number)) {
                statement.setLong(1, 1000);
                try (ResultSet result = statement.executeQuery()) {
                    assertTrue(result.next());
                    assertEquals(1000 + number, result.getLong(1));
                }
            }
        }
    }
}
