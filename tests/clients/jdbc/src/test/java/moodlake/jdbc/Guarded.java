package moodlake.jdbc;

import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.flight.CallHeaders;
import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.flight.CallStatus;
import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.flight.FlightClient;
import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.flight.FlightClientMiddleware;
import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.flight.Location;
import org.apache.arrow.driver.jdbc.shaded.org.apache.arrow.memory.RootAllocator;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/**
 * The server that has users, TLS with an authority of its own, and accepts certificates of clients.
 */
final class Guarded {
    private Guarded() {}

    static String address() {
        return Lake.property("moodlake.guarded");
    }

    /** A file that `run` made: certificates, keys and passwords. */
    static String file(String name) {
        return Path.of(Lake.property("moodlake.credentials"), name).toString();
    }

    static String password(String user) {
        try {
            return Files.readString(Path.of(file(user + ".password"))).strip();
        } catch (IOException error) {
            throw new IllegalStateException("the password of " + user, error);
        }
    }

    /** Connects over TLS, trusting the authority, with more properties: name, value … */
    static Connection connect(String... more) throws SQLException {
        List<String> properties = new ArrayList<>(List.of("tlsRootCerts", file("authority.pem")));
        properties.addAll(List.of(more));
        return Lake.connect(address(), properties.toArray(String[]::new));
    }

    static Connection connectAs(String user, String... more) throws SQLException {
        List<String> properties =
                new ArrayList<>(List.of("user", user, "password", password(user)));
        properties.addAll(List.of(more));
        return connect(properties.toArray(String[]::new));
    }

    /** The token that a handshake with user name and password gives. */
    static String token(String user) throws Exception {
        String[] host = address().split(":");
        Location location = Location.forGrpcTls(host[0], Integer.parseInt(host[1]));
        Authorization authorization = new Authorization();
        try (RootAllocator allocator = new RootAllocator();
                FlightClient client =
                        FlightClient.builder(allocator, location)
                                .trustedCertificates(
                                        Files.newInputStream(Path.of(file("authority.pem"))))
                                .intercept(info -> authorization)
                                .build()) {
            client.authenticateBasicToken(user, password(user));
        }
        return authorization.received.replaceFirst("^Bearer ", "");
    }

    /** Keeps the header that a server answers a handshake with. */
    private static final class Authorization implements FlightClientMiddleware {
        private String received = "";

        @Override
        public void onBeforeSendingHeaders(CallHeaders headers) {}

        @Override
        public void onHeadersReceived(CallHeaders headers) {
            if (headers.containsKey("authorization")) {
                received = headers.get("authorization");
            }
        }

        @Override
        public void onCallCompleted(CallStatus status) {}
    }
}
