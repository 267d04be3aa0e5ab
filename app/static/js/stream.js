// Responses that arrive line by line.

/**
 * Yield the objects of a response in JSON lines, each as soon as its line has arrived.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 */
export async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    yield* lines.map((line) => JSON.parse(line));
  }
}
