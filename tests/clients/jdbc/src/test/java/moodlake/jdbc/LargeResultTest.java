package moodlake.jdbc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** Results that are larger than one message. */
class LargeResultTest {
    private static final int MILLION = 1_000_000;

    @Test
    void aMillionRowsStream() throws SQLException {
        String sql =
                "select value, 'track ' || value as name, value * 0.5 as half from"
                    + " generate_series(1, "
                        + MILLION
                        + ")";
        try (Connection connection = Lake.connect();
                Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            long rows = 0;
            long sum = 0;
            while (result.next()) {
                rows++;
                long value = result.getLong(1);
                sum += value;
                if (value % 100_000 == 0) {
                    assertEquals("track " + value, result.getString(2));
                    assertEquals(value * 0.5, result.getDouble(3));
                }
            }
            assertEquals(MILLION, rows);
            assertEquals(MILLION * (MILLION + 1L) / 2, sum);
        }
    }

    /** DBeaver reads the first 200 rows of whatever it is asked and closes the result. */
    @Test
    void theFirstRowsOfManyCanBeReadAndTheRestLeft() throws SQLException {
        try (Connection connection = Lake.connect()) {
            for (int time = 0; time < 3; time++) {
                try (Statement statement = connection.createStatement()) {
                    statement.setMaxRows(200);
                    statement.setFetchSize(200);
                    String sql = "select value from generate_series(1, 100000000)";
                    assertEquals(200, Lake.rows(statement.executeQuery(sql)).size());
                }
            }
            assertEquals(1L, Lake.value(connection, "select 1"));
        }
    }

    @Test
    void oneValueMayBeLarge() throws SQLException {
        int length = 20 << 20;
        try (Connection connection = Lake.connect()) {
            String text = (String) Lake.value(connection, "select repeat('x', " + length + ")");
            assertEquals(length, text.length());
            assertTrue(text.endsWith("xx"));
        }
    }
}
