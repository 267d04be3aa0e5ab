"""What the API is, for machines and for people; nothing on the page comes from another host."""

from __future__ import annotations

import sys
from typing import Any

from flask import json, request
from flask_appbuilder import BaseView, expose, has_access
from flask_appbuilder.api import BaseApi, ModelRestApi, safe
from flask_appbuilder.security.decorators import protect
from flask_babel import lazy_gettext

from app.audit.events import event
from app.console.data import PerRequestFilters
from app.console.filters import FilterVisible
from app.leads.reasons import mask_numbers
from app.screens.api import description


class OurApi(BaseApi):  # type: ignore[misc]
    """What the library answers with 500 is for our error pages to judge: a busy database is no fault."""

    def response_500(self, **_said: Any) -> Any:
        """Raise what happened again. Called while it is handled."""
        _kind, error, _trace = sys.exc_info()
        if error is None:
            return super().response_500(**_said)
        raise error


class RowsApi(OurApi, PerRequestFilters, ModelRestApi):  # type: ignore[misc]
    """Rows of a table for the bank's own systems: read only, in row scope; each list read is on record."""

    allow_browser_login = True
    include_route_methods = {"get", "get_list"}
    base_filters = [["id", FilterVisible, ""]]
    base_order = ("id", "desc")

    def pre_get_list(self, data: dict[str, Any]) -> None:
        """Note who takes how many rows by which filter."""
        event(
            "download",
            self.datamodel.obj.__tablename__,
            title=f"{request.method} {request.path}",
            rows=len(data["result"]),
            filter=mask_numbers(request.args.get("q", "")),
        )


class ApiDescription(BaseApi):  # type: ignore[misc]
    """``/api/v1/_openapi``: the description that tools read."""

    resource_name = "openapi"
    route_base = "/api/v1/_openapi"
    allow_browser_login = True
    base_permissions = ["can_get"]
    openapi_spec_tag = "API"

    @expose("", methods=["GET"])
    @protect()
    @safe
    def get(self) -> Any:
        """The OpenAPI description of the whole API.
        ---
        get:
          summary: This description
          responses:
            200:
              description: An OpenAPI 3.0 document
              content:
                application/json:
                  schema:
                    type: object
            401:
              $ref: '#/components/responses/401'
            403:
              $ref: '#/components/responses/403'
        """
        return self.response(200, **description.description())


class ApiDocsView(BaseView):  # type: ignore[misc]
    """接口文档: the same description as a page."""

    list_title = lazy_gettext("API")
    default_view = "list"
    base_permissions = ["can_list"]

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Every address with what it takes and answers."""
        return self.render_template(
            "api/docs.html",
            title=str(self.list_title),
            operations=description.operations(),
            pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False),
        )
