/**
 * Puts shares of a secret together, as SOPS shares a data key between groups: Shamir's scheme byte by byte over the field of AES
 * (GF(2^8), polynomial 0x11b). The last byte of a share is where its polynomials were evaluated. Shares that do not belong together,
 * or are too few, give another secret and no error. Throws where they cannot be shares of one secret.
 */
export function combineShares(shares: readonly Uint8Array[]): Uint8Array {
  const first = shares[0];
  if (first === undefined || shares.length < 2)
    throw new Error("less than two parts cannot be used to reconstruct the secret");
  if (first.length < 2) throw new Error("parts must be at least two bytes");
  if (shares.some((share) => share.length !== first.length)) throw new Error("all parts must be the same length");
  const places = shares.map((share) => share[first.length - 1] ?? 0);
  if (new Set(places).size !== places.length) throw new Error("duplicate part detected");
  const weights = places.map((place) =>
    places.reduce((weight, other) => (other === place ? weight : multiply(weight, divide(other, place ^ other))), 1),
  );
  const secret = new Uint8Array(first.length - 1);
  for (let index = 0; index < secret.length; index += 1) {
    let byte = 0;
    for (const [number, share] of shares.entries()) byte ^= multiply(share[index] ?? 0, weights[number] ?? 0);
    secret[index] = byte;
  }
  return secret;
}

function divide(a: number, b: number): number {
  let inverse = 1;
  // In a group of 255 elements, the 254th power is the inverse.
  for (let power = 0; power < 254; power += 1) inverse = multiply(inverse, b);
  return multiply(a, inverse);
}

function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ (product & 0x80 ? 0x11b : 0);
    if ((b >> bit) & 1) product ^= a;
  }
  return product & 0xff;
}
