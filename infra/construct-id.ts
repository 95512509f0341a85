/** The id of a construct that is made for a function or queue of that name: `apply` is `Apply`. */
export function constructId(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}
