"""Who there is in the secured lake, and what meets those who should not get in."""

import subprocess

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import pytest
from serving import binary

OPTIONS = adbc_driver_flightsql.DatabaseOptions
STATUS = adbc_driver_manager.AdbcStatusCode
USER_HEADER = "x-moodlake-user"

# Name, role and password of each user.
USERS = {
    "ada": ("admin", "an admin's password"),
    "anna": ("analyst", "an analyst's password"),
    "lea": ("listener", "a listener's password"),
    "leo": ("listener", "another listener's password"),
    "superset": ("proxy", "a proxy's password"),
}


def user(lake, *arguments, text=None):
    """Runs `moodlake user`."""
    command = [binary(), "user", *arguments, "--dir", lake]
    return subprocess.run(command, input=text, text=True, capture_output=True, check=False)


def add_user(lake, name, role, password):
    """Adds a user, the password on standard input."""
    added = user(lake, "add", name, "--role", role, text=f"{password}\n")
    assert added.returncode == 0, added.stderr


def refused(status, work, *arguments, **options):
    """The message of the refusal that the work must meet."""
    with pytest.raises(flightsql.Error) as caught:
        work(*arguments, **options)
    assert caught.value.status_code == status, str(caught.value)
    return str(caught.value)


def denied(work, *arguments, **options):
    return refused(STATUS.UNAUTHORIZED, work, *arguments, **options)
