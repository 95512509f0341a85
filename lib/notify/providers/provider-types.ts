import { generic } from "./generic.ts";
import { genericHmac } from "./generic-hmac.ts";
import { msteams } from "./msteams.ts";
import type { ProviderType } from "./provider-type.ts";
import { slack } from "./slack.ts";

/** The types of this release by the name in `spec.type` (PR-001). A new type is one file and one line here. */
export const providerTypes: ReadonlyMap<string, ProviderType> = new Map([
  ["generic", generic],
  ["generic-hmac", genericHmac],
  ["msteams", msteams],
  ["slack", slack],
]);

/** PR-020: the families that decide which events a type is told of. They name types of later releases too. */
const commitStatus = ["github", "gitlab", "gitea", "bitbucketserver", "bitbucket", "azuredevops"];
const changeRequest = ["githubpullrequestcomment", "gitlabmergerequestcomment", "giteapullrequestcomment"];

/** The family of a type: what makes its events interesting to it. */
export function familyOf(type: string): "commit status" | "generic" | "change request" | "plain" {
  if (commitStatus.includes(type)) return "commit status";
  if (changeRequest.includes(type)) return "change request";
  return type === "generic" || type === "generic-hmac" ? "generic" : "plain";
}
