package moodlake.jdbc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What there is: catalogs, schemas, tables, columns and keys, asked for as DBeaver's navigator
 * asks.
 */
class ListingTest {
    private static Connection connection;
    private static DatabaseMetaData metaData;

    @BeforeAll
    static void connect() throws SQLException {
        connection = Lake.connect();
        metaData = connection.getMetaData();
        Lake.update(connection, "create schema if not exists my_listing");
        Lake.update(connection, "create schema if not exists myxlisting");
        Lake.update(
                connection,
                "create or replace table my_listing.top_tracks (track_id varchar not null, plays"
                    + " bigint, small smallint, price decimal(9, 2), tempo double, energy real,"
                    + " is_liked boolean, seen_on date, seen_at timestamp, picture bytea, tags"
                    + " varchar[])");
        Lake.update(connection, "create or replace table my_listing.topxtracks (track_id varchar)");
        Lake.update(connection, "create or replace table myxlisting.top_tracks (track_id varchar)");
        Lake.update(
                connection,
                "create or replace view my_listing.loud as select track_id, plays from"
                    + " my_listing.top_tracks");
    }

    @AfterAll
    static void disconnect() throws SQLException {
        connection.close();
    }

    /** A name as a pattern that means this name only, as tools write it. */
    private static String exactly(String name) throws SQLException {
        return name.replace("_", metaData.getSearchStringEscape() + "_");
    }

    private static List<String> tables(String schema, String table, String... types)
            throws SQLException {
        return Lake.column(
                metaData.getTables("moodlake", schema, table, types.length == 0 ? null : types),
                "TABLE_NAME");
    }

    @Test
    void thereIsOneCatalog() throws SQLException {
        assertEquals(List.of("moodlake"), Lake.column(metaData.getCatalogs(), "TABLE_CAT"));
    }

    @Test
    void schemasAreListedWithTheirCatalog() throws SQLException {
        List<List<Object>> schemas = Lake.rows(metaData.getSchemas());
        for (String layer :
                List.of(
                        "bronze",
                        "silver",
                        "ml",
                        "gold",
                        "system",
                        "information_schema",
                        "my_listing")) {
            assertTrue(schemas.contains(List.of(layer, "moodlake")), layer + " in " + schemas);
        }
    }

    @Test
    void schemasAreFoundByPattern() throws SQLException {
        assertEquals(
                List.of("my_listing", "myxlisting"),
                Lake.column(metaData.getSchemas("moodlake", "my_list%"), "TABLE_SCHEM"));
        assertEquals(
                List.of("my_listing"),
                Lake.column(metaData.getSchemas("moodlake", exactly("my_listing")), "TABLE_SCHEM"));
        assertEquals(
                List.of("gold"), Lake.column(metaData.getSchemas(null, "gold"), "TABLE_SCHEM"));
        assertEquals(List.of(), Lake.column(metaData.getSchemas("elsewhere", "%"), "TABLE_SCHEM"));
    }

    @Test
    void tableTypesAreFour() throws SQLException {
        assertEquals(
                List.of("LOCAL TEMPORARY", "SYSTEM TABLE", "TABLE", "VIEW"),
                Lake.column(metaData.getTableTypes(), "TABLE_TYPE"));
    }

    @Test
    void tablesAreListedInOrder() throws SQLException {
        try (ResultSet tables = metaData.getTables("moodlake", exactly("my_listing"), "%", null)) {
            assertEquals(
                    List.of(
                            "TABLE_CAT",
                            "TABLE_SCHEM",
                            "TABLE_NAME",
                            "TABLE_TYPE",
                            "REMARKS",
                            "TYPE_CAT",
                            "TYPE_SCHEM",
                            "TYPE_NAME",
                            "SELF_REFERENCING_COL_NAME",
                            "REF_GENERATION"),
                    Lake.names(tables));
            List<List<String>> found = new ArrayList<>();
            while (tables.next()) {
                found.add(
                        List.of(
                                tables.getString(1),
                                tables.getString(2),
                                tables.getString(3),
                                tables.getString(4)));
            }
            assertEquals(
                    List.of(
                            List.of("moodlake", "my_listing", "loud", "VIEW"),
                            List.of("moodlake", "my_listing", "top_tracks", "TABLE"),
                            List.of("moodlake", "my_listing", "topxtracks", "TABLE")),
                    found);
        }
    }

