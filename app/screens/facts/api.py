"""The API that takes facts from the bank's systems."""

from __future__ import annotations

from typing import Any

from flask import g
from flask_appbuilder import expose
from flask_appbuilder.api import safe
from flask_appbuilder.security.decorators import permission_name, protect

from app.facts import api_rows
from app.screens.api.views import ConsoleApi


class FactApi(ConsoleApi):  # type: ignore[misc]
    """``POST /api/v1/facts``: values of facts about leads."""

    resource_name = "facts"
    allow_browser_login = True
    base_permissions = ["can_post"]

    @expose("", methods=["POST"])
    @protect()
    @safe
    @permission_name("post")
    def facts(self) -> Any:
        """Store values of facts.
        ---
        post:
          summary: Store values of facts about leads
          description: >-
            Up to 1000 rows, each answered individually and in order, stored as one import batch. A row names
            the person by lead_no, id_hash or id_number, perhaps the date as_of on which it was true
            (by default yesterday), and has a value for each fact it states, by the code of the fact. Rows
            are checked as those of a file. Repeating a row changes nothing.
          requestBody:
            required: true
            content:
              application/json:
                schema:
                  type: object
                  additionalProperties: false
                  required: [facts]
                  properties:
                    facts:
                      type: array
                      maxItems: 1000
                      items:
                        type: object
                        properties:
                          lead_no: {type: string}
                          id_hash: {type: string}
                          id_number: {type: string}
                          as_of: {type: string, format: date}
                        additionalProperties:
                          description: the value of the fact with this code
                          nullable: true
          responses:
            200:
              description: The batch, the numbers of values, and an answer for each row, in order
              content:
                application/json:
                  schema:
                    type: object
                    required: [batch, stored, unchanged, rows]
                    properties:
                      batch: {type: integer, nullable: true}
                      stored: {type: integer}
                      unchanged: {type: integer}
                      rows:
                        type: array
                        items:
                          type: object
                          required: [status]
                          properties:
                            status: {type: string, enum: [accepted, rejected]}
                            reason: {type: string}
                            error: {type: string}
            400:
              $ref: '#/components/responses/400'
            401:
              $ref: '#/components/responses/401'
            403:
              $ref: '#/components/responses/403'
        """
        return self.take_list("facts", api_rows.MAX_ROWS, lambda items: api_rows.take(items, g.user))
