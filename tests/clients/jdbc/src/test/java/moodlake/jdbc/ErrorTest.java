package moodlake.jdbc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.sql.Connection;
import java.sql.SQLException;

/** What a person reads when a statement is wrong. */
class ErrorTest {
    private Connection connection;

    @BeforeEach
    void connect() throws SQLException {
        connection = Lake.connect();
    }

    @AfterEach
    void disconnect() throws SQLException {
        connection.close();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    selec 1                                          | selec
                    select nobody from gold.nothing                  | gold.nothing
                    select nobody from information_schema.tables     | nobody
                    select nofunction(1)                             | nofunction
                    select cast('a' as int)                          | 'a'
                    select 1 / (value - 3) from generate_series(1,5) | zero
                    insert into gold.nothing values (1)              | gold.nothing
                    drop table gold.nothing                          | gold.nothing
                    create table nowhere.t (a int)                   | nowhere
                    select unclosed from (select 1                   | )
                    """)
    void aMessageNamesWhatIsWrong(String sql, String named) throws SQLException {
        SQLException error = assertThrows(SQLException.class, () -> Lake.rows(connection, sql));
        String message = error.getMessage();
        assertTrue(message.contains(named), message);
        for (String internal :
                new String[] {
                    "Internal error", "Status {", "DataFusionError", "Exception:", "panicked"
                }) {
            assertFalse(message.contains(internal), message);
        }
        assertEquals(1L, Lake.value(connection, "select 1"), "the connection goes on");
    }

    /** The driver sets no SQL state; the kind of error is in its cause, as Flight names it. */
    @Test
    void theKindOfErrorIsInTheCause() {
        SQLException error =
                assertThrows(SQLException.class, () -> Lake.rows(connection, "selec 1"));
        assertNull(error.getSQLState());
        assertTrue(error.getMessage().contains("\"selec 1\""), error.getMessage());
        assertTrue(Lake.story(error).contains("Line: 1, Column: 1"), Lake.story(error));
        String cause = error.getCause().toString();
        assertTrue(cause.contains("FlightRuntimeException: INVALID_ARGUMENT"), cause);
    }

    @Test
    void preparingNamesTheErrorToo() {
        SQLException error =
                assertThrows(SQLException.class, () -> connection.prepareStatement("selec 1"));
        assertTrue(Lake.story(error).contains("Line: 1, Column: 1"), Lake.story(error));
    }

    @Test
    void aConstraintThatIsBrokenIsNamed() throws SQLException {
        Lake.update(connection, "create schema if not exists errors");
        Lake.update(
                connection,
                "create or replace table errors.notes (note_id bigint not null, stars int"
                    + " constraint few_stars check (stars < 6))");
        SQLException missing =
                assertThrows(
                        SQLException.class,
                        () -> Lake.update(connection, "insert into errors.notes values (null, 1)"));
        assertTrue(missing.getMessage().contains("note_id"), missing.getMessage());
        SQLException tooMany =
                assertThrows(
                        SQLException.class,
                        () -> Lake.update(connection, "insert into errors.notes values (1, 7)"));
        assertTrue(tooMany.getMessage().contains("few_stars"), tooMany.getMessage());
        assertEquals(0L, Lake.value(connection, "select count(*) from errors.notes"));
    }

    @Test
    void anUpdateIsNotAQuery() throws SQLException {
        Lake.update(connection, "create schema if not exists errors");
        SQLException error =
                assertThrows(
                        SQLException.class,
                        () -> Lake.rows(connection, "create or replace table errors.t (a int)"));
        assertEquals("Statement did not return a result set", error.getMessage());
    }
}
