// Posting what an editor holds, with the CSRF token of its form.
import { one } from "./dom.js";

/** @param {HTMLElement} form @param {string} url @param {Record<string, string>} values @param {AbortSignal} [signal] */
export function post(form, url, values, signal) {
  /** @type {HTMLInputElement} */
  const token = one("[name=csrf_token]", form);
  const body = new FormData();
  for (const [name, value] of Object.entries({ csrf_token: token.value, ...values })) body.set(name, value);
  return fetch(url, { method: "POST", body, signal, headers: { Accept: "application/json" } });
}
