import { ApiError } from "./api-error.ts";

/**
 * Refuses names of an object that a path would make something else of: none at all names every object of its kind, others lead
 * elsewhere. They may be a tenant's, and Sluice may ask as itself. Throws an ApiError (400) with client-go's text.
 */
export function checkPathNames({ namespace = "", name }: { namespace?: string | undefined; name: string }): void {
  if (name === "") throw refusal("resource name may not be empty");
  const [inName, inNamespace] = [objectionsTo(name), objectionsTo(namespace)];
  if (inName !== "") throw refusal(`invalid resource name ${quoted(name)}: [${inName}]`);
  if (inNamespace !== "") throw refusal(`invalid namespace ${quoted(namespace)}: [${inNamespace}]`);
}

/** `IsValidPathSegmentName` of apimachinery. */
function objectionsTo(text: string): string {
  if (text === "." || text === "..") return `may not be '${text}'`;
  return ["/", "%"]
    .flatMap((character) => (text.includes(character) ? [`may not contain '${character}'`] : []))
    .join(" ");
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 300));
}

function refusal(message: string): ApiError {
  return new ApiError(400, "BadRequest", message);
}
