/**
 * What EventBridge tells of ECR and S3 (`ECR Image Action`, `Object Created`, `Object Deleted`), by what it is about; undefined for
 * an event of another shape. Its rule has sorted out what is not named, and pushes that failed.
 */
export function parsePushEvent(
  event: unknown,
):
  | { type: "image"; account: string; region: string; repository: string }
  | { type: "object"; bucket: string; key: string }
  | undefined {
  const { source, account, region, detail } = fieldsOf(event);
  const told = fieldsOf(detail);
  if (source === "aws.ecr") {
    const repository = told["repository-name"];
    if (typeof account !== "string" || typeof region !== "string" || typeof repository !== "string") return undefined;
    return { type: "image", account, region, repository };
  }
  if (source !== "aws.s3") return undefined;
  const bucket = fieldsOf(told.bucket).name;
  const key = fieldsOf(told.object).key;
  return typeof bucket === "string" && typeof key === "string" ? { type: "object", bucket, key } : undefined;
}

function fieldsOf(value: unknown): { [field: string]: unknown } {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
