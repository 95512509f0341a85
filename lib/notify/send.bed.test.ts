import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect as connectTcp } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type NotificationBed, openNotificationBed } from "../../test/bed/notifications.ts";
import { createCertificateAuthority, issueCertificate } from "../platform/local/certificate.ts";

const dispatchFailed = "NotificationDispatchFailed";

let bed: NotificationBed;

beforeEach(async () => {
  bed = await openNotificationBed();
});

afterEach(() => bed.close());

describe("a Provider in trouble", () => {
  it("HC-001, AL-011: a refusal is final, said on the Alert, and shows no secret", async () => {
    const service = await bed.service();
    service.answers.push({ status: 403, body: "token hush-hush is revoked" });
    await bed.makeSecret("hook", { address: `${service.url}/secret-path`, token: "hush-hush" });
    await bed.makeProvider("slack", { type: "slack", secretRef: { name: "hook" } });
    await bed.makeAlert("a", "slack");
    await bed.say();
    await bed.settled();
    expect(service.posted).toHaveLength(1);
    expect(await bed.warningsOf("a")).toMatchObject([
      {
        reason: dispatchFailed,
        message: `failed to send notification for Kustomization/${bed.namespace}/web: postMessage failed: request failed: request failed with status code 403: token ***** is revoked`,
      },
    ]);
    expect(bed.platform.depth("notification").delayed).toBe(0);
    expect(bed.log.join("\n")).not.toMatch(/hush-hush|secret-path/);
  });

  it("HC-002, SV-003: one that is down hears of it when it is back, and no other hears twice", async () => {
    const [down, up] = await Promise.all([bed.service(), bed.service()]);
    down.answers.push(
      { status: 503, body: "busy", headers: { "retry-after": "1" } },
      { status: 429, headers: { "retry-after": "1" } },
    );
    await bed.makeProvider("down", { type: "generic", address: down.url });
    await bed.makeProvider("up", { type: "generic", address: up.url });
    await Promise.all([bed.makeAlert("a", "down"), bed.makeAlert("b", "up")]);
    await bed.say();
    await expect.poll(() => down.posted.length, { timeout: 15_000 }).toBe(3);
    await bed.settled();
    expect(new Set(down.posted.map(({ body }) => body)).size).toBe(1);
    expect(up.posted).toHaveLength(1);
    expect(await bed.warningsOf("a")).toEqual([]);
  });

  it("PR-009, HC-003: one that does not answer in time is said once, and tried again", async () => {
    const silent = createHttpServer(() => undefined);
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : undefined;
    await bed.makeProvider("slow", {
      type: "generic",
      address: `http://127.0.0.1:${port}/x?key=hidden`,
      timeout: "200ms",
    });
    await bed.makeAlert("a", "slow");
    await bed.say();
    await expect.poll(() => bed.platform.depth("notification").delayed).toBe(1);
    await expect.poll(() => bed.warningsOf("a").then((warnings) => warnings.length)).toBe(1);
    const [warning] = await bed.warningsOf("a");
    expect(warning?.message).toContain("postMessage failed: failed to execute request: context deadline exceeded");
    expect(warning?.message).not.toContain("hidden");
    silent.close();
    silent.closeAllConnections();
  });
});

