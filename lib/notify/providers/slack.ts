import { authorOf, type ProviderType, postableUrl, shorten, sortedMetadata } from "./provider-type.ts";

/** The Web API, which answers 200 whatever happens; every other address is an incoming webhook. */
const postMessage = "https://slack.com/api/chat.postMessage";

/** PV-010, PV-011: an attachment in Slack's form. */
export const slack: ProviderType = ({ address, channel, username, token }, event) => {
  postableUrl(address, "Slack hook");
  const author = authorOf(event);
  const message = shorten(event.message, 30_000);
  const body = {
    channel,
    username: username === "" ? event.reportingController : username,
    icon_url: "",
    icon_emoji: "",
    attachments: [
      {
        fallback: shorten(`${author}: ${message.split("\n", 1)[0]}`, 3000),
        color: event.severity === "error" ? "danger" : "good",
        author_name: author,
        text: message,
        mrkdwn_in: ["text"],
        fields: sortedMetadata(event).map(([title, value]) => ({ title, value, short: false })),
      },
    ],
  };
  const bearer = token?.toString("utf8").trim() ?? "";
  return {
    url: address,
    headers: { "content-type": "application/json", ...(bearer === "" ? {} : { authorization: `Bearer ${bearer}` }) },
    body: JSON.stringify(body),
    ...(address === postMessage ? { refusal: refusalOf } : {}),
  };
};

function refusalOf({ body }: { body: string }): string | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    return "unable to unmarshal response body";
  }
  if (typeof answer !== "object" || answer === null) return "unable to unmarshal response body";
  if ("ok" in answer && answer.ok === true) return undefined;
  return `Slack responded with error: ${"error" in answer ? String(answer.error) : ""}`;
}
