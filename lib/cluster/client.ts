import type { KubernetesObject } from "../api/object.ts";

/** One request to an API server. `path` is absolute (`/api/v1/namespaces/x`); `query` values are encoded. */
export type ApiRequest = {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  /** Default application/json. */
  contentType?: string;
  accept?: string;
  /** Not sent again where its answer is lost: what it did is to be known. Default false. */
  once?: boolean;
  signal?: AbortSignal;
};

/** One API server, as one identity. */
export interface ClusterClient {
  /** The parsed JSON answer. Throws ApiError for every status of 400 and above. */
  request<T = KubernetesObject>(request: ApiRequest): Promise<T>;
  /** The same API server, with every request impersonating this user (KS-210). */
  as(user: string): ClusterClient;
}
