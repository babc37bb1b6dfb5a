"""The one module that imports boto3: a client by the standard AWS settings, and its errors in ours.

Single calls are tried again by botocore itself; AWS_RETRY_MODE and AWS_MAX_ATTEMPTS say how often. Importing boto3
takes a while, hence inside functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from evenvoice.errors import ArtifactError, EvenvoiceError, PreflightError, TransientError
from evenvoice.object_store.address import Address

PARALLEL: Final = 8
"""Requests of one transfer at a time."""
ATTEMPTS: Final = 6
"""Of one call, where neither AWS_MAX_ATTEMPTS nor a profile says otherwise; some 15 s in all."""
PASSING: Final = frozenset({
    "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestTimeoutException", "Throttling",
    "ThrottlingException", "TooManyRequests", "OperationAborted", "BandwidthLimitExceeded", "RequestLimitExceeded"})
MISSING: Final = frozenset({"NoSuchKey", "NoSuchVersion"})
EXISTS: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
"""What a write of something that is there already is answered with."""
CREDENTIALS_ACTION: Final = ("Check AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, what they may do in "
                             "this bucket, AWS_ENDPOINT_URL, and this machine's clock.")


def client() -> Any:
    """Return this process's client for the settings in force now; a client serves many threads.

    Raises:
        PreflightError: the AWS settings make no client.
    """
    return _client(os.getpid(), tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_"))))


@lru_cache(maxsize=4)
def _client(_process: int, _settings: tuple[tuple[str, str], ...]) -> Any:
    import boto3
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        session = botocore.session.Session()
        retries = None
        if session.get_config_variable("max_attempts") is None and "AWS_RETRY_MODE" not in os.environ:
            retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
        config = Config(retries=retries, max_pool_connections=2 * PARALLEL, connect_timeout=10, read_timeout=60)
        return boto3.session.Session(botocore_session=session).client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise PreflightError(name="the AWS settings", rule="make a client", value=_words(error),
                             action="Check AWS_PROFILE, AWS_ENDPOINT_URL and AWS_CONFIG_FILE.") from error


def in_parts(part_bytes: int) -> Any:
    """Return boto3's settings for a transfer in parts of this size, as many at a time as ours."""
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(multipart_threshold=part_bytes, multipart_chunksize=part_bytes, max_concurrency=PARALLEL)


@contextmanager
def own_errors(address: Address) -> Iterator[None]:
    """Turn errors of boto3 into ours.

    Raises:
        TransientError: the store is busy, or the connection broke, more often than botocore tries.
        PreflightError: no bucket of this name, or credentials that do not open it.
        ArtifactError: no such object, or another one than a moment ago.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _of_answer(error, address) from error
    except BotoCoreError as error:
        raise _of_connection(error, address) from error
    except Boto3Error as error:  # transfers wrap what happened
        cause = error.__context__
        raise (_of_answer(cause, address) if isinstance(cause, ClientError)
               else _of_connection(error, address)) from error


def code_of(error: BaseException | None) -> str:
    """Code with which the store refused, or an empty text."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _of_answer(error: Any, address: Address) -> EvenvoiceError:
    code, status = code_of(error), int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in PASSING or status in (429, 500, 502, 503, 504):
        return transient(address, f"{code} (HTTP {status})")
    if code == "NoSuchBucket":
        return missing_bucket(address)
    if code in MISSING or status == 404:
        return missing_object(address)
    if status == 412:
        return changed(address)
    if status in (401, 403):
        return PreflightError(name=f"access to {address}", rule="be granted", value=f"{code} (HTTP {status})",
                              action=CREDENTIALS_ACTION)
    return PreflightError(name=f"the store of {address}", rule="accept the request", value=_words(error),
                          action="Check that it speaks S3; for checksums that it does not know there is "
                                 "AWS_REQUEST_CHECKSUM_CALCULATION=when_required.")


def _of_connection(error: BaseException, address: Address) -> EvenvoiceError:
    from botocore import exceptions as kinds

    if isinstance(error, kinds.NoCredentialsError | kinds.PartialCredentialsError | kinds.CredentialRetrievalError
                  | kinds.UnauthorizedSSOTokenError | kinds.TokenRetrievalError):
        return PreflightError(name=f"access to {address}", rule="have credentials", value=_words(error),
                              action=CREDENTIALS_ACTION)
    if isinstance(error, kinds.SSLError):
        return PreflightError(name=f"the store of {address}", rule="show a certificate that is trusted here",
                              value=_words(error), action="Check AWS_ENDPOINT_URL and AWS_CA_BUNDLE.")
    if isinstance(error, kinds.FlexibleChecksumError):
        return corrupted(address, "another checksum than the store sent with it")
    if isinstance(error, kinds.HTTPClientError | kinds.ConnectionError | kinds.IncompleteReadError):
        return transient(address, _words(error))
    return PreflightError(name=f"the request for {address}", rule="be well formed", value=_words(error),
                          action="Check the address and the AWS settings.")


def missing_bucket(address: Address) -> PreflightError:
    """Return the error for a bucket that is not there."""
    return PreflightError(name=f"bucket {address.bucket}", rule="exist", value="no such bucket",
                          action="Create it, or check the address and AWS_ENDPOINT_URL.")


def missing_object(address: Address) -> ArtifactError:
    """Return the error for an object that is not there."""
    return ArtifactError(name=str(address), rule="exist", value="no such object",
                         action="Check the path; whatever should have written it did not.")


def transient(address: Address, value: str) -> TransientError:
    """Return the error for what may pass."""
    return TransientError(name=f"the store of {address}", rule="answer in full", value=value,
                          action="Try again later; AWS_MAX_ATTEMPTS allows more attempts.")


def changed(address: Address) -> ArtifactError:
    """Return the error for an object that somebody replaced meanwhile."""
    return ArtifactError(name=str(address), rule="stay the same while it is read", value="another object",
                         action="Start again when nobody writes there any more.")


def corrupted(address: Address, value: str) -> ArtifactError:
    """Return the error for content that is not what was stored."""
    return ArtifactError(name=str(address), rule="hold what was written", value=value,
                         action="Write the object again: it is damaged.")


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
