// Answers that come line by line while the server counts.

/**
 * The objects of an answer in lines of JSON, each as soon as its line is there.
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
