package moodlake.jdbc;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** The server under test, and what the tests ask of it again and again. */
final class Lake {
    private Lake() {}

    /** Where the open server listens, {@code host:port}. */
    static String address() {
        return property("moodlake.address");
    }

    /** A setting that `run` passes on. */
    static String property(String name) {
        String value = System.getProperty(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalStateException(
                    name + " is not set: start the tests with tests/clients/jdbc/run");
        }
        return value;
    }

    /** Whether the driver under test has this major version, or a later one. */
    static boolean driverIsAtLeast(int major) {
        return Integer.parseInt(property("driver.version").split("\\.")[0]) >= major;
    }

    static Connection connect() throws SQLException {
        return connect(address(), "useEncryption", "false");
    }

    /** Connects with properties given as name, value, name, value … */
    static Connection connect(String address, String... namesAndValues) throws SQLException {
        Properties properties = new Properties();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            properties.setProperty(namesAndValues[i], namesAndValues[i + 1]);
        }
        return DriverManager.getConnection("jdbc:arrow-flight-sql://" + address, properties);
    }

    static int update(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return statement.executeUpdate(sql);
        }
    }

    /** All rows of a query. */
    static List<List<Object>> rows(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            return rows(result);
        }
    }

    /** The first column of the first row. */
    static Object value(Connection connection, String sql) throws SQLException {
        return rows(connection, sql).get(0).get(0);
    }

    /** An error's messages, from the outermost to the first cause. */
    static String story(Throwable error) {
        StringBuilder story = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            story.append(cause.getMessage()).append('\n');
        }
        return story.toString();
    }

    /** What is left of a result, which is closed then. */
    static List<List<Object>> rows(ResultSet result) throws SQLException {
        try (result) {
            int columns = result.getMetaData().getColumnCount();
            List<List<Object>> rows = new ArrayList<>();
            while (result.next()) {
                List<Object> row = new ArrayList<>();
                for (int column = 1; column <= columns; column++) {
                    row.add(result.getObject(column));
                }
                rows.add(row);
            }
            return rows;
        }
    }

    /** One column of what is left of a result, as text. */
    static List<String> column(ResultSet result, String name) throws SQLException {
        try (result) {
            List<String> values = new ArrayList<>();
            while (result.next()) {
                values.add(result.getString(name));
            }
            return values;
        }
    }

    /** The names of a result's columns. */
    static List<String> names(ResultSet result) throws SQLException {
        List<String> names = new ArrayList<>();
        for (int column = 1; column <= result.getMetaData().getColumnCount(); column++) {
            names.add(result.getMetaData().getColumnLabel(column));
        }
        return names;
    }
}
