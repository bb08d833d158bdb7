/** Recognises a client that does not speak HTTP/2, such as an Envoy whose cluster is left at HTTP/1.1. */

/** nghttp2's NGHTTP2_ERR_BAD_CLIENT_MAGIC, the error with which node:http2 destroys the socket. */
export const BAD_CLIENT_MAGIC = -903;

/** @param error of the socket of an HTTP/2 server */
export function isNotHttp2(error: NodeJS.ErrnoException): boolean {
  return error.errno === BAD_CLIENT_MAGIC;
}
