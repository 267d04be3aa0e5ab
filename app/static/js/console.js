// What every page of the console loads. Every page works without it except confirm questions, the bulk bar and live progress.
import "./confirm.js";
import "./forms.js";
import "./frame.js";
import "./lists.js";
import "./requests.js";
