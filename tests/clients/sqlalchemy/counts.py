"""Prints how many tests of each JUnit report passed, were skipped and failed: python counts.py REPORT.xml …"""

import pathlib
import sys
import xml.etree.ElementTree as tree


def counts(report: pathlib.Path) -> tuple[int, int, int]:
    suites = tree.parse(report).getroot().findall("testsuite")
    total, skipped, failed = (
        sum(int(suite.get(name, 0)) for suite in suites for name in names)
        for names in (["tests"], ["skipped"], ["failures", "errors"])
    )
    return total - skipped - failed, skipped, failed


def main() -> int:
    missing = False
    for path in map(pathlib.Path, sys.argv[1:]):
        if path.is_file():
            passed, skipped, failed = counts(path)
            print(f"{path.stem}: {passed} passed, {skipped} skipped, {failed} failed")
        else:
            missing = True
            print(f"{path.stem}: no report")
    return int(missing)


if __name__ == "__main__":
    sys.exit(main())
