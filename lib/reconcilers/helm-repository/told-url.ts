/** A repository's address without the user whom somebody wrote into it, who is told nowhere (SEC-012). */
export function withoutUser(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/?#]*@/i, "$1");
}

/** A repository's address as errors tell it: without its query, too. */
export function toldUrl(url: string): string {
  return withoutUser(url).replace(/[?#].*$/s, "");
}
