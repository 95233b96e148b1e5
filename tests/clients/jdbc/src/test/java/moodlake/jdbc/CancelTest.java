package moodlake.jdbc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Queries that are given up, and that the server really stops working on them. */
class CancelTest {
    /** Hours of work that gives one row at the end. */
    private static final String ENDLESS =
            "select count(*) from generate_series(1, 10000000) as a (x) cross join"
                + " generate_series(1, 10000000) as b (y) where (x * y) % 7 = 3";

    /** Gives rows from the start, without an end in sight. */
    private static final String ENDLESS_ROWS =
            "select x, y from generate_series(1, 10000000) as a (x) cross join generate_series(1,"
                + " 10000000) as b (y)";

    private static final Duration WAIT = Duration.ofSeconds(10);

    @Test
    void aQueryCanBeCancelledFromAnotherThread() throws Exception {
        try (Connection connection = Lake.connect();
                Statement statement = connection.createStatement()) {
            ExecutorService thread = Executors.newSingleThreadExecutor();
            try {
                Future<?> query = thread.submit(() -> Lake.rows(statement.executeQuery(ENDLESS)));
                awaitBusy();
                statement.cancel();
                Exception ended =
                        assertThrows(
                                Exception.class,
                                () -> query.get(WAIT.toSeconds(), TimeUnit.SECONDS));
                assertTrue(ended.getCause() instanceof SQLException, String.valueOf(ended));
                awaitIdle();
            } finally {
                thread.shutdownNow();
            }
            assertEquals(1L, Lake.value(connection, "select 1"));
        }
    }

    @Test
    void othersAreAnsweredMeanwhile() throws Exception {
        try (Connection connection = Lake.connect();
                Statement statement = connection.createStatement();
                Connection other = Lake.connect()) {
            ExecutorService thread = Executors.newSingleThreadExecutor();
            try {
                thread.submit(() -> Lake.rows(statement.executeQuery(ENDLESS)));
                awaitBusy();
                for (long number = 1; number <= 10; number++) {
                    assertEquals(number, Lake.value(other, "select " + number));
                }
                statement.cancel();
                awaitIdle();
            } finally {
                thread.shutdownNow();
            }
        }
    }

    @Test
    void aResultCanBeCancelledWhileItIsRead() throws Exception {
        try (Connection connection = Lake.connect();
                Statement statement = connection.createStatement()) {
            ResultSet result = statement.executeQuery(ENDLESS_ROWS);
            for (int row = 0; row < 10_000; row++) {
                assertTrue(result.next());
            }
            statement.cancel();
            assertThrows(
                    SQLException.class,
                    () -> {
                        while (result.next()) {}
                    });
            awaitIdle();
        }
    }

    @Test
    void closingAResultEndsItsQuery() throws Exception {
        try (Connection connection = Lake.connect()) {
            try (Statement statement = connection.createStatement();
                    ResultSet result = statement.executeQuery(ENDLESS_ROWS)) {
                assertTrue(result.next());
            }
            awaitIdle();
            assertEquals(1L, Lake.value(connection, "select 1"));
        }
    }

    @Test
    void aTimeoutEndsItsQuery() throws Exception {
        try (Connection connection = Lake.connect();
                Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            SQLException ended =
                    assertThrows(
                            SQLException.class, () -> Lake.rows(statement.executeQuery(ENDLESS)));
            assertTrue(ended.toString().contains("Timeout"), ended.toString());
            statement.close();
            awaitIdle();
        }
    }

    private static void awaitBusy() throws InterruptedException {
        awaitWork(true);
    }

    private static void awaitIdle() throws InterruptedException {
        awaitWork(false);
    }

    /**
     * Waits until the server computes, or does not: less than a tenth of one core for half a
     * second.
     */
    private static void awaitWork(boolean wanted) throws InterruptedException {
        long step = 500;
        for (long waited = 0; waited < WAIT.toMillis(); waited += step) {
            Duration before = serverTime();
            Thread.sleep(step);
            boolean busy = serverTime().minus(before).toMillis() > step / 10;
            if (busy == wanted) {
                return;
            }
        }
        throw new AssertionError(
                "after " + WAIT + " the server is still " + (wanted ? "idle" : "at work"));
    }

    private static Duration serverTime() {
        long process = Long.parseLong(Lake.property("moodlake.process"));
        return ProcessHandle.of(process).orElseThrow().info().totalCpuDuration().orElseThrow();
    }
}
