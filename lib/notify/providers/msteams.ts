import type { NotificationEvent } from "../event.ts";
import { authorOf, type ProviderType, postableUrl, shorten, sortedMetadata } from "./provider-type.ts";

/** A card may have 28 KB; so long a message leaves room for its facts. */
const messageCharacters = 16_000;

/** PV-014, PV-015: an Adaptive Card for a workflow, or a MessageCard for the connectors that came before. */
export const msteams: ProviderType = ({ address }, event) => {
  const isConnector = postableUrl(address, "MS Teams webhook").hostname.endsWith(".webhook.office.com");
  return {
    url: address,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(isConnector ? messageCard(event) : adaptiveCard(event)),
  };
};

function adaptiveCard(event: NotificationEvent): unknown {
  const metadata = sortedMetadata(event);
  const isSummary = ([key]: [string, string]) => key === "summary";
  const facts = [...metadata.filter(isSummary), ...metadata.filter((entry) => !isSummary(entry))];
  const items = [
    { type: "TextBlock", text: authorOf(event), size: "large", weight: "bolder", wrap: true },
    {
      type: "TextBlock",
      text: shorten(event.message, messageCharacters),
      ...(event.severity === "error" ? { color: "attention" } : {}),
      wrap: true,
    },
    {
      type: "FactSet",
      ...(facts.length === 0 ? {} : { facts: facts.map(([title, value]) => ({ title, value })) }),
    },
  ];
  return {
    type: "message",
    attachments: [
      {
        contentType: "application/vnd.microsoft.card.adaptive",
        content: {
          $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
          type: "AdaptiveCard",
          version: "1.4",
          body: [{ type: "Container", items }],
          msteams: { width: "Full" },
        },
      },
    ],
  };
}

function messageCard(event: NotificationEvent): unknown {
  const author = authorOf(event);
  return {
    "@type": "MessageCard",
    "@context": "http://schema.org/extensions",
    themeColor: event.severity === "error" ? "FF0000" : "0076D7",
    summary: author,
    sections: [
      {
        activityTitle: shorten(event.message, messageCharacters),
        activitySubtitle: author,
        facts: sortedMetadata(event).map(([name, value]) => ({ name, value })),
      },
    ],
  };
}
