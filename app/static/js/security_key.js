// Security keys: adding one on the page of one's second factor, and using one where a code is asked for.
import { maybe, one } from "./dom.js";

/** @param {string} text */
const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));

/** @param {ArrayBuffer | null | undefined} buffer */
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer ?? new ArrayBuffer(0))))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

/** @param {{ id: string }[]} [list] */
const ids = (list) =>
  (list ?? []).map((each) => ({ ...each, type: /** @type {const} */ ("public-key"), id: bytes(each.id) }));

/** @param {string} url @param {Record<string, string>} [values] */
async function post(url, values = {}) {
  const body = new FormData();
  body.set("csrf_token", /** @type {HTMLInputElement} */ (one("[name=csrf_token]")).value);
  for (const [name, value] of Object.entries(values)) body.set(name, value);
  const answer = await fetch(url, { method: "POST", body, headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

/** What a key answered, as the server reads it. @param {PublicKeyCredential} key */
function answered(key) {
  const response = /** @type {AuthenticatorAttestationResponse & AuthenticatorAssertionResponse} */ (key.response);
  const { attestationObject, authenticatorData, signature, userHandle } = response;
  const parts = attestationObject
    ? { attestationObject: text(attestationObject) }
    : { authenticatorData: text(authenticatorData), signature: text(signature), userHandle: text(userHandle) };
  const clientDataJSON = text(response.clientDataJSON);
  return JSON.stringify({ id: key.id, rawId: text(key.rawId), type: key.type, response: { clientDataJSON, ...parts } });
}

/** Run what needs a key, and say when it failed. @param {HTMLElement} element @param {() => Promise<void>} act */
async function attempt(element, act) {
  const error = one("[data-key-error]");
  error.hidden = true;
  try {
    await act();
  } catch {
    error.textContent = element.dataset.failed ?? "";
    error.hidden = false;
  }
}

/** @type {HTMLFormElement | null} */
const adding = maybe("form[data-add-key]");
adding?.addEventListener("submit", (event) => {
  /** @type {HTMLInputElement} */
  const answer = one("[name=answer]", adding);
  if (answer.value) return;
  event.preventDefault();
  attempt(adding, async () => {
    const options = await (await post(String(adding.dataset.new))).json();
    const publicKey = {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: ids(options.excludeCredentials),
    };
    const key = await navigator.credentials.create({ publicKey });
    answer.value = answered(/** @type {PublicKeyCredential} */ (key));
    adding.submit();
  });
});

/** @type {HTMLButtonElement | null} */
const using = maybe("[data-use-key]");
using?.addEventListener("click", () =>
  attempt(using, async () => {
    const options = await (await post(String(using.dataset.ask))).json();
    const publicKey = {
      ...options,
      challenge: bytes(options.challenge),
      allowCredentials: ids(options.allowCredentials),
    };
    const key = await navigator.credentials.get({ publicKey });
    await post(String(using.dataset.prove), { answer: answered(/** @type {PublicKeyCredential} */ (key)) });
    /** @type {HTMLFormElement} */
    const form = one("form[data-proof]");
    // The act whose form came along is done now; otherwise the page goes on where the user wanted to go.
    if (using.dataset.grave) form.submit();
    else window.location.reload();
  }),
);
