// After an action one stays where one was: place and row are kept while the same page comes again.
import { all, maybe, target } from "./dom.js";

const KEY = "place";
const SECONDS = 60;

/** The page without what is behind the hash. */
const here = () => location.pathname + location.search;

/** The rows of the page's list. */
const rows = () => all("[data-list] tbody tr");

document.addEventListener("submit", (event) => {
  if (/** @type {HTMLFormElement} */ (target(event)).method !== "post") return;
  const row = rows().findIndex((each) => each.contains(event.submitter));
  sessionStorage.setItem(KEY, JSON.stringify({ page: here(), top: window.scrollY, row, at: Date.now() }));
});

/** Return to the kept place if this is its page. */
function restore() {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  sessionStorage.removeItem(KEY);
  // A form that was refused is shown again at its page.
  if (kept && maybe("[data-refused]")) history.replaceState(null, "", kept.page);
  if (!kept || kept.page !== here() || Date.now() - kept.at > SECONDS * 1000) return;
  history.scrollRestoration = "manual";
  window.scrollTo({ top: kept.top, behavior: "instant" });
  const row =
    kept.row < 0
      ? undefined
      : rows()
          .slice(0, kept.row + 1)
          .at(-1);
  if (row) maybe("a", row)?.focus({ preventScroll: true });
}

restore();
