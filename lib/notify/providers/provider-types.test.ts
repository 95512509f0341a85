import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { NotificationEvent } from "../event.ts";
import { verifyRequest } from "../receivers/receiver-types.ts";
import type { ProviderSettings } from "./provider-type.ts";
import { familyOf, providerTypes } from "./provider-types.ts";

const info: NotificationEvent = {
  involvedObject: {
    kind: "Kustomization",
    namespace: "apps",
    name: "web",
    uid: "7d0cdc51-ddcf-4743-b223-83ca5c699632",
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    resourceVersion: "7",
  },
  severity: "info",
  timestamp: "2026-01-02T03:04:05Z",
  message: "first <&> line\nsecond",
  reason: "ReconciliationSucceeded",
  metadata: { summary: "prod", revision: "r", env: "e" },
  reportingController: "kustomize-controller",
};
const failure: NotificationEvent = { ...info, severity: "error" };

function prepare(type: string, event: NotificationEvent, more: Partial<ProviderSettings> = {}) {
  const providerType = providerTypes.get(type);
  if (providerType === undefined) throw new Error(type);
  const settings = { channel: "", username: "", token: undefined, password: "", headers: {} };
  return providerType({ address: "https://hooks.example/x?y=z", ...settings, ...more }, event);
}

function bodyOf(type: string, event: NotificationEvent, more: Partial<ProviderSettings> = {}): unknown {
  return JSON.parse(prepare(type, event, more).body);
}

describe("slack", () => {
  it("PV-010, HC-006, HC-007: sends an attachment with the message as it is and the metadata by key", () => {
    const request = prepare("slack", info, { channel: "#ops" });
    expect(request.url).toBe("https://hooks.example/x?y=z");
    expect(request.headers).toEqual({ "content-type": "application/json" });
    expect(JSON.parse(request.body)).toEqual({
      channel: "#ops",
      username: "kustomize-controller",
      icon_url: "",
      icon_emoji: "",
      attachments: [
        {
          fallback: "kustomization/web.apps: first <&> line",
          color: "good",
          author_name: "kustomization/web.apps",
          text: "first <&> line\nsecond",
          mrkdwn_in: ["text"],
          fields: [
            { title: "env", value: "e", short: false },
            { title: "revision", value: "r", short: false },
            { title: "summary", value: "prod", short: false },
          ],
        },
      ],
    });
  });

  it("PV-010: a failure is red, a username is the Provider's, a token goes into a header, no metadata no fields", () => {
    const { metadata: _none, ...bare } = failure;
    const request = prepare("slack", bare, { username: "flux", token: Buffer.from("xoxb-1\n") });
    expect(request.headers.authorization).toBe("Bearer xoxb-1");
    expect(JSON.parse(request.body)).toMatchObject({
      channel: "",
      username: "flux",
      attachments: [{ color: "danger", fields: [] }],
    });
  });

  it("PV-011: the Web API says in its body whether it took the message, whatever the status", () => {
    const { refusal } = prepare("slack", info, { address: "https://slack.com/api/chat.postMessage" });
    expect(refusal?.({ status: 500, body: '{"ok":true}' })).toBeUndefined();
    expect(refusal?.({ status: 200, body: '{"ok":false,"error":"channel_not_found"}' })).toBe(
      "Slack responded with error: channel_not_found",
    );
    expect(refusal?.({ status: 200, body: "ok" })).toBe("unable to unmarshal response body");
    expect(refusal?.({ status: 200, body: "null" })).toBe("unable to unmarshal response body");
    expect(prepare("slack", info)).not.toHaveProperty("refusal");
  });

  it.each(["", "hooks.example/x", "ftp://hooks.example"])("PR-016: refuses the address %j", (address) => {
    expect(() => prepare("slack", info, { address })).toThrow("invalid Slack hook URL");
  });

  it("SV-016: a message too long for the service is cut with a mark", () => {
    const body = prepare("slack", { ...info, message: "x".repeat(39_000) }).body;
    expect(body.length).toBeLessThan(40_000);
    expect(body).toContain("x …");
  });
});

