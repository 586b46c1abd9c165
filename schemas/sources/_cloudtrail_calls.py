"""The calls that are accesses to data, that open it to somebody, or that blind the watch: one table.

A call that is not here is none of these, unless it is a data event (`cloudtrail.py`). Who may be added: a service's
data plane, what shares or copies its data, what deletes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from schemas.access import Action
from schemas.sources import _cloudtrail_sharing as sharing
from schemas.sources import _cloudtrail_targets as targets
from schemas.sources._cloudtrail_record import Record
from schemas.sources._cloudtrail_targets import Targets, named
from schemas.sources._json import table, text, whole

Skip = Literal[
    "metadata_read", "control_call", "service_event", "service_call", "sign_in", "remote_shell", "other_event"
]

SKIPPED: Final[dict[Skip, str]] = {
    "metadata_read": "reads names and settings, no data",
    "control_call": "changes something without opening data to anybody new and without blinding the watch",
    "service_event": "something that AWS did by itself, not a call",
    "service_call": "a service takes up the role that it was given",
    "sign_in": "a sign-in, a session or a token: what it is used for is judged",
    "remote_shell": "a shell or a command on a machine: what it reads is not in this log",
    "other_event": "an insight, a digest or another thing that is no call",
}
"""Why a record is no data access: the closed list, with what each word means."""

READS: Final = ("Get", "List", "Describe", "Head", "Lookup", "Search", "BatchGet", "Check", "Query", "Simulate", "View")
SIGN_INS: Final = frozenset({"signin", "sts", "sso", "sso-oauth", "sso-directory", "identitystore-auth", "sso-oidc"})
SHELLS: Final = frozenset(
    {
        ("ssm", "StartSession"),
        ("ssm", "ResumeSession"),
        ("ssm", "TerminateSession"),
        ("ssm", "SendCommand"),
        ("ssm", "GetCommandInvocation"),
        ("ec2-instance-connect", "SendSSHPublicKey"),
        ("ec2-instance-connect", "SendSerialConsoleSSHPublicKey"),
        ("ec2-instance-connect", "OpenTunnel"),
    }
)


class Call(NamedTuple):
    """What one call is."""

    action: Action
    targets: Targets
    to: Callable[[Record], list[str]] | None = None
    """To whom it shares, copies or opens."""
    only_outside: bool = False
    """No access unless `to` names somebody outside the account: it closes, or opens within."""
    when: Callable[[Record], bool] | None = None
    """Whether this call is one at all; None: always."""
    page: Callable[[Record], int | None] | None = None
    """How many things it hands out at most, where it asks for whatever matches; None: it names them."""


def _asks_user_data(record: Record) -> bool:
    return text(record.params, "attribute") == "userData"


def _from_snapshot(record: Record) -> bool:
    return bool(text(record.params, "snapshotId"))


def _opens_database(record: Record) -> bool:
    return record.params.get("publiclyAccessible") is True or bool(text(record.params, "masterUserPassword"))


def _switches_off(record: Record) -> bool:
    return record.params.get("enable") is False


def _leaves_open(record: Record) -> bool:
    block = table(record.params, "PublicAccessBlockConfiguration")
    return not block or not all(value is True or value == "true" for name, value in block.items() if name != "xmlns")


def _other_bucket(record: Record) -> bool:
    source = text(record.params, "x-amz-copy-source").lstrip("/").partition("/")[0]
    return bool(source) and source != text(record.params, "bucketName")


def _page(most: int, *names: str) -> Callable[[Record], int | None]:
    """Return what says how much a page may hold: `maxResults`, else `most`; None where the call names things."""

    def page(record: Record) -> int | None:
        if record.failed or any(record.params.get(name) for name in names):
            return None
        return min(whole(record.params.get("maxResults")) or most, most)

    return page


_SECRETS_PAGE: Final = 20
"""Secrets that one BatchGetSecretValue returns at most (AWS Secrets Manager API reference, `MaxResults`)."""

_PARAMETERS_PAGE: Final = 10
"""Parameters that one GetParametersByPath returns at most (AWS Systems Manager API reference, `MaxResults`)."""

_SECRET = named("secretsmanager", "secret:", "secretId", "response.arn", "secretIdList", "response.aRN", "name")
_PARAMETER = named("ssm", "parameter/", "name", "names", "path")
_TRAIL = named("cloudtrail", "trail/", "response.trailARN", "name", "trailName")
_STORE = named("cloudtrail", "eventdatastore/", "eventDataStore")
_INSTANCE = named("ec2", "instance/", "instanceId")
_SNAPSHOT = named("ec2", "snapshot/", "snapshotId", "sourceSnapshotId", owned=False)
_VOLUME = named("ec2", "volume/", "volumeId")
_IMAGE = named("ec2", "image/", "imageId", "sourceImageId", owned=False)
_FLOW_LOG = named("ec2", "vpc-flow-log/", "DeleteFlowLogsRequest.FlowLogId", "flowLogIds")
_DB = named("rds", "db:", "dBInstanceIdentifier", "sourceDBInstanceIdentifier")
_CLUSTER = named("rds", "cluster:", "dBClusterIdentifier", "sourceDBClusterIdentifier", "resourceArn")
_DB_SNAPSHOT = named("rds", "snapshot:", "dBSnapshotIdentifier", "sourceDBSnapshotIdentifier", "sourceArn")
_CLUSTER_SNAPSHOT = named(
    "rds", "cluster-snapshot:", "dBClusterSnapshotIdentifier", "sourceDBClusterSnapshotIdentifier", "snapshotIdentifier"
)
_REDSHIFT = named("redshift", "cluster:", "clusterIdentifier", "workgroupName", "snapshotIdentifier", "dataShareArn")
_FUNCTION = named("lambda", "function:", "functionName", exact=False)
_LAYER = named("lambda", "layer:", "layerName", exact=False)
_LOGS = named("logs", "log-group:", "logGroupName", "logGroupIdentifier", "logGroupNames")
_REPOSITORY = named("ecr", "repository/", "repositoryName")
_VAULT = named("backup", "backup-vault:", "backupVaultName", "sourceBackupVaultName")
_SHARE = named(
    "ram", "resource-share/", "resourceArns", "resourceShareArn", "response.resourceShare.resourceShareArn", exact=False
)
_LAKE = named("glue", "database/", "resource.database.name", "resource.table.databaseName")
_RECORDER = named("config", "config-recorder/", "configurationRecorderName")
_DOCUMENT = named("ssm", "document/", "name")


def _every(service: str, names: str, call: Call) -> dict[tuple[str, str], Call]:
    return {(service, name): call for name in names.split()}


CALLS: Final[dict[tuple[str, str], Call]] = {
    # Objects
    **_every("s3", "GetObject GetObjectTorrent RestoreObject", Call("read", targets.s3)),
    **_every("s3", "SelectObjectContent", Call("query", targets.s3)),
    **_every("s3", "ListObjects ListObjectsV2 ListObjectVersions ListBuckets HeadObject", Call("list", targets.s3)),
    **_every("s3", "PutObject PostObject UploadPart CompleteMultipartUpload", Call("write", targets.s3)),
    **_every("s3", "DeleteObject DeleteObjects DeleteObjectVersion DeleteBucket", Call("delete", targets.s3)),
    **_every("s3", "CopyObject UploadPartCopy",
             Call("export", targets.s3_source, sharing.copied_to, when=_other_bucket)),
    **_every("s3", "PutBucketPolicy PutAccessPointPolicy", Call("grant", targets.s3, sharing.policy)),
    **_every("s3", "PutBucketAcl PutObjectAcl", Call("grant", targets.s3, sharing.acl)),
    **_every("s3", "PutBucketReplication PutReplicationConfiguration", Call("export", targets.s3, sharing.replication)),
    **_every("s3", "PutBucketPublicAccessBlock PutAccountPublicAccessBlock PutPublicAccessBlock",
             Call("update", targets.s3, when=_leaves_open)),
    **_every("s3", "DeleteBucketPublicAccessBlock DeleteAccountPublicAccessBlock DeletePublicAccessBlock "
                   "DeleteBucketPolicy PutBucketLifecycle PutBucketLifecycleConfiguration PutBucketLogging "
                   "PutBucketWebsite", Call("update", targets.s3)),
    # Secrets and parameters
    **_every("secretsmanager", "GetSecretValue", Call("read", _SECRET)),
    **_every("secretsmanager", "BatchGetSecretValue",
             Call("read", _SECRET, page=_page(_SECRETS_PAGE, "secretIdList"))),
    **_every("secretsmanager", "ListSecrets", Call("list", _SECRET)),
    **_every("secretsmanager", "PutSecretValue", Call("write", _SECRET)),
    **_every("secretsmanager", "CreateSecret", Call("create", _SECRET)),
    **_every("secretsmanager", "UpdateSecret RotateSecret RestoreSecret", Call("update", _SECRET)),
    **_every("secretsmanager", "DeleteSecret", Call("delete", _SECRET)),
    **_every("secretsmanager", "ReplicateSecretToRegions", Call("export", _SECRET)),
    **_every("secretsmanager", "PutResourcePolicy", Call("grant", _SECRET, sharing.policy)),
    **_every("ssm", "GetParameter GetParameters GetParameterHistory", Call("read", _PARAMETER)),
    **_every("ssm", "GetParametersByPath", Call("read", _PARAMETER, page=_page(_PARAMETERS_PAGE))),
    **_every("ssm", "PutParameter", Call("write", _PARAMETER)),
    **_every("ssm", "DeleteParameter DeleteParameters", Call("delete", _PARAMETER)),
    **_every("ssm", "ModifyDocumentPermission", Call("grant", _DOCUMENT, sharing.accounts, only_outside=True)),
    # Keys
    **_every("kms", "Decrypt ReEncrypt DeriveSharedSecret", Call("decrypt", targets.decrypted)),
    **_every("kms", "PutKeyPolicy", Call("grant", targets.key, sharing.policy)),
    **_every("kms", "CreateGrant", Call("grant", targets.key, sharing.accounts, only_outside=True)),
    **_every("kms", "ScheduleKeyDeletion DeleteImportedKeyMaterial", Call("delete", targets.key)),
    **_every("kms", "DisableKey", Call("update", targets.key)),
    # Tables and databases
    **_every("dynamodb", "GetItem BatchGetItem TransactGetItems GetRecords", Call("read", targets.tables_of)),
    **_every("dynamodb", "Query Scan ExecuteStatement BatchExecuteStatement ExecuteTransaction",
             Call("query", targets.tables_of)),
    **_every("dynamodb", "PutItem BatchWriteItem TransactWriteItems", Call("write", targets.tables_of)),
    **_every("dynamodb", "UpdateItem", Call("update", targets.tables_of)),
    **_every("dynamodb", "DeleteItem DeleteTable", Call("delete", targets.tables_of)),
    **_every("dynamodb", "CreateBackup RestoreTableFromBackup RestoreTableToPointInTime",
             Call("create", targets.tables_of)),
    **_every("dynamodb", "ExportTableToPointInTime", Call("export", targets.tables_of, sharing.exported_to)),
    **_every("dynamodb", "PutResourcePolicy", Call("grant", targets.tables_of, sharing.policy)),
    **_every("rds", "DownloadDBLogFilePortion DownloadCompleteDBLogFile", Call("read", _DB)),
    **_every("rds", "CreateDBSnapshot RestoreDBInstanceToPointInTime", Call("create", _DB)),
    **_every("rds", "CreateDBClusterSnapshot RestoreDBClusterToPointInTime", Call("create", _CLUSTER)),
    **_every("rds", "RestoreDBInstanceFromDBSnapshot", Call("create", _DB_SNAPSHOT)),
    **_every("rds", "RestoreDBClusterFromSnapshot", Call("create", _CLUSTER_SNAPSHOT)),
    **_every("rds", "CopyDBSnapshot StartExportTask", Call("export", _DB_SNAPSHOT)),
    **_every("rds", "CopyDBClusterSnapshot", Call("export", _CLUSTER_SNAPSHOT)),
    **_every("rds", "ModifyDBSnapshotAttribute",
             Call("grant", _DB_SNAPSHOT, sharing.database_snapshot, only_outside=True)),
    **_every("rds", "ModifyDBClusterSnapshotAttribute",
             Call("grant", _CLUSTER_SNAPSHOT, sharing.database_snapshot, only_outside=True)),
    **_every("rds", "ModifyDBInstance", Call("update", _DB, when=_opens_database)),
    **_every("rds", "ModifyDBCluster", Call("update", _CLUSTER, when=_opens_database)),
    **_every("rds", "DeleteDBInstance", Call("delete", _DB)),
    **_every("rds", "DeleteDBCluster", Call("delete", _CLUSTER)),
    **_every("rds", "DeleteDBSnapshot", Call("delete", _DB_SNAPSHOT)),
    **_every("rds", "DeleteDBClusterSnapshot", Call("delete", _CLUSTER_SNAPSHOT)),
    **_every("rds-data", "ExecuteStatement BatchExecuteStatement ExecuteSql", Call("query", _CLUSTER)),
    **_every("redshift-data", "ExecuteStatement BatchExecuteStatement", Call("query", _REDSHIFT)),
    **_every("redshift-data", "GetStatementResult", Call("read", _REDSHIFT)),
    **_every("redshift", "AuthorizeSnapshotAccess AuthorizeDataShare",
             Call("grant", _REDSHIFT, sharing.accounts, only_outside=True)),
    **_every("athena", "StartQueryExecution", Call("query", targets.athena)),
    **_every("athena", "GetQueryResults GetQueryResultsStream", Call("read", targets.athena)),
    **_every("lakeformation", "GrantPermissions BatchGrantPermissions",
             Call("grant", _LAKE, sharing.accounts, only_outside=True)),
    **_every("glue", "PutResourcePolicy", Call("grant", _LAKE, sharing.policy)),
    **_every("logs", "GetLogEvents FilterLogEvents", Call("read", _LOGS)),
    **_every("logs", "StartQuery", Call("query", _LOGS)),
    **_every("logs", "CreateExportTask", Call("export", _LOGS)),
    # Machines, volumes, images
    **_every("ec2", "DescribeInstanceAttribute", Call("read", _INSTANCE, when=_asks_user_data)),
    **_every("ec2", "GetPasswordData GetConsoleOutput GetConsoleScreenshot GetLaunchTemplateData",
             Call("read", _INSTANCE)),
    **_every("ec2", "CreateSnapshot CreateSnapshots", Call("create", _VOLUME)),
    **_every("ec2", "CreateImage", Call("create", _INSTANCE)),
    **_every("ec2", "CreateVolume", Call("create", _SNAPSHOT, when=_from_snapshot)),
    **_every("ec2", "CopySnapshot", Call("export", _SNAPSHOT)),
    **_every("ec2", "CopyImage ExportImage CreateStoreImageTask", Call("export", _IMAGE)),
    **_every("ec2", "CreateInstanceExportTask", Call("export", _INSTANCE)),
    **_every("ec2", "ModifySnapshotAttribute", Call("grant", _SNAPSHOT, sharing.snapshot, only_outside=True)),
    **_every("ec2", "ModifyImageAttribute", Call("grant", _IMAGE, sharing.snapshot, only_outside=True)),
    **_every("ec2", "DeleteSnapshot", Call("delete", _SNAPSHOT)),
    **_every("ec2", "DeleteVolume", Call("delete", _VOLUME)),
    **_every("ec2", "DisableSnapshotBlockPublicAccess", Call("update", _SNAPSHOT)),
    **_every("ec2", "DisableImageBlockPublicAccess", Call("update", _IMAGE)),
    **_every("ebs", "GetSnapshotBlock", Call("read", _SNAPSHOT)),
    **_every("ebs", "ListSnapshotBlocks ListChangedBlocks", Call("list", _SNAPSHOT)),
    # What opens data or roles to others
    **_every("iam", "UpdateAssumeRolePolicy", Call("grant", targets.role, sharing.policy)),
    **_every("iam", "CreateRole", Call("grant", targets.role, sharing.policy, only_outside=True)),
    **_every("sts", "AssumeRole", Call("grant", targets.role, sharing.across, only_outside=True)),
    **_every("lambda", "AddPermission", Call("grant", _FUNCTION, sharing.accounts, only_outside=True)),
    **_every("lambda", "AddLayerVersionPermission", Call("grant", _LAYER, sharing.accounts, only_outside=True)),
    **_every("ecr", "SetRepositoryPolicy", Call("grant", _REPOSITORY, sharing.policy)),
    **_every("backup", "PutBackupVaultAccessPolicy", Call("grant", _VAULT, sharing.policy)),
    **_every("ram", "CreateResourceShare AssociateResourceShare",
             Call("grant", _SHARE, sharing.accounts, only_outside=True)),
    # What blinds the watch
    **_every("cloudtrail", "StopLogging UpdateTrail PutEventSelectors", Call("update", _TRAIL)),
    **_every("cloudtrail", "DeleteTrail", Call("delete", _TRAIL)),
    **_every("cloudtrail", "StopEventDataStoreIngestion UpdateEventDataStore", Call("update", _STORE)),
    **_every("cloudtrail", "DeleteEventDataStore", Call("delete", _STORE)),
    **_every("cloudtrail", "StartQuery", Call("query", _STORE)),
    **_every("ec2", "DeleteFlowLogs", Call("delete", _FLOW_LOG)),
    **_every("logs", "DeleteLogGroup DeleteLogStream", Call("delete", _LOGS)),
    **_every("config", "StopConfigurationRecorder", Call("update", _RECORDER)),
    **_every("config", "DeleteConfigurationRecorder DeleteDeliveryChannel", Call("delete", _RECORDER)),
    **_every("guardduty", "DeleteDetector", Call("delete", named("guardduty", "detector/", "detectorId"))),
    **_every("guardduty", "UpdateDetector",
             Call("update", named("guardduty", "detector/", "detectorId"), when=_switches_off)),
    **_every("securityhub", "DisableSecurityHub", Call("delete", named("securityhub", "hub/"))),
    **_every("macie2", "DisableMacie", Call("delete", named("macie2", "session/"))),
    **_every("access-analyzer", "DeleteAnalyzer",
             Call("delete", named("access-analyzer", "analyzer/", "analyzerName"))),
    **_every("route53resolver", "DeleteResolverQueryLogConfig",
             Call("delete", named("route53resolver", "resolver-query-log-config/", "resolverQueryLogConfigId"))),
    **_every("route53resolver", "DisassociateResolverQueryLogConfig",
             Call("update", named("route53resolver", "resolver-query-log-config/", "resolverQueryLogConfigId"))),
    **_every("organizations", "LeaveOrganization",
             Call("update", named("organizations", "organization/", regional=False))),
}  # fmt: skip
