import type { Socket } from 'node:net';

/**
 * Answers what never became a request: the parser gave up, and there is nothing but a socket to answer on.
 *
 * @param line status and its words, as `400 Bad Request`
 * @param body sent as JSON
 */
export function answerBroken(
  error: NodeJS.ErrnoException,
  socket: Socket,
  { line, body }: { readonly line: string; readonly body: object },
): void {
  // The client is gone, or an answer has begun already: more bytes would only garble it.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${line}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
    () => socket.destroySoon(),
  );
}
