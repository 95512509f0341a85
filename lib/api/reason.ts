/**
 * Why a pass failed, in one word that programs rely on: the reason of Ready and of the event. Flux's words (KS section 15,
 * sources.md section 3); one that is not here does not compile.
 */
export type FailureReason = SharedReason | SourceReason | KustomizationReason;

type SharedReason = "AccessDenied" | "DirectoryCreationFailed" | "FeatureGateDisabled" | "InvalidCELExpression";

type SourceReason =
  | "AcquireLockFailed"
  | "ArchiveOperationFailed"
  | "AuthenticationFailed"
  | "BucketOperationFailed"
  | "ChartPackageError"
  | "ChartPullError"
  | "ChartVerificationError"
  | "CopyFailure"
  | "DependencyBuildError"
  | "EmptyGitRepository"
  | "Failed"
  | "GarbageCollectionFailed"
  | "GitOperationFailed"
  | "IllegalPath"
  | "IndexationFailed"
  | "InvalidChartReference"
  | "InvalidCommitSignature"
  | "InvalidGitObject"
  | "InvalidPath"
  | "InvalidProviderConfiguration"
  | "InvalidSTSConfiguration"
  | "InvalidTagSignature"
  | "InvalidVerificationMode"
  | "MetadataPatchError"
  | "NoArtifact"
  | "NoSourceArtifact"
  | "NotFound"
  | "OCIArtifactLayerOperationFailed"
  | "OCIArtifactPullFailed"
  | "PatchOperationFailed"
  | "ReadOperationFailed"
  | "SourceFetchFailed"
  | "SourceIgnoreError"
  | "SourceUnavailable"
  | "StatOperationFailed"
  | "StorageOperationFailed"
  | "SymlinkUpdateFailed"
  | "URLInvalid"
  | "Unknown"
  | "UnsupportedSourceKind"
  | "ValidationFailed"
  | "ValuesFilesError"
  | "VerificationError";

type KustomizationReason =
  | "ArtifactFailed"
  | "BuildFailed"
  | "DependencyNotReady"
  | "HealthCheckCanceled"
  | "HealthCheckFailed"
  | "PruneFailed"
  | "ReconciliationFailed";
