"""The migrated schema is what the models say, and every migration can be taken back."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from flask_appbuilder import Model
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, text

from app.cli.database import upgrade_database
from app.extensions import db
from app.permissions import ROLES, granted


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
        for name in ROLES.values():
            pairs = {(p.permission.name, p.view_menu.name) for p in manager.find_role(name).permissions}
            assert pairs == granted(name)
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
