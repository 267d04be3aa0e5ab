"""The migrated schema is what the models say, and every migration can be taken back."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from flask_appbuilder import Model
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from app.cli.database import upgrade_database
from app.extensions import db
from app.permissions import ROLES, granted, menu_names


def test_no_difference_between_models_and_migrations(empty_app: Flask) -> None:
    upgrade_database(empty_app)
    with empty_app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Model.metadata) == []


def test_up_down_up(empty_app: Flask) -> None:
    with empty_app.app_context():
        upgrade()
        assert "lead" in inspect(db.engine).get_table_names()
        downgrade(revision="base")
        assert inspect(db.engine).get_table_names() == ["alembic_version"]
        assert inspect(db.engine).get_sequence_names() == []
        upgrade()
        assert "lead" in inspect(db.engine).get_table_names()


def test_seeding_is_the_table_and_can_be_repeated(empty_app: Flask) -> None:
    upgrade_database(empty_app)
    with empty_app.app_context():
        manager = empty_app.appbuilder.sm  # type: ignore[attr-defined]
        manager.find_role("Marketer").permissions = []
        db.session.commit()
    upgrade_database(empty_app)
    with empty_app.app_context():
        menu = menu_names(empty_app.appbuilder)  # type: ignore[attr-defined]
        for name in ROLES.values():
            pairs = {(p.permission.name, p.view_menu.name) for p in manager.find_role(name).permissions}
            assert pairs == granted(name, menu)
        assert manager.get_public_role().permissions == []


def test_who_set_up_an_account_before_the_upgrade_stays_its_second_hand(empty_app: Flask) -> None:
    add = text(
        "INSERT INTO ab_user (id, first_name, last_name, username, active, email, access_changed_by)"
        " VALUES (:id, '', '', :name, true, :name, :by)"
    )
    with empty_app.app_context():
        upgrade(revision="0030")
        with db.engine.begin() as connection:
            for number, name, by in ((1, "chief", None), (2, "worker", "chief"), (3, "other", "gone")):
                connection.execute(add, {"id": number, "name": name, "by": by})
        upgrade()
        with db.engine.connect() as connection:
            taints = connection.execute(text("SELECT person_id, by_id, address_chosen FROM account_taint"))
            assert taints.tuples().all() == [(2, 1, False)]


def test_conditions_stay_when_the_program_says_alone_what_they_may_be(empty_app: Flask) -> None:
    rule = text(
        "WITH r AS (INSERT INTO rule (code, name) VALUES ('R', 'R') RETURNING id),"
        " v AS (INSERT INTO rule_version (rule_id, number, name, weights, grade_bands, created_by)"
        " SELECT id, 1, 'R', '{}', '{}', 'x' FROM r RETURNING id)"
        " INSERT INTO rule_condition (version_id, metric, op, value, window_days)"
        " SELECT id, 'active_days', '<=', 3, 7 FROM v"
    )
    stored = text("SELECT metric, op, value, window_days FROM rule_condition")
    change = text("UPDATE rule_condition SET metric = 'colour'")
    with empty_app.app_context():
        upgrade(revision="0042")
        with db.engine.begin() as connection:
            connection.execute(rule)
        for revision in ("0043", "0042"):
            (upgrade if revision == "0043" else downgrade)(revision=revision)
            with db.engine.connect() as connection:
                assert connection.execute(stored).tuples().all() == [("active_days", "<=", 3, 7)]
        with pytest.raises(IntegrityError), db.engine.begin() as connection:
            connection.execute(change)
        upgrade()
        with db.engine.begin() as connection:
            connection.execute(change)


def test_tags_and_templates_that_were_there_get_codes(empty_app: Flask) -> None:
    with empty_app.app_context():
        upgrade(revision="0048")
        with db.engine.begin() as connection:
            connection.execute(text("INSERT INTO tag (id, name, created_by) VALUES (7, '贵宾', 'x')"))
            template = (
                "INSERT INTO outreach_template (id, channel, name, created_by) VALUES (9, 'sms', '贷', 'x')"
            )
            connection.execute(text(template))
        upgrade()
        with db.engine.connect() as connection:
            codes = text("SELECT code FROM tag UNION ALL SELECT code FROM outreach_template ORDER BY code")
            assert connection.scalars(codes).all() == ["TAG-7", "TPL-9"]
        downgrade(revision="0048")