describe("the way to a Provider", () => {
  it("PR-006: a private authority is trusted alone, and a client certificate is shown", async () => {
    const authority = createCertificateAuthority("services");
    const issued = issueCertificate(authority, { names: ["127.0.0.1"] });
    const own = issueCertificate(authority, { names: ["client"] });
    const service = await bed.service({
      key: issued.key,
      cert: issued.certificate,
      ca: authority.certificate,
      requestCert: true,
    });
    await bed.makeSecret("both", { "ca.crt": authority.certificate, "tls.crt": own.certificate, "tls.key": own.key });
    await bed.makeSecret("half", { "tls.crt": own.certificate });
    await bed.makeSecret("junk", { "ca.crt": "nonsense" });
    for (const name of ["both", "half", "junk"])
      await bed.makeProvider(name, { type: "generic", address: service.url, certSecretRef: { name } });
    await bed.makeProvider("system", { type: "generic", address: service.url });
    for (const name of ["both", "half", "junk", "system"]) await bed.makeAlert(name, name);
    await bed.say();
    await bed.settled();
    expect(service.posted).toHaveLength(1);
    const first = async (alert: string) => (await bed.warningsOf(alert))[0];
    const [half, junk, system] = [await first("half"), await first("junk"), await first("system")];
    expect(half?.message).toContain("failed to get TLS config: ");
    expect(half?.message).toContain("contains 'tls.crt' but missing 'tls.key'");
    expect(junk?.message).toContain("failed to get TLS config: failed to parse CA certificate");
    expect(system?.message).toContain("postMessage failed: failed to execute request: ");
    expect(bed.platform.depth("notification").delayed).toBe(0);
  });

  it("PR-008: a proxy is asked, with its credentials, for HTTP and for HTTPS", async () => {
    const authority = createCertificateAuthority("services");
    const issued = issueCertificate(authority, { names: ["127.0.0.1"] });
    const secure = await bed.service({ key: issued.key, cert: issued.certificate });
    const proxy = await bed.service();
    const tunnels: string[] = [];
    const tunnel = createHttpServer();
    tunnel.on("connect", (request, socket) => {
      tunnels.push(`${request.url} ${request.headers["proxy-authorization"]}`);
      const [host = "", port] = (request.url ?? "").split(":");
      const upstream = connectTcp(Number(port), host, () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        socket.pipe(upstream).pipe(socket);
      });
      upstream.on("error", () => socket.destroy());
      socket.on("error", () => upstream.destroy());
    });
    tunnel.listen(0, "127.0.0.1");
    await once(tunnel, "listening");
    const at = tunnel.address();
    const tunnelUrl = `http://127.0.0.1:${typeof at === "object" ? at?.port : ""}`;
    await bed.makeSecret("plain", { address: proxy.url, username: "u", password: "p:/" });
    await bed.makeSecret("tunnel", { address: tunnelUrl, username: "u", password: "p" });
    await bed.makeSecret("socks", { address: "socks5://127.0.0.1:1" });
    await bed.makeSecret("ca", { "ca.crt": authority.certificate });
    await bed.makeProvider("plain", {
      type: "generic",
      address: "http://chat.invalid/in",
      proxySecretRef: { name: "plain" },
    });
    await bed.makeProvider("tunnel", {
      type: "generic",
      address: `${secure.url}/in`,
      proxySecretRef: { name: "tunnel" },
      certSecretRef: { name: "ca" },
    });
    await bed.makeProvider("socks", {
      type: "generic",
      address: "http://chat.invalid",
      proxySecretRef: { name: "socks" },
    });
    for (const name of ["plain", "tunnel", "socks"]) await bed.makeAlert(name, name);
    await bed.say();
    await expect.poll(() => [proxy.posted.length, secure.posted.length]).toEqual([1, 1]);
    await bed.settled();
    const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
    expect(proxy.posted[0]).toMatchObject({
      path: "http://chat.invalid/in",
      headers: { host: "chat.invalid", "proxy-authorization": basic("u:p:/") },
    });
    expect(tunnels).toEqual([`${new URL(secure.url).host} ${basic("u:p")}`]);
    expect(secure.posted[0]?.headers).not.toHaveProperty("proxy-authorization");
    expect((await bed.warningsOf("socks"))[0]?.message).toContain(
      "failed to get proxy URL: a socks5 proxy cannot be used",
    );
    tunnel.close();
    tunnel.closeAllConnections();
  });

  it("a redirect is followed as a POST, and takes no credential to another host", async () => {
    const [first, second] = await Promise.all([bed.service(), bed.service()]);
    first.answers.push({ status: 307, headers: { location: `${second.url}/moved` } });
    await bed.makeSecret("hook", { token: "xoxb-1" });
    await bed.makeProvider("slack", { type: "slack", address: first.url, secretRef: { name: "hook" } });
    await bed.makeAlert("a", "slack");
    await bed.say();
    await bed.settled();
    expect(first.posted[0]?.headers.authorization).toBe("Bearer xoxb-1");
    expect(second.posted).toMatchObject([{ method: "POST", path: "/moved", body: first.posted[0]?.body }]);
    expect(second.posted[0]?.headers).not.toHaveProperty("authorization");
  });

  it("PV-001, PV-002: a signature over the received bytes, and headers of the Secret", async () => {
    const service = await bed.service();
    await bed.makeSecret("hmac", { token: "k\n", headers: "X-Team: a\nX-Number: '7'\n" });
    await bed.makeProvider("hmac", { type: "generic-hmac", address: service.url, secretRef: { name: "hmac" } });
    await bed.makeAlert("a", "hmac");
    await bed.say();
    await bed.settled();
    const [posted] = service.posted;
    const expected = createHmac("sha256", "k\n")
      .update(posted?.body ?? "")
      .digest("hex");
    expect(posted?.headers).toMatchObject({ "x-signature": `sha256=${expected}`, "x-team": "a", "x-number": "7" });
  });
});
