// The text of a contact and its length, as the server makes and counts them (app/outreach/templates.py).

/** GSM 03.38: characters of one septet, and those that take two. */
const ONE = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const TWO = new Set("^{}\\[~]|€\f");

/**
 * Return the length of an SMS in units of its alphabet, and the segments that it is charged for.
 * @param {string} text
 * @returns {{ chars: number, segments: number, alphabet: string }}
 */
export function smsLength(text) {
  const all = [...text];
  if (all.every((each) => ONE.has(each) || TWO.has(each))) {
    const chars = all.reduce((sum, each) => sum + (TWO.has(each) ? 2 : 1), 0);
    return { chars, segments: chars <= 160 ? 1 : Math.ceil(chars / 153), alphabet: "GSM-7" };
  }
  const chars = text.length;
  return { chars, segments: chars <= 70 ? 1 : Math.ceil(chars / 67), alphabet: "UCS-2" };
}

/** Return a text as it is stored: without space around it and at the ends of lines. @param {string} body */
export function stored(body) {
  return body
    .trim()
    .split(/\r\n|\r|\n/)
    .map((line) => line.trimEnd())
    .join("\n");
}

/**
 * Return the text for a customer; a variable without a value stays as it is typed.
 * @param {string} body
 * @param {Record<string, string>} values
 * @param {string} optOut the sentence at the end of every SMS, empty for calls
 */
export function rendered(body, values, optOut) {
  const text = stored(body).replace(/\{([^{}]*)\}/g, (place, name) => values[name] ?? place);
  if (!optOut) return text;
  const last = [...text].at(-1) ?? "";
  return last.charCodeAt(0) > 127 ? text + optOut : `${text} ${optOut}`;
}
