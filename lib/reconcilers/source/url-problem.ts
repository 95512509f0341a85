/** What is wrong with a URL that cannot be parsed, in Go's words for what most often is. The URL is told as it is given. */
export function urlProblem(told: string): string {
  return `parse ${JSON.stringify(told)}: ${parseWords(told)}`;
}

/** Go's words for what is most often wrong with a URL. What is wrong with its user is not shown. */
function parseWords(text: string): string {
  const host = /^[a-z]+:\/\/([^/]*)/i.exec(text)?.[1] ?? "";
  if (host.startsWith("[") && !host.includes("]")) return "missing ']' in host";
  const port = /:([^:\]]*)$/.exec(host)?.[1];
  if (port !== undefined && !/^\d*$/.test(port)) return `invalid port ":${port}" after host`;
  return "invalid URL";
}
