"""Explaining a statement trains nothing and changes nothing."""

import pytest
from generated import FEATURES, finished

COLUMNS = ", ".join(FEATURES)

RELATIONS = [
    "shap_explain('planned', (select * from {table}))",
    "ml_global_explain(model => 'planned', input => {table})",
    "ml_evaluate(model => 'planned', input => {table})",
    "ml_roc_curve(model => 'planned', input => {table})",
    "ml_confusion_matrix(model => 'planned', input => {table})",
    "ml_calibration(model => 'planned', input => {table})",
    "ml_weights('planned')",
    "ml_feature_info('planned')",
    "kmeans_sweep(input => (select energy, tempo from {table}))",
]


@pytest.fixture(scope="module")
def table(lake):
    """Rows, and the model `planned` of them."""
    columns, _ = finished(500, 71)
    table = lake.load("planned", columns)
    lake.train(
        "planned", f"select {COLUMNS}, is_finished from {table}", type="logistic", label="is_finished"
    )
    return table


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.split("(")[0])
def test_no_relation_trains_while_it_is_explained(lake, table, relation):
    state = "select count(*) as models, max(created_at) as newest from ml.models"
    before = lake.rows(state)
    plan = lake.rows(f"explain select * from {relation.format(table=table)}")
    assert lake.rows(state) == before
    text = "\n".join(row["plan"] for row in plan)
    assert "train" not in text.lower().replace("constraint", "")


def test_training_is_not_part_of_an_explanation(lake, table):
    with pytest.raises(Exception, match="(?i)explain|model"):
        lake.query(
            f"explain create model unplanned options (type = 'kmeans', k = 2) as select {COLUMNS} from {table}"
        )
    assert not lake.rows("select * from ml.models where model = 'unplanned'")
