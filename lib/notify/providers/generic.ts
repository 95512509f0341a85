import { type ProviderType, postableUrl } from "./provider-type.ts";

/** PV-001: the event itself, as JSON, with whatever headers the Secret adds. */
export const generic: ProviderType = ({ address, headers }, event) => {
  postableUrl(address, "hook");
  const own = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return {
    url: address,
    headers: {
      "content-type": "application/json",
      "gotk-component": event.reportingController,
      ...Object.fromEntries(own),
    },
    body: JSON.stringify(event),
  };
};
