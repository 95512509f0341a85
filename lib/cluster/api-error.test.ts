import { describe, expect, it } from "vitest";
import { isNotFound, parseApiError } from "./api-error.ts";

const patch = { method: "PATCH", path: "/api/v1/namespaces/n/configmaps/x" };

describe("parseApiError", () => {
  it("takes reason, message and causes of a metav1.Status", () => {
    const causes = [{ reason: "FieldManagerConflict", message: "conflict with ...", field: ".data.a" }];
    const status = { kind: "Status", reason: "Conflict", message: "Apply failed with 1 conflict", details: { causes } };
    expect(parseApiError(409, JSON.stringify(status), patch)).toMatchObject({
      statusCode: 409,
      reason: "Conflict",
      message: "Apply failed with 1 conflict",
      causes: ["FieldManagerConflict"],
    });
  });

  it("KS-136: has client-go's words for an answer that is no Status", () => {
    const rows = [
      [
        404,
        "404 page not found",
        patch,
        "NotFound",
        "the server could not find the requested resource (patch configmaps x)",
      ],
      [
        404,
        "",
        { method: "GET", path: "/apis/apps/v1/deployments" },
        "NotFound",
        "the server could not find the requested resource (get deployments.apps)",
      ],
      [
        401,
        "Unauthorized",
        { method: "GET", path: "/version" },
        "Unauthorized",
        "the server has asked for the client to provide credentials",
      ],
      [
        503,
        "down",
        patch,
        "ServiceUnavailable",
        "the server is currently unable to handle the request (patch configmaps x)",
      ],
      [
        500,
        "oh\nno",
        patch,
        "InternalError",
        'an error on the server ("oh") has prevented the request from succeeding (patch configmaps x)',
      ],
      [403, "go away", { method: "GET", path: "/" }, "Forbidden", "go away"],
    ] as const;
    for (const [statusCode, body, request, reason, message] of rows) {
      expect(parseApiError(statusCode, body, request)).toMatchObject({ statusCode, reason, message });
    }
  });

  it("knows what is not there", () => {
    expect(isNotFound(parseApiError(404, "", patch))).toBe(true);
    expect(isNotFound(parseApiError(403, "", patch))).toBe(false);
    expect(isNotFound(new Error("not found"))).toBe(false);
  });
});
