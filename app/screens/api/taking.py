"""APIs that take a list of items from the bank's systems and answer each of them."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_appbuilder import expose
from flask_appbuilder.api import safe
from flask_appbuilder.security.decorators import permission_name, protect

from app.extensions import csrf
from app.screens.api.views import ConsoleApi

TEXT = {"type": "string"}
NULLABLE_TEXT = {"type": "string", "nullable": True}
#: how an item names its person
PERSON = {"lead_no": TEXT, "id_hash": TEXT, "id_number": TEXT}
#: why an item is rejected
REASON = {"reason": TEXT, "error": TEXT}


def one_of(*values: str) -> dict[str, Any]:
    """Return the schema of one of some texts."""
    return {"type": "string", "enum": list(values)}


def an_object(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    """Return the schema of an object."""
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **needed, **more}


def a_list(item: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": item, **more}


class TakesList(ConsoleApi):  # type: ignore[misc]
    """An API that takes ``{list_name: [item, …]}``, at most ``most`` items.

    ``item`` and ``answer`` are the JSON schemas of an item and of the answer; ``summary``, ``description``
    and ``answer_is`` say in English what it does and what the answer is.
    """

    allow_browser_login = True
    base_permissions = ["can_post"]
    list_name: str
    most: int
    item: dict[str, Any]
    answer: dict[str, Any]
    summary: str
    description: str
    answer_is: str

    def __init_subclass__(cls, **values: Any) -> None:
        super().__init_subclass__(**values)
        cls.openapi_spec_methods = {"post": {"post": cls._described()}}

    @classmethod
    def _described(cls) -> dict[str, Any]:
        """Return the operation's OpenAPI description."""
        items = a_list(cls.item, maxItems=cls.most)
        body = an_object({cls.list_name: items}, cls.list_name, additionalProperties=False)
        refused = {code: {"$ref": f"#/components/responses/{code}"} for code in ("400", "401", "403")}
        return {
            "summary": cls.summary,
            "description": cls.description,
            "requestBody": {"required": True, "content": _json(body)},
            "responses": {"200": {"description": cls.answer_is, "content": _json(cls.answer)}, **refused},
        }

    def take(self, items: list[Any]) -> dict[str, Any]:
        """Store the items and return the answer."""
        raise NotImplementedError

    @expose("", methods=["POST"])
    @protect()
    @safe
    @permission_name("post")
    def post(self) -> Any:
        """Answer the posted list.
        ---
        post:
          description: stated by the class
        """
        if "Authorization" not in request.headers:
            # A request without a key uses a browser session, which needs a CSRF token.
            csrf.protect()
        name, body = self.list_name, request.get_json(silent=True)
        items = body.get(name) if isinstance(body, dict) and set(body) == {name} else None
        if not isinstance(items, list):
            return self.response_400(message=f'the body is {{"{name}": [...]}}')
        if len(items) > self.most:
            return self.response_400(message=f"at most {self.most} {name} at once")
        return self.response(200, **self.take(items))


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
