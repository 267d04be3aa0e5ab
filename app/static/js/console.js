// Loaded by every page. Without it only confirmations, the bulk bar and live progress are missing.
import "./confirm.js";
import "./dates.js";
import "./files.js";
import "./forms.js";
import "./frame.js";
import "./keys.js";
import "./lists.js";
import "./place.js";
import "./requests.js";
import "./search.js";
import "./session_end.js";
import "./theme.js";
import "./tips.js";
