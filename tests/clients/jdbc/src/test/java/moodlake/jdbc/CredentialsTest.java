package moodlake.jdbc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

/** Who may come in, how, and what they see then. */
class CredentialsTest {
    private static final String WHO = "select current_user()";

    @Test
    void aPasswordLetsItsUserIn() throws SQLException {
        try (Connection connection = Guarded.connectAs("ada")) {
            assertEquals("ada", Lake.value(connection, WHO));
            assertEquals(
                    "moodlake",
                    Lake.column(connection.getMetaData().getCatalogs(), "TABLE_CAT").get(0));
        }
    }

    @Test
    void aWrongPasswordIsRefusedAndSaysNothingElse() {
        String wrong = refusal("user", "ada", "password", "not this");
        String nobody = refusal("user", "nobody", "password", "not this");
        assertTrue(wrong.contains("password"), wrong);
        assertEquals(wrong.replace("ada", "nobody"), nobody);
    }

    private static String refusal(String... properties) {
        return assertThrows(SQLException.class, () -> Guarded.connect(properties)).getMessage();
    }

    @Test
    void nobodyIsLetInWithoutCredentials() throws SQLException {
        try (Connection connection = Guarded.connect()) {
            SQLException refused =
                    assertThrows(SQLException.class, () -> Lake.value(connection, WHO));
            assertTrue(
                    refused.getMessage().contains("user name and a password"),
                    refused.getMessage());
            assertThrows(Exception.class, () -> Lake.rows(connection.getMetaData().getCatalogs()));
        }
    }

    @Test
    void aTokenLetsItsUserIn() throws Exception {
        try (Connection connection = Guarded.connect("token", Guarded.token("carol"))) {
            assertEquals("carol", Lake.value(connection, WHO));
        }
    }

    @Test
    void aTokenThatWasChangedIsRefused() throws Exception {
        StringBuilder changed = new StringBuilder(Guarded.token("carol"));
        int place = changed.length() - 10;
        changed.setCharAt(place, changed.charAt(place) == '0' ? '1' : '0');
        for (String wrong : List.of(changed.toString(), changed.substring(0, place), "made-up")) {
            String refused = refusal("token", wrong);
            assertTrue(refused.contains("token"), refused);
        }
    }

    @Test
    void aCertificateLetsItsUserIn() throws SQLException {
        try (Connection connection =
                Guarded.connect(
                        "clientCertificate",
                        Guarded.file("carol.pem"),
                        "clientKey",
                        Guarded.file("carol.key"))) {
            assertEquals("carol", Lake.value(connection, WHO));
        }
    }

    @Test
    void aTrustStoreDoesAsWell() throws SQLException {
        try (Connection connection =
                Lake.connect(
                        Guarded.address(),
                        "user",
                        "ada",
                        "password",
                        Guarded.password("ada"),
                        "useSystemTrustStore",
                        "false",
                        "trustStore",
                        Guarded.file("trusted.p12"),
                        "trustStorePassword",
                        "trusted")) {
            assertEquals("ada", Lake.value(connection, WHO));
        }
    }

    @Test
    void anAuthorityThatIsNotTrustedIsRefused() throws SQLException {
        String[] ada = {"user", "ada", "password", Guarded.password("ada")};
        SQLException refused =
                assertThrows(SQLException.class, () -> Lake.connect(Guarded.address(), ada));
        assertTrue(
                Lake.story(refused).contains("unable to find valid certification path"),
                Lake.story(refused));
        try (Connection connection =
                Lake.connect(
                        Guarded.address(),
                        ada[0],
                        ada[1],
                        ada[2],
                        ada[3],
                        "disableCertificateVerification",
                        "true")) {
            assertEquals("ada", Lake.value(connection, WHO));
        }
    }

    @Test
    void withoutEncryptionThereIsNoAnswer() {
        assertThrows(
                SQLException.class,
                () ->
                        Lake.connect(
                                Guarded.address(),
                                "useEncryption",
                                "false",
                                "user",
                                "ada",
                                "password",
                                Guarded.password("ada")));
    }

    @Test
    void aListenerSeesOwnRowsAndWritesNothing() throws SQLException {
        try (Connection ada = Guarded.connectAs("ada");
                Connection ben = Guarded.connectAs("ben")) {
            Lake.update(
                    ada,
                    "create or replace table gold.moods as select * from (values ('ben', 'calm'),"
                        + " ('carol', 'loud')) as t (user_id, mood)");
            assertEquals(2, Lake.rows(ada, "select * from gold.moods").size());
            assertEquals(
                    List.of(List.of("ben", "calm")),
                    Lake.rows(ben, "select user_id, mood from gold.moods"));
            assertThrows(
                    SQLException.class, () -> Lake.update(ben, "create table gold.mine (a int)"));
            assertThrows(
                    SQLException.class,
                    () -> Lake.update(ben, "delete from gold.moods where user_id = 'ben'"));
            assertEquals(2, Lake.rows(ada, "select * from gold.moods").size());
        }
    }

    /**
     * A setting that the driver does not know travels as a header: so a dashboard's server passes
     * its reader on.
     */
    @Test
    void aProxySpeaksForItsReader() throws SQLException {
        try (Connection ada = Guarded.connectAs("ada")) {
            Lake.update(
                    ada,
                    "create or replace table gold.readings as select * from (values ('ben', 1),"
                        + " ('carol', 2)) as t (user_id, n)");
        }
        try (Connection reader = Guarded.connectAs("dashboards", "x-moodlake-user", "ben")) {
            assertEquals("ben", Lake.value(reader, WHO));
            assertEquals(List.of(List.of(1L)), Lake.rows(reader, "select n from gold.readings"));
        }
        SQLException refused =
                assertThrows(
                        SQLException.class,
                        () -> Guarded.connectAs("carol", "x-moodlake-user", "ben"));
        assertTrue(refused.getMessage().contains("role proxy"), refused.getMessage());
    }

    @Test
    void usersSideBySideStayApart() throws SQLException {
        try (Connection ada = Guarded.connectAs("ada");
                Connection ben = Guarded.connectAs("ben");
                Connection carol = Guarded.connectAs("carol")) {
            for (int time = 0; time < 3; time++) {
                assertEquals("ada", Lake.value(ada, WHO));
                assertEquals("ben", Lake.value(ben, WHO));
                assertEquals("carol", Lake.value(carol, WHO));
            }
        }
    }
}
