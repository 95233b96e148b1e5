package moodlake.jdbc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.Arrays;
import java.util.List;

/** Statements without parameters: queries, definitions, changes, and what tells about them. */
class StatementTest {
    private Connection connection;

    @BeforeEach
    void connect() throws SQLException {
        connection = Lake.connect();
        Lake.update(connection, "create schema if not exists statements");
        Lake.update(
                connection,
                "create or replace table statements.notes (note_id bigint not null, note varchar)");
    }

    @AfterEach
    void disconnect() throws SQLException {
        connection.close();
    }

    private List<List<Object>> notes() throws SQLException {
        return Lake.rows(connection, "select note_id, note from statements.notes order by note_id");
    }

    @Test
    void aQueryGivesRows() throws SQLException {
        assertEquals(
                List.of(Arrays.asList(1L, "calm", null), Arrays.asList(2L, "loud", null)),
                Lake.rows(
                        connection,
                        "select *, null as nothing from (values (1, 'calm'), (2, 'loud')) as t (n,"
                            + " mood)"));
    }

    /**
     * The driver names the columns of a plain statement's empty result twice; those of a prepared
     * one it names once.
     */
    @Test
    void aQueryMayGiveNoRows() throws SQLException {
        String sql = "select 1 as one, 'a' as letter where false";
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            assertEquals(List.of("one", "letter"), Lake.names(result).subList(0, 2));
            assertFalse(result.next());
        }
        try (PreparedStatement statement = connection.prepareStatement(sql);
                ResultSet result = statement.executeQuery()) {
            assertEquals(List.of("one", "letter"), Lake.names(result));
            assertFalse(result.next());
        }
    }

    @Test
    void columnsAreFoundByNameAndByPosition() throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result =
                        statement.executeQuery("select 7 as seven, 'calm' as \"Mood\"")) {
            assertTrue(result.next());
            assertEquals(7, result.getInt("seven"));
            assertEquals("calm", result.getString("Mood"));
            assertEquals(2, result.findColumn("Mood"));
            assertEquals("7", result.getString(1));
            assertFalse(result.wasNull());
            assertThrows(SQLException.class, () -> result.getString("nobody"));
        }
    }

    @Test
    void aResultDescribesItself() throws SQLException {
        String sql =
                "select cast(1 as int) as i, cast(1.5 as decimal(9, 2)) as d, 'a' as v, timestamp"
                    + " '2026-11-22 07:30:00' as t";
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            ResultSetMetaData columns = result.getMetaData();
            assertEquals(4, columns.getColumnCount());
            assertEquals("i", columns.getColumnName(1));
            assertEquals("i", columns.getColumnLabel(1));
            assertEquals(Types.INTEGER, columns.getColumnType(1));
            assertEquals("INTEGER", columns.getColumnTypeName(1));
            assertEquals(Types.DECIMAL, columns.getColumnType(2));
            assertEquals(Types.VARCHAR, columns.getColumnType(3));
            assertEquals(Types.TIMESTAMP, columns.getColumnType(4));
        }
    }

    @Test
    void aPreparedResultDescribesItselfBeforeItRuns() throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement("select note_id, note from statements.notes")) {
            ResultSetMetaData columns = statement.getMetaData();
            assertEquals(2, columns.getColumnCount());
            assertEquals(Types.BIGINT, columns.getColumnType(1));
            assertEquals("note", columns.getColumnName(2));
        }
    }

    @Test
    void changesAreCounted() throws SQLException {
        assertEquals(
                2,
                Lake.update(connection, "insert into statements.notes values (1, 'a'), (2, 'b')"));
        assertEquals(1, Lake.update(connection, "delete from statements.notes where note_id = 1"));
        assertEquals(0, Lake.update(connection, "delete from statements.notes where note_id = 99"));
        assertEquals(
                1,
                Lake.update(
                        connection,
                        "merge into statements.notes as t using (select 2 as note_id, 'c' as note)"
                            + " as s on t.note_id = s.note_id when matched then update set note ="
                            + " s.note"));
        assertEquals(
                1,
                Lake.update(
                        connection,
                        "update statements.notes set note = note || 'd' where note_id = 2"));
        assertEquals(List.of(List.of(2L, "cd")), notes());
    }

    @Test
    void aChangeRunsOnce() throws SQLException {
        try (Statement statement = connection.createStatement()) {
            assertFalse(statement.execute("insert into statements.notes values (1, 'once')"));
            assertEquals(1, statement.getUpdateCount());
            assertFalse(statement.getMoreResults());
            assertEquals(-1, statement.getUpdateCount());
        }
        assertEquals(List.of(List.of(1L, "once")), notes());
    }

    @Test
    void executeTellsRowsFromChanges() throws SQLException {
        try (Statement statement = connection.createStatement()) {
            assertTrue(statement.execute("select 1"));
            assertNotNull(statement.getResultSet());
            assertFalse(
                    statement.execute(
                            "create view statements.loud as select * from statements.notes"));
            assertFalse(statement.execute("drop view statements.loud"));
        }
    }

    @Test
    void definitionsTakeEffectAtOnce() throws SQLException {
        assertEquals(0, Lake.update(connection, "create table statements.brief (a int)"));
        assertEquals(List.of(), Lake.rows(connection, "select a from statements.brief"));
        assertEquals(
                2,
                Lake.update(
                        connection,
                        "create or replace table statements.brief as select * from (values (1),"
                            + " (2)) as t (a)"));
        assertEquals(2L, Lake.value(connection, "select count(*) from statements.brief"));
        Lake.update(connection, "drop table statements.brief");
        assertThrows(
                SQLException.class, () -> Lake.rows(connection, "select a from statements.brief"));
    }

    @Test
    void oneStatementServesManyQueries() throws SQLException {
        try (Statement statement = connection.createStatement()) {
            for (long number = 1; number <= 20; number++) {
                try (ResultSet result = statement.executeQuery("select " + number)) {
                    assertTrue(result.next());
                    assertEquals(number, result.getLong(1));
                }
            }
        }
    }

    @Test
    void severalResultsStayOpenSideBySide() throws SQLException {
        try (Statement one = connection.createStatement();
                Statement other = connection.createStatement();
                ResultSet first =
                        one.executeQuery(
                                "select value from generate_series(1, 20000) order by value");
                ResultSet second =
                        other.executeQuery(
                                "select value * 2 from generate_series(1, 20000) order by value")) {
            int rows = 0;
            while (first.next() && second.next()) {
                rows++;
                assertEquals(first.getLong(1) * 2, second.getLong(1));
            }
            assertEquals(20000, rows);
        }
    }

    @Test
    void explainIsAQuery() throws SQLException {
        List<List<Object>> plan =
                Lake.rows(
                        connection, "explain select note from statements.notes where note_id = 1");
        assertTrue(
                plan.stream().anyMatch(row -> row.get(0).equals("physical_plan")), plan.toString());
    }

    @Test
    void explainDoesNotRunTheStatement() throws SQLException {
        Lake.rows(connection, "explain insert into statements.notes values (1, 'a')");
        assertEquals(List.of(), notes());
    }

    @Test
    void showIsAQuery() throws SQLException {
        List<List<Object>> tables = Lake.rows(connection, "show tables");
        assertTrue(
                tables.contains(List.of("moodlake", "statements", "notes", "BASE TABLE")),
                tables.toString());
        List<List<Object>> columns = Lake.rows(connection, "show columns from statements.notes");
        assertEquals(2, columns.size(), columns.toString());
    }

    @Test
    void describeIsAQuery() throws SQLException {
        List<List<Object>> columns = Lake.rows(connection, "describe statements.notes");
        assertEquals(List.of("note_id", "Int64", "NO"), columns.get(0));
        Lake.update(connection, "insert into statements.notes values (1, 'a')");
        try (Statement statement = connection.createStatement();
                ResultSet history = statement.executeQuery("describe history statements.notes")) {
            assertEquals("WRITE", Lake.column(history, "operation").get(0));
        }
    }

    /**
     * Rows past the limit are not handed out, whether the client set it before or after other
     * queries.
     */
    @Test
    void rowsCanBeLimited() throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.setMaxRows(10);
            assertEquals(10, statement.getMaxRows());
            assertEquals(
                    10,
                    Lake.rows(statement.executeQuery("select * from generate_series(1, 100000)"))
                            .size());
            statement.setMaxRows(0);
            assertEquals(
                    100,
                    Lake.rows(statement.executeQuery("select * from generate_series(1, 100)"))
                            .size());
        }
    }

    @Test
    void aStatementGoesWithItsResultIfAsked() throws SQLException {
        Statement statement = connection.createStatement();
        statement.closeOnCompletion();
        Lake.rows(statement.executeQuery("select 1"));
        assertTrue(statement.isClosed());
    }

    /** The driver batches prepared statements only; nothing of such a batch is run. */
    @Test
    void aBatchOfTextsIsNotForThisDriver() throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.addBatch("insert into statements.notes values (1, 'a')");
            statement.addBatch("insert into statements.notes values (2, 'b')");
            assertThrows(Exception.class, statement::executeBatch);
        }
        assertEquals(List.of(), notes());
    }

    @Test
    void aStatementMayEndWithASemicolon() throws SQLException {
        assertEquals(1L, Lake.value(connection, "select 1 as one;"));
        assertEquals(
                1L,
                Lake.value(connection, "-- what DBeaver keeps of a script\nselect 1 as one;\n"));
    }

    @Test
    void textOutsideAsciiSurvives() throws SQLException {
        Lake.update(connection, "insert into statements.notes values (1, 'Zoë 音楽 🎵 ''quoted''')");
        assertEquals(List.of(List.of(1L, "Zoë 音楽 🎵 'quoted'")), notes());
        assertArrayEquals(
                new Object[] {"é"},
                Lake.rows(connection, "select 'é' as \"größe\"").get(0).toArray());
    }
}