    @Test
    void tablesAreFoundByPatternAndByName() throws SQLException {
        String schema = exactly("my_listing");
        assertEquals(List.of("top_tracks", "topxtracks"), tables(schema, "top_tracks"));
        assertEquals(List.of("top_tracks"), tables(schema, exactly("top_tracks")));
        assertEquals(List.of("top_tracks", "topxtracks"), tables(schema, "top%"));
        assertEquals(List.of(), tables(schema, "nobody"));
        assertEquals(
                2,
                Lake.rows(metaData.getTables(null, "my_listing", exactly("top_tracks"), null))
                        .size());
        assertEquals(
                2, Lake.rows(metaData.getTables(null, null, exactly("top_tracks"), null)).size());
        assertEquals(List.of(), Lake.rows(metaData.getTables("elsewhere", null, "%", null)));
    }

    @Test
    void tablesAreFoundByType() throws SQLException {
        String schema = exactly("my_listing");
        assertEquals(List.of("loud"), tables(schema, "%", "VIEW"));
        assertEquals(List.of("top_tracks", "topxtracks"), tables(schema, "%", "TABLE"));
        assertEquals(
                List.of("loud", "top_tracks", "topxtracks"),
                tables(schema, "%", "VIEW", "TABLE", "SYSTEM TABLE"));
        assertEquals(List.of(), tables(schema, "%", "SEQUENCE"));
        assertTrue(tables(exactly("information_schema"), "%", "SYSTEM TABLE").contains("columns"));
    }

    /**
     * A column as {@code getColumns} tells it: name, JDBC type, type name, size, digits, nullable,
     * place.
     */
    private static List<Object> column(ResultSet columns) throws SQLException {
        return Arrays.asList(
                columns.getString("COLUMN_NAME"),
                columns.getInt("DATA_TYPE"),
                columns.getString("TYPE_NAME"),
                columns.getObject("COLUMN_SIZE"),
                columns.getObject("DECIMAL_DIGITS"),
                columns.getString("IS_NULLABLE"),
                columns.getInt("ORDINAL_POSITION"));
    }

    @Test
    void columnsTellTypeSizeAndNullability() throws SQLException {
        List<List<Object>> found = new ArrayList<>();
        try (ResultSet columns =
                metaData.getColumns(
                        "moodlake", exactly("my_listing"), exactly("top_tracks"), "%")) {
            while (columns.next()) {
                assertEquals("moodlake", columns.getString("TABLE_CAT"));
                assertEquals("my_listing", columns.getString("TABLE_SCHEM"));
                assertEquals("top_tracks", columns.getString("TABLE_NAME"));
                assertEquals("NO", columns.getString("IS_AUTOINCREMENT"));
                assertNull(columns.getString("REMARKS"));
                found.add(column(columns));
            }
        }
        // 65536 and the sizes of dates and times are the driver's own.
        assertEquals(
                List.of(
                        Arrays.asList("track_id", Types.VARCHAR, "VARCHAR", 65536, null, "NO", 1),
                        Arrays.asList("plays", Types.BIGINT, "BIGINT", 19, 0, "YES", 2),
                        Arrays.asList("small", Types.SMALLINT, "SMALLINT", 5, 0, "YES", 3),
                        Arrays.asList("price", Types.DECIMAL, "DECIMAL(9, 2)", 9, 2, "YES", 4),
                        Arrays.asList("tempo", Types.DOUBLE, "DOUBLE", 15, 15, "YES", 5),
                        Arrays.asList("energy", Types.FLOAT, "REAL", 7, 7, "YES", 6),
                        Arrays.asList("is_liked", Types.BOOLEAN, "BOOLEAN", null, null, "YES", 7),
                        Arrays.asList("seen_on", Types.DATE, "DATE", 10, 0, "YES", 8),
                        Arrays.asList("seen_at", Types.TIMESTAMP, "TIMESTAMP", 26, 6, "YES", 9),
                        Arrays.asList("picture", Types.VARBINARY, "BYTEA", 65536, null, "YES", 10),
                        Arrays.asList("tags", Types.ARRAY, "VARCHAR[]", null, null, "YES", 11)),
                found);
    }

