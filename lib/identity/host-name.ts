/**
 * Whether a text is the name of a host and nothing else. The patterns by which Flux tells a cloud's hosts end with their suffix and
 * begin with anything: `https://evil.test?x.azurecr.io` is somebody else's address, whatever it ends with.
 */
export function isHostName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text);
}
