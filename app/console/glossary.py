"""The glossary: what each word and figure of the product means and how it is counted, in one place.

Templates show a term with the macro ``tip``, lists name those of their columns in ``column_terms``, and the
user guide prints all of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import Flask
from flask_babel import lazy_gettext as _


class Term(NamedTuple):
    """A word of the product, its meaning, and how a figure of this name is counted."""

    word: Any
    meaning: Any
    counted: Any = ""


TERMS: dict[str, Term] = {
    # Customers and hits
    "lead": Term(_("Lead"), _("An existing customer on the imported list.")),
    "hit": Term(
        _("Hits"),
        _("A lead that a rule caught on a date, with the evidence, a score and a grade."),
        _(
            "A rule hits a customer again only when its cooldown since the last hit has passed; until then"
            " the newest hit is refreshed."
        ),
    ),
    "customer": Term(
        _("Customer"),
        _("A lead with hits: one row and one owner, whatever the number of hits."),
        _("Counters of customers count each customer once; counters of hits count every hit."),
    ),
    "owner": Term(
        _("Assignee"),
        _("The one person who works on a customer at a time, with all open hits."),
    ),
    "reason": Term(
        _("Reason"),
        _("Which condition of the rule was met: the window, what was counted, and the threshold."),
        _("Stated as of the hit date, by the version of the rule that was in force then."),
    ),
    "score": Term(
        _("Score"),
        _("How much and how recent the activity behind a hit is."),
        _(
            "For each matching event the weight of its type, halved once every half-life of the rule; the sum"
            " of all of them. A hit's page shows the arithmetic."
        ),
    ),
    "grade": Term(
        _("Grade"),
        _("A to D, by the bands that the rule sets on the score."),
        _("A customer has the best grade of the hits that can be worked."),
    ),
    "open_hits": Term(
        _("Open hits"),
        _("The hits of a customer that are neither converted nor closed."),
    ),
    "hit_date": Term(
        _("Hit date"),
        _("The date as of which the rule was met: the last day of its window."),
        _("Evaluated on the following day, so that today's new hits carry yesterday's date."),
    ),
    "status": Term(
        _("Status"),
        _("Where the work stands: waiting, in progress, converted or closed."),
        _(
            "A customer is in progress when any hit is, else waiting when any waits. Converted is what"
            " somebody marked; outcomes decide what counts as a conversion."
        ),
    ),
    "last_contact": Term(
        _("Last contact"),
        _("The newest contact with the customer, and how it ended."),
    ),
    "next_contact": Term(
        _("Next contact"),
        _("When the owner has to get in touch again, and the time of an agreed call."),
        _("Red when the date has passed; after the limit of the work rules the manager is told."),
    ),
    "source": Term(
        _("Source channel"),
        _("Where the bank won the customer, as the lead list says."),
    ),
    # Key figures
    "total_hits": Term(
        _("Total hits"),
        _("All hits in your branches that the filters select, held-out customers included."),
        _("The change is the hits made today, as a share of those before; the line goes by hit date."),
    ),
    "new_today": Term(
        _("New today"),
        _("Hits made today by the run over yesterday's data."),
        _("By the day on which the hit was made, not by the hit date."),
    ),
    "waiting": Term(
        _("Waiting"),
        _("Hits with which nobody has begun, claimed or not."),
        _("The share is of all hits that the filters select."),
    ),
    "month_rate": Term(
        _("Conversion rate of the month"),
        _(
            "Of the hits dated this month, the share that has converted so far; of last month until there"
            " are any."
        ),
        _(
            "Held-out customers are included, whom the marketing effect leaves out. Recent hits have had"
            " little time to convert, so that the rate still rises. What was marked is of all selected hits."
        ),
    ),
    "conversion": Term(
        _("Conversion"),
        _(
            "The customer bought one of the rule's products from the hit date to the conversion days later,"
            " both days included, as the bank's own system tells."
        ),
        _(
            "The same for customers who were contacted, not contacted or held out. While no outcome has been"
            " delivered, what was marked stands in, and the page says so."
        ),
    ),
    "conversion_rate": Term(
        _("Conversion rate"),
        _("Conversions as a share of all hits, or customers, of the row."),
        _("The interval says between which values the true rate lies in 95 of 100 cases."),
    ),
    "claim": Term(
        _("Marked as converted"),
        _("What a marketer or the gateway said about a hit, confirmed by an outcome or not."),
    ),
    "source_mix": Term(
        _("By source"),
        _("The selected hits by the source channel of their customers."),
        _("The eight largest are shown; each opens its list."),
    ),
    # My work
    "work_calls": Term(
        _("To be called back now"),
        _("Your customers who asked to be called back, from five minutes before the agreed time."),
    ),
    "work_due": Term(
        _("Due today or overdue"),
        _("Your customers whose next contact is today or earlier, agreed calls included."),
    ),
    "work_untouched": Term(
        _("Claimed, not begun"),
        _("Your customers with whom nobody has begun: claimed or assigned, without a contact or step."),
    ),
    "work_unclaimed": Term(
        _("Unclaimed"),
        _("Customers of your branches whom nobody has and who may be contacted."),
    ),
    "work_mine": Term(
        _("My customers"),
        _("All customers whom you have and who may be contacted, those of the other figures included."),
    ),
    "work_escalated": Term(
        _("Escalated"),
        _("Customers who were overdue for longer than the work rules allow."),
    ),
    "work_asked": Term(_("Handovers asked for"), _("Your customers for whom a colleague has asked you.")),
    "work_blocked": Term(
        _("Mine, nobody may contact"),
        _("Your customers who are on the do-not-disturb list or held out: close their hits."),
    ),
    # Effect
    "pushed": Term(
        _("Pushed"),
        _("Hits that a schedule sent and a receiver accepted."),
        _("Test pushes don't count; a hit that reached a later stage counts here, too."),
    ),
    "funnel": Term(
        _("From hit to conversion"),
        _("How many of the selected hits got how far; held-out customers are left out."),
        _("The key figures of the workspace include them, so that its numbers are larger."),
    ),
    "reached": Term(
        _("Reached out to"),
        _("Hits with an SMS or call that the gateway accepted, or a contact by a marketer."),
        _("Contacts that failed don't count; hits with an answer count here, too."),
    ),
    "answered": Term(
        _("Responded"),
        _("Hits whose customer answered, was interested, refused, opted out or was marked as converted."),
        _("By what the gateway or the bank's system reported."),
    ),
    "previous_stage": Term(
        _("Share of previous stage"),
        _("The hits of this stage as a share of those of the stage before."),
        _("A customer may buy without a contact, so that conversions can exceed the stage before."),
    ),
    "cost": Term(
        _("Cost"),
        _("What the contacts cost: SMS by the segment, calls one by one."),
        _("At the prices of the outreach rules in force when each was sent."),
    ),
    "unit_cost": Term(
        _("Unit cost"),
        _("Cost divided by the number of SMS or calls sent."),
    ),
    "cost_per_contacted": Term(
        _("Cost per hit reached out to"),
        _("Cost of the row divided by its hits that were reached out to."),
    ),
    "cost_per_conversion": Term(
        _("Cost per conversion"),
        _("Cost of the row divided by its conversions."),
        _("Includes customers who would have bought anyway; the comparison with those held out does not."),
    ),
    "holdout": Term(
        _("Held out"),
        _("A stable share of a rule's customers, drawn at random, whom nobody contacts for it."),
        _("They make hits like all others and serve for comparison only."),
    ),
    "marketing_group": Term(
        _("Marketing group"),
        _("The customers of a rule who are not held out, whether or not somebody contacted them."),
        _("Each customer once for a rule, by the first hit ever of it."),
    ),
    "uplift": Term(
        _("Extra conversions per 100"),
        _("Conversions per 100 customers of the marketing group, less those of the held-out customers."),
        _("When the interval contains 0, the difference may be chance."),
    ),
    "amount": Term(
        _("Amount"),
        _("What the customers bought of the rule's products within the conversion days."),
    ),
    "margin": Term(
        _("Margin"),
        _("What the bank earns by these purchases."),
        _("As delivered, else the amount times the product's margin rate."),
    ),
    "margin_caused": Term(
        _("Margin caused"),
        _("The margin that there would not have been without marketing."),
        _("Margin a person less that of the held-out customers, times the customers of the marketing group."),
    ),
    "return": Term(
        _("Return"),
        _("Margin caused less contact cost, divided by contact cost."),
        _("Only where a rule holds customers out; without cost there is none."),
    ),
    "control_group": Term(
        _("Universal control group"),
        _("A share of all customers whom nobody contacts for marketing for a calendar year."),
        _("Measures what the whole platform brings; without a share in the outreach rules there is none."),
    ),
    # Templates compared, batches
    "variant_rate": Term(
        _("Result of a template"),
        _("Customers who responded, converted or opted out, as a share of all to whom it was sent."),
        _("Everybody who was contacted counts, reached or not."),
    ),
    "variant_difference": Term(
        _("Difference B − A"),
        _("The rate of template B less that of template A, in percentage points."),
        _("When its 95-percent interval contains 0, there is no clear difference yet."),
    ),
    "held_back": Term(
        _("Held back"),
        _("Customers whom compliance keeps from being contacted, with the first reason that applies."),
        _("Checked before confirmation and again at the moment of sending."),
    ),
    "batch_cost": Term(
        _("Cost of a batch"),
        _("Planned from the texts of everybody who passed the check; afterwards what was really sent."),
        _("Contacts without a clear answer of the gateway are included."),
    ),
    # Matrix and RFM groups
    "matrix_value": Term(
        _("Value (across)"),
        _("The measure by which a customer counts as valuable."),
        _("Twelve months' margin once outcomes are known, before that the hits of 90 days."),
    ),
    "matrix_potential": Term(
        _("Potential (up)"),
        _("The measure by which a customer counts as likely to be won."),
        _("By default the number of institutions with activity in the last 30 days."),
    ),
    "matrix_threshold": Term(
        _("High means at least"),
        _("The value from which a customer counts as high on the axis."),
        _("Left empty, the median of the leads that have a value."),
    ),
    "rfm": Term(
        _("RFM groups"),
        _("Fifths of the customers who bought something in twelve months, by recency, frequency and amount."),
        _("5 is the most recent, the most often, the largest; equal values are in the same fifth."),
    ),
    "value": Term(
        _("Value of twelve months"),
        _("The margin of what a customer bought in the last twelve months."),
    ),
    # Rules: coverage and back-tests
    "coverage": Term(
        _("Coverage"),
        _("How many leads the draft would have caught on each of the last days with data."),
        _("Exact, without the cooldown: a lead that meets the rule on three days counts on each of them."),
    ),
    "overlap": Term(
        _("Overlap"),
        _("Leads that the draft and another rule in force both catch on the newest day."),
    ),
    "test_hits": Term(
        _("Simulated hits"),
        _("The hits that the rule would have made in the period, in order of the dates, with its cooldown."),
        _("Begins without any earlier hit."),
    ),
    "test_leads": Term(
        _("Number of leads"),
        _("The different leads with at least one such hit."),
    ),
    "test_converted": Term(
        _("Leads converted"),
        _("Leads that bought one of the rule's products within the chosen days of such a hit."),
        _("The day of the hit included; while no outcome has been delivered, those marked on later days."),
    ),
    "interval": Term(
        _("Confidence interval"),
        _("Chance alone moves a figure; the true value lies within the interval in 95 of 100 cases."),
        _("Few customers make it wide."),
    ),
    "lift": Term(
        _("Ratio to the base"),
        _("The conversion rate divided by that of all leads that were active in the period."),
        _("1 means that the rule selects no better than chance; 2 means twice as well."),
    ),
    # Simulations of journeys
    "journey_entered": Term(
        _("Entered"),
        _("How often customers would have entered the journey in the period."),
        _("Somebody who enters again counts again."),
    ),
    "journey_goal": Term(
        _("Reached the goal"),
        _("Those who bought what the journey aims at while they were in it."),
        _("By outcomes dated from the day of entering; the journey is over for them then."),
    ),
    "journey_left": Term(
        _("Left early"),
        _("Those for whom the journey ended before its end for another reason than the goal."),
        _("Deleted, on the do-not-disturb list, or in a holdout group."),
    ),
    "journey_through": Term(
        _("Went through"),
        _("Those who came to the end of the journey."),
    ),
    "journey_still_in": Term(
        _("Under way at the end"),
        _("Those who stand at a step when the period ends."),
    ),
    "journey_contacts": Term(
        _("Number of contacts"),
        _("SMS and calls that would have been made, each at the first moment that the rules allow."),
        _("Contact hours, holidays and caps included, with the contacts that were really made."),
    ),
    "journey_cost": Term(
        _("Cost"),
        _("What the contacts would have cost by the prices of today."),
        _("An SMS costs as many segments as its text has with values of usual length."),
    ),
    "journey_outside": Term(
        _("Contacts outside hours"),
        _("Contacts at a forbidden moment, of which there must be none."),
        _("Checked one by one against contact hours and holidays."),
    ),
    "journey_arrived": Term(
        _("Came to it"),
        _("How often customers came to the step, and the share of those who entered."),
        _("A step that customers come to several times can have more than all."),
    ),
    "journey_desk": Term(
        _("Who calls"),
        _("The assignee that the customer has today, else the marketers of the nearest branch that has any."),
        _("A usual day is the median of the days with calls."),
    ),
    # Data
    "event": Term(
        _("Call"),
        _("One request about a person at an institution: face verification, ID-card OCR or a data call."),
        _("After duplicates have been left out."),
    ),
    "metric": Term(
        _("Metric"),
        _(
            "Calls: how often the customer's identity was checked at institutions. Distinct institutions: at"
            " how many of them. Active days: on how many dates."
        ),
        _("From the call logs, after duplicates have been left out."),
    ),
    "institution": Term(
        _("Institution"),
        _("An organisation whose calls appear in the logs; one that is not in the catalogue counts, too."),
    ),
    "run": Term(
        _("T+1 run"),
        _("Reads the logs of a day on the day after it, evaluates the rules, makes hits and plans pushes."),
        _("New hits, and those still met within the cooldown, which are refreshed."),
    ),
    "rows_read": Term(
        _("Rows read"),
        _("All rows of the file."),
        _("Accepted, duplicates and rejected rows add up to it."),
    ),
    "accepted": Term(_("Accepted"), _("Rows that became calls of the activity.")),
    "duplicates": Term(
        _("Duplicates"),
        _("Rows that are already known, from this file or an earlier one; they count once."),
    ),
    "rejected": Term(
        _("Rejected rows"),
        _("Rows that could not be used, each with its reason and line; they can be downloaded."),
    ),
    "usual_day": Term(
        _("Usual number"),
        _("The median of the same kind of day, weekday or weekend, in the 28 days before."),
        _("Low: less than half of it. Missing: no calls where some were expected."),
    ),
    "fact": Term(
        _("Fact"),
        _("A typed, dated statement about a lead, with source and purpose, such as assets or a due date."),
        _("Known from the day before its delivery, and never before it was true; a backfill from its date."),
    ),
    "keep_days": Term(
        _("Days kept"),
        _("An older value is not used any more, and is deleted."),
    ),
    "purpose": Term(_("Purpose"), _("For what the bank may use the fact: marketing, service or risk.")),
    "outcome": Term(
        _("Outcome"),
        _("What a customer bought, when and for how much, told by the bank for all customers."),
        _("Delivered again unchanged it is nothing new; changed it is a correction, and both are kept."),
    ),
    # Homes of data operators, auditors and administrators
    "runs_held": Term(
        _("Held runs"),
        _("T+1 runs whose data looks incomplete: they wait for the rest, or for somebody to release them."),
    ),
    "runs_failed": Term(_("Failed runs"), _("T+1 runs that ended with an error; each can be run again.")),
    "files_refused": Term(
        _("Refused files"),
        _("Log files that runs refused whole, in the quarantine or still in the inbox."),
    ),
    "institutions_unlisted": Term(
        _("Not described yet"),
        _("Institutions that appeared in the logs and have no name, category or region yet."),
    ),
    "files_today": Term(_("Files read today"), _("Log files that were read since midnight.")),
    "log_in_failed": Term(
        _("Failed log-ins"),
        _("Attempts with a wrong password or an unknown user name, in the change log of the period."),
    ),
    "denied": Term(
        _("Access denied"), _("Requests for pages or rows that the user may not see, in the period.")
    ),
    "reveals": Term(
        _("Numbers viewed"),
        _("Full phone numbers that somebody looked at in the period, each with its reason."),
    ),
    "number_search": Term(
        _("Searches by number"), _("Customers looked for by a full phone or ID number in the period.")
    ),
    "exports": Term(_("Exports"), _("Exports of whole lists requested in the period, masked or not.")),
    "exports_clear": Term(
        _("Exports in clear"),
        _("Those of them that contain full phone numbers, each approved by a second person."),
    ),
    "unchecked": Term(
        _("Without a second person"),
        _("Changes that took effect at once because nobody else could decide, kept with their reason."),
    ),
    "direct_sql": Term(
        _("Direct SQL"), _("Changes made in the database itself in the period, past the product's screens.")
    ),
    "approvals_waiting": Term(_("Awaiting approval"), _("All requests that nobody has decided yet.")),
    "approvals_mine": Term(_("Waiting for me"), _("Requests on which you may decide.")),
    "users_disabled": Term(_("Disabled users"), _("Accounts that are switched off and can't log in.")),
    "users_failing": Term(
        _("Users with failed log-ins"),
        _("Accounts with wrong passwords since their last log-in. Too many are refused for a while."),
    ),
    "deliveries_dead": Term(
        _("Dead letters"),
        _("Deliveries of pushes that were given up after all attempts; they can be sent again."),
    ),
    "deliveries_waiting": Term(_("Deliveries waiting"), _("Deliveries of pushes whose time has not come.")),
    "targets_stopped": Term(
        _("Stopped targets"), _("Receivers of pushes to which nothing is sent until somebody resumes them.")
    ),
    "mails_failed": Term(_("Failed mails"), _("Reminder mails that could not be sent after all attempts.")),
    "exports_queued": Term(_("Exports queued"), _("Exports that no worker has begun yet.")),
    "batches_running": Term(_("Batches being sent"), _("Outreach batches that are under way.")),
    # Pushes
    "schedule": Term(
        _("Push frequency"),
        _("When the hits of which rules are sent, to whom and through which channels."),
    ),
    "push": Term(
        _("Push"),
        _("One sending of new hits by a schedule, made of a delivery for each target."),
    ),
    "outreach": Term(
        _("Outreach"),
        _("One contact of a customer: an SMS or an outbound call."),
    ),
    "change_log": Term(
        _("Change log"),
        _("The append-only, verifiable record of who changed, saw or exported what."),
    ),
}


def term(code: str) -> Term:
    """Return the term with a code."""
    return TERMS[code]


def init_app(app: Flask) -> None:
    """Register the template global of terms."""
    app.jinja_env.globals["term"] = term
