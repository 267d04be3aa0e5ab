"""Words of outreach that differ by channel: SMS are sent, calls are made with a script."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext

WORDS: dict[str, dict[str, Any]] = {
    "template": {"sms": lazy_gettext("Template"), "call": lazy_gettext("Script")},
    "second": {
        "sms": lazy_gettext("Second template to compare (optional)"),
        "call": lazy_gettext("Second script to compare (optional)"),
    },
    "second_help": {
        "sms": lazy_gettext(
            "Customers are assigned at random; nobody gets both. The batch page then shows which "
            "template did better."
        ),
        "call": lazy_gettext(
            "Customers are assigned at random; nobody hears both. The batch page then shows which script "
            "did better."
        ),
    },
    "share": {
        "sms": lazy_gettext("Share of the second template"),
        "call": lazy_gettext("Share of the second script"),
    },
    "share_help": {
        "sms": lazy_gettext("Used only when a second template is chosen."),
        "call": lazy_gettext("Used only when a second script is chosen."),
    },
    "same": {
        "sms": lazy_gettext("None: everybody gets the same template"),
        "call": lazy_gettext("None: everybody hears the same script"),
    },
    "none": {
        "sms": lazy_gettext("No template is available for this channel."),
        "call": lazy_gettext("No script is available yet."),
    },
    "text": {"sms": lazy_gettext("What the customer reads"), "call": lazy_gettext("Call script")},
    "check": {"sms": lazy_gettext("Check before sending"), "call": lazy_gettext("Check before calling")},
    "first_check": {
        "sms": lazy_gettext(
            "Nothing is sent yet. Next you see who is held back by which rule, and then confirm."
        ),
        "call": lazy_gettext(
            "Nobody is called yet. Next you see who is held back by which rule, and then confirm."
        ),
    },
    "check_again": {
        "sms": lazy_gettext("Every rule is checked again when each contact is sent."),
        "call": lazy_gettext("Every rule is checked again when each customer is called."),
    },
    "confirm": {"sms": lazy_gettext("Confirm and send"), "call": lazy_gettext("Confirm and call")},
    "going": {
        "sms": lazy_gettext("The batch goes out in the background; you may close this page."),
        "call": lazy_gettext("The calls are made in the background; you may close this page."),
    },
    "better": {
        "sms": lazy_gettext("Which template did better"),
        "call": lazy_gettext("Which script did better"),
    },
    "to_contact": {
        "sms": lazy_gettext("customers to be sent an SMS"),
        "call": lazy_gettext("customers to be called"),
    },
}


def word(channel: str, code: str) -> str:
    """Return a word in the version of a channel."""
    return str(WORDS[code][channel])
