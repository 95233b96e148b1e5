"""The suite itself, as SQLAlchemy ships it."""

from sqlalchemy.testing.suite import *  # noqa: F403

if hasattr(ComponentReflectionTest, "exp_columns"):  # noqa: F405
    with_comments = ComponentReflectionTest.exp_columns  # noqa: F405

    def without_comments(*arguments, **options):
        """The columns that the suite expects, without comments: there is no COMMENT to write them with."""
        tables = with_comments(*arguments, **options)
        for columns in tables.values():
            for column in columns:
                column["comment"] = None
        return tables

    ComponentReflectionTest.exp_columns = without_comments  # noqa: F405