describe("msteams", () => {
  const card = (event: NotificationEvent) => bodyOf("msteams", event);
  const blocks = (extra: object, facts: object) => ({
    type: "message",
    attachments: [
      {
        contentType: "application/vnd.microsoft.card.adaptive",
        content: {
          $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
          type: "AdaptiveCard",
          version: "1.4",
          body: [
            {
              type: "Container",
              items: [
                { type: "TextBlock", text: "kustomization/web.apps", size: "large", weight: "bolder", wrap: true },
                { type: "TextBlock", text: "first <&> line\nsecond", wrap: true, ...extra },
                { type: "FactSet", ...facts },
              ],
            },
          ],
          msteams: { width: "Full" },
        },
      },
    ],
  });
  const facts = {
    facts: [
      { title: "summary", value: "prod" },
      { title: "env", value: "e" },
      { title: "revision", value: "r" },
    ],
  };

  it("PV-014: an Adaptive Card with the summary first", () => {
    expect(card(info)).toEqual(blocks({}, facts));
    expect(card(failure)).toEqual(blocks({ color: "attention" }, facts));
    const { metadata: _none, ...bare } = info;
    expect(card(bare)).toEqual(blocks({}, {}));
  });

  it("PV-015: a MessageCard for the older connectors, by their host whatever its port", () => {
    const body = (event: NotificationEvent) =>
      bodyOf("msteams", event, { address: "https://x.webhook.office.com:443/hook" });
    expect(body(info)).toEqual({
      "@type": "MessageCard",
      "@context": "http://schema.org/extensions",
      themeColor: "0076D7",
      summary: "kustomization/web.apps",
      sections: [
        {
          activityTitle: "first <&> line\nsecond",
          activitySubtitle: "kustomization/web.apps",
          facts: [
            { name: "env", value: "e" },
            { name: "revision", value: "r" },
            { name: "summary", value: "prod" },
          ],
        },
      ],
    });
    expect(body(failure)).toMatchObject({ themeColor: "FF0000" });
    expect(bodyOf("msteams", info, { address: "https://webhook.office.com.evil.example" })).toHaveProperty(
      "attachments",
    );
  });

  it("SV-016: the longest message fits the 28 KB of a card", () => {
    const body = prepare("msteams", { ...info, message: "x".repeat(39_000) }).body;
    expect(Buffer.byteLength(body)).toBeLessThan(28_000);
  });
});

describe("generic", () => {
  it("PV-001: the event as JSON, its reporter in a header, and the Secret's headers over all", () => {
    const headers = { "X-Team": "a", "Content-Type": "application/cloudevents+json" };
    const request = prepare("generic", info, { headers });
    expect(request.headers).toEqual({
      "content-type": "application/cloudevents+json",
      "gotk-component": "kustomize-controller",
      "x-team": "a",
    });
    expect(JSON.parse(request.body)).toEqual(info);
  });

  it("PV-002, PR-005: signs the exact bytes with the token's exact bytes, after the Secret's headers", () => {
    const token = Buffer.from("k\n");
    const request = prepare("generic-hmac", info, { token, headers: { "X-Signature": "forged" } });
    const expected = createHmac("sha256", "k\n").update(request.body).digest("hex");
    expect(request.headers["x-signature"]).toBe(`sha256=${expected}`);
    const received = { path: "/hook/x", headers: request.headers, body: Buffer.from(request.body) };
    expect(() => verifyRequest(received, { type: "generic-hmac" }, token)).not.toThrow();
    expect(() => verifyRequest(received, { type: "generic-hmac" }, Buffer.from("k"))).toThrow();
  });

  it("PV-002: refuses to sign with nothing", () => {
    expect(() => prepare("generic-hmac", info)).toThrow("HMAC key is empty");
    expect(() => prepare("generic-hmac", info, { token: Buffer.alloc(0) })).toThrow("HMAC key is empty");
  });
});

it("PR-020: the families", () => {
  const named = (types: string[]) => [...new Set(types.map(familyOf))];
  expect(named(["github", "gitlab", "gitea", "bitbucketserver", "bitbucket", "azuredevops"])).toEqual([
    "commit status",
  ]);
  expect(named(["githubpullrequestcomment", "gitlabmergerequestcomment", "giteapullrequestcomment"])).toEqual([
    "change request",
  ]);
  expect(named(["generic", "generic-hmac"])).toEqual(["generic"]);
  expect(named(["slack", "msteams", "githubdispatch", "otel"])).toEqual(["plain"]);
});
