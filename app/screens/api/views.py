"""The base classes of the API, its OpenAPI description, and the documentation page.

The page loads nothing from other hosts.
"""

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


class ConsoleApi(BaseApi):  # type: ignore[misc]
    """An API whose unexpected errors go to the application's error handlers.

    Those tell a busy database, which is answered with 503, from a fault.
    """

    def response_500(self, **values: Any) -> Any:
        """Raise the exception being handled again, instead of answering 500."""
        _kind, error, _trace = sys.exc_info()
        if error is None:
            return super().response_500(**values)
        raise error


class RowsApi(ConsoleApi, PerRequestFilters, ModelRestApi):  # type: ignore[misc]
    """Read-only access to a table's rows for the bank's own systems, in row scope and logged."""

    allow_browser_login = True
    include_route_methods = {"get", "get_list"}
    base_filters = [["id", FilterVisible, ""]]
    base_order = ("id", "desc")

    def pre_get_list(self, data: dict[str, Any]) -> None:
        """Log how many rows the user reads with which filter."""
        event(
            "download",
            self.datamodel.obj.__tablename__,
            title=f"{request.method} {request.path}",
            rows=len(data["result"]),
            filter=mask_numbers(request.args.get("q", "")),
        )


class ApiDescription(BaseApi):  # type: ignore[misc]
    """``/api/v1/_openapi``: the OpenAPI description, for tools."""

    resource_name = "openapi"
    route_base = "/api/v1/_openapi"
    allow_browser_login = True
    base_permissions = ["can_get"]
    openapi_spec_tag = "API"

    @expose("", methods=["GET"])
    @protect()
    @safe
    def get(self) -> Any:
        """Return the OpenAPI description of the whole API.
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
        return self.response(200, **description.openapi())


class ApiDocsView(BaseView):  # type: ignore[misc]
    """接口文档: the description of the API as a page."""

    list_title = lazy_gettext("API")
    default_view = "list"
    base_permissions = ["can_list"]

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show every address with its parameters and answers."""
        return self.render_template(
            "api/docs.html",
            title=str(self.list_title),
            operations=description.operations(),
            pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False),
        )
