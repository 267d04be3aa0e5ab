// What people type for a date.

/**
 * Return an ISO date for 2026-11-30, 2026/11/30, 2026.11.30, 20261130, 2026年11月30日, and 11-30 of this year;
 * null for anything else.
 * @param {string} text
 * @param {string} today
 */
export function isoOf(text, today) {
  const [, year = today.slice(0, 4), month, day] =
    text.trim().match(/^(?:(\d{4})[-/.年 ])?(\d{1,2})[-/.月 ](\d{1,2})日?$/) ??
    text.trim().match(/^(\d{4})(\d\d)(\d\d)$/) ??
    [];
  if (!month) return null;
  const iso = `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
  const date = new Date(`${iso}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(iso) ? iso : null;
}
