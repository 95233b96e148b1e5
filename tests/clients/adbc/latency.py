"""How long `select 1` takes over ADBC: python latency.py grpc://127.0.0.1:50051 [ROUNDS]."""

import statistics
import sys
import time

import adbc_driver_flightsql.dbapi as flightsql

WARM_UP = 50


def main() -> None:
    address = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    taken = []
    with flightsql.connect(address, autocommit=True) as connection, connection.cursor() as cursor:
        for _ in range(WARM_UP + rounds):
            start = time.perf_counter()
            cursor.execute("select 1")
            cursor.fetchall()
            taken.append((time.perf_counter() - start) * 1000)
    cuts = statistics.quantiles(taken[WARM_UP:], n=100)
    print(f"select 1: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms over {rounds} rounds")


if __name__ == "__main__":
    main()
