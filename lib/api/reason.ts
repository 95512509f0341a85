/**
 * Why a pass failed, in one word that programs rely on: the reason of Ready and of the event. Flux's words (KS section 15,
 * sources.md section 3); one that is not here does not compile.
 */
export type FailureReason = SharedReason | SourceReason | KustomizationReason;

type SharedReason = "AccessDenied" | "DirectoryCreationFailed" | "FeatureGateDisabled" | "InvalidCELExpression";

type SourceReason =
  | "ArchiveOperationFailed"
  | "AuthenticationFailed"
  | "EmptyGitRepository"
  | "GarbageCollectionFailed"
  | "GitOperationFailed"
  | "InvalidPath"
  | "InvalidProviderConfiguration"
  | "PatchOperationFailed"
  | "ReadOperationFailed"
  | "StatOperationFailed"
  | "StorageOperationFailed"
  | "URLInvalid"
  | "VerificationError";

type KustomizationReason =
  | "ArtifactFailed"
  | "BuildFailed"
  | "DependencyNotReady"
  | "HealthCheckCanceled"
  | "HealthCheckFailed"
  | "PruneFailed"
  | "ReconciliationFailed";
