"""Queue ``default``: simulations of journeys."""

from __future__ import annotations

from sqlalchemy import select

from app.jobs.context import job_context
from app.journeys.simulations import work_on
from app.models import JourneySimulation


def run(simulation_id: int) -> None:
    """Run the simulation if it is still queued."""
    requested_by = select(JourneySimulation.requested_by).where(JourneySimulation.id == simulation_id)
    with job_context(f"simulation {simulation_id}", requested_by):
        work_on(simulation_id)