    @Test
    void columnsOfViewsAndSystemTablesAreKnownToo() throws SQLException {
        assertEquals(
                List.of("track_id", "plays"),
                Lake.column(
                        metaData.getColumns("moodlake", exactly("my_listing"), "loud", "%"),
                        "COLUMN_NAME"));
        assertTrue(
                Lake.column(
                                metaData.getColumns(
                                        null, exactly("information_schema"), "tables", null),
                                "COLUMN_NAME")
                        .contains("table_name"));
    }

    @Test
    void columnsAreFoundByPattern() throws SQLException {
        assertEquals(
                List.of("seen_on", "seen_at"),
                Lake.column(
                        metaData.getColumns(
                                null, exactly("my_listing"), exactly("top_tracks"), "seen%"),
                        "COLUMN_NAME"));
    }

    /** Comments come from whoever wrote the table: here another writer of Delta tables. */
    @Test
    void aCommentIsARemark() throws SQLException, IOException {
        Path log = Path.of(Lake.property("moodlake.dir"), "my_listing", "commented", "_delta_log");
        Files.createDirectories(log);
        Files.writeString(
                log.resolve("00000000000000000000.json"),
                """
{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
{"metaData":{"id":"7f3c1c1e-6a53-4a8e-9d0b-0d9f6f3b8c11","format":{"provider":"parquet","options":{}},\
"schemaString":"{\\"type\\":\\"struct\\",\\"fields\\":[{\\"name\\":\\"bpm\\",\\"type\\":\\"double\\",\
\\"nullable\\":true,\\"metadata\\":{\\"comment\\":\\"beats per minute\\"}}]}",\
"partitionColumns":[],"configuration":{},"createdTime":1790000000000}}
""");
        try {
            assertEquals(
                    List.of("beats per minute"),
                    Lake.column(
                            metaData.getColumns(
                                    "moodlake", exactly("my_listing"), "commented", "%"),
                            "REMARKS"));
        } finally {
            Lake.update(connection, "drop table my_listing.commented");
        }
    }

    @Test
    void tablesHaveNoKeys() throws SQLException {
        assertEquals(
                List.of(),
                Lake.rows(metaData.getPrimaryKeys("moodlake", "my_listing", "top_tracks")));
        assertEquals(
                List.of(),
                Lake.rows(metaData.getImportedKeys("moodlake", "my_listing", "top_tracks")));
        assertEquals(
                List.of(),
                Lake.rows(metaData.getExportedKeys("moodlake", "my_listing", "top_tracks")));
        assertEquals(
                List.of(),
                Lake.rows(
                        metaData.getCrossReference(
                                "moodlake",
                                "my_listing",
                                "top_tracks",
                                "moodlake",
                                "my_listing",
                                "topxtracks")));
    }

    /** These the driver answers by itself, always with nothing; tools must live with it. */
    @Test
    void whatFlightSqlDoesNotKnowIsEmpty() throws SQLException {
        assertEquals(List.of(), Lake.rows(metaData.getTypeInfo()));
        assertEquals(
                List.of(),
                Lake.rows(
                        metaData.getIndexInfo(
                                "moodlake", "my_listing", "top_tracks", false, true)));
        assertEquals(List.of(), Lake.rows(metaData.getProcedures("moodlake", "%", "%")));
        assertEquals(List.of(), Lake.rows(metaData.getFunctions("moodlake", "%", "%")));
        assertEquals(
                List.of(),
                Lake.rows(metaData.getTablePrivileges("moodlake", "my_listing", "top_tracks")));
        assertEquals(List.of(), Lake.rows(metaData.getUDTs("moodlake", "%", "%", null)));
    }

    /** One table that cannot be read must not hide the others. */
    @Test
    void aBrokenViewDoesNotHideTheOthers() throws SQLException {
        Lake.update(connection, "create or replace table my_listing.soon_gone (a int)");
        Lake.update(
                connection,
                "create or replace view my_listing.broken as select a from my_listing.soon_gone");
        Lake.update(connection, "drop table my_listing.soon_gone");
        try {
            List<String> columns =
                    Lake.column(
                            metaData.getColumns(null, exactly("my_listing"), "%", "%"),
                            "COLUMN_NAME");
            assertTrue(columns.contains("tempo"), columns.toString());
            assertFalse(columns.contains("a"), columns.toString());
        } finally {
            Lake.update(connection, "drop view my_listing.broken");
        }
    }
}
