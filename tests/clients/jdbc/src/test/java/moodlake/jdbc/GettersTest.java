package moodlake.jdbc;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * What the server says it can do: every getter of {@link DatabaseMetaData} answers, and answers
 * right.
 */
class GettersTest {
    /** Answers that depend on the driver or the address, and lists; other tests look at them. */
    private static final Set<String> ELSEWHERE =
            Set.of(
                    "getConnection",
                    "getURL",
                    "getDriverName",
                    "getDriverVersion",
                    "getDriverMajorVersion",
                    "getDriverMinorVersion",
                    "getDatabaseProductVersion",
                    "getDatabaseMajorVersion",
                    "getDatabaseMinorVersion",
                    "getNumericFunctions",
                    "getStringFunctions",
                    "getSystemFunctions",
                    "getTimeDateFunctions");

    private static Connection connection;
    private static DatabaseMetaData metaData;

    @BeforeAll
    static void connect() throws SQLException {
        connection = Lake.connect();
        metaData = connection.getMetaData();
    }

    @AfterAll
    static void disconnect() throws SQLException {
        connection.close();
    }

    private static List<Method> getters() {
        return Arrays.stream(DatabaseMetaData.class.getMethods())
                .filter(method -> method.getParameterCount() == 0)
                .filter(method -> !ResultSet.class.equals(method.getReturnType()))
                .filter(method -> !ELSEWHERE.contains(method.getName()))
                .toList();
    }

    private static Properties expected() throws IOException {
        Properties expected = new Properties();
        try (InputStream file = GettersTest.class.getResourceAsStream("/getters.properties")) {
            expected.load(file);
        }
        return expected;
    }

    @Test
    void everyGetterAnswersRight() throws IOException {
        Properties expected = expected();
        assertAll(
                getters().stream()
                        .map(
                                getter ->
                                        (Executable)
                                                () -> {
                                                    String name = getter.getName();
                                                    assertEquals(
                                                            expected.getProperty(name),
                                                            String.valueOf(getter.invoke(metaData)),
                                                            name);
                                                }));
    }

    @Test
    void everyGetterIsExpected() throws IOException {
        Set<String> names =
                getters().stream()
                        .map(Method::getName)
                        .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(names, new TreeSet<>(expected().stringPropertyNames()));
    }

    @Test
    void theConnectionIsTold() throws SQLException {
        assertSame(connection, metaData.getConnection());
        assertTrue(metaData.getDriverName().startsWith("Arrow Flight SQL JDBC Driver"));
        assertTrue(metaData.getURL().contains(Lake.address()), metaData.getURL());
        assertTrue(
                metaData.getDatabaseProductVersion().matches("\\d+\\.\\d+\\.\\d+"),
                metaData.getDatabaseProductVersion());
    }

    @Test
    void functionsAreListedByKind() throws SQLException {
        assertTrue(
                words(metaData.getNumericFunctions()).containsAll(Set.of("abs", "round", "sqrt")));
        assertTrue(
                words(metaData.getStringFunctions())
                        .containsAll(Set.of("lower", "substr", "trim")));
        // All that is of no other kind, Moodlake's own among them.
        assertTrue(
                words(metaData.getSystemFunctions())
                        .containsAll(Set.of("coalesce", "version", "array_length", "ml_predict")));
        assertTrue(words(metaData.getTimeDateFunctions()).containsAll(Set.of("now", "date_trunc")));
    }

    private static Set<String> words(String list) {
        return Set.of(list.split(", *"));
    }

    @Test
    void questionsWithAnArgumentAreAnsweredToo() throws SQLException {
        assertTrue(metaData.supportsConvert(Types.INTEGER, Types.VARCHAR));
        assertTrue(metaData.supportsConvert(Types.VARCHAR, Types.DECIMAL));
        assertTrue(metaData.supportsResultSetType(ResultSet.TYPE_FORWARD_ONLY));
        assertEquals(false, metaData.supportsResultSetType(ResultSet.TYPE_SCROLL_SENSITIVE));
        assertTrue(
                metaData.supportsResultSetConcurrency(
                        ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY));
        assertEquals(
                false,
                metaData.supportsResultSetConcurrency(
                        ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_UPDATABLE));
        assertTrue(metaData.supportsTransactionIsolationLevel(Connection.TRANSACTION_NONE));
        assertEquals(
                false,
                metaData.supportsTransactionIsolationLevel(Connection.TRANSACTION_READ_COMMITTED));
    }
}
