"""Where LocalStack 4.13 differs from AWS in what Sluice rests on. One function a difference."""

import os
import tempfile
import threading


def apply():
    listen_where_told()
    poll_queues_in_parallel()
    redeliver_each_group_for_itself()
    keep_objects_in_the_temporary_directory()
    delete_objects_on_condition()
    refuse_unknown_resource_types_only()


def listen_where_told():
    """The server binds 0.0.0.0 whatever host GATEWAY_LISTEN names."""
    from twisted.internet import endpoints

    from localstack import config

    real = endpoints.TCP4ServerEndpoint

    def endpoint(reactor, port, *args, **kwargs):
        hosts = [listen.host for listen in config.GATEWAY_LISTEN if listen.port == port]
        kwargs.setdefault("interface", hosts[0] if hosts else "127.0.0.1")
        return real(reactor, port, *args, **kwargs)

    endpoints.TCP4ServerEndpoint = endpoint


def poll_queues_in_parallel():
    """An SQS mapping is one thread that polls without waiting and invokes one at a time. AWS long-polls, with as many
    invocations at once as MaximumConcurrency allows."""
    from localstack.services.lambda_.event_source_mapping import esm_worker
    from localstack.services.lambda_.event_source_mapping.pollers import sqs_poller
    from localstack.services.lambda_.event_source_mapping.pollers.poller import EmptyPollResultsException

    poll_seconds = 2
    real_init = sqs_poller.SqsPoller.__init__
    real_loop = esm_worker.EsmWorker.poller_loop

    def init(self, *args, **kwargs):
        real_init(self, *args, **kwargs)
        self.maximum_batching_window = self.maximum_batching_window or poll_seconds

    def poll(worker):
        while not worker._shutdown_event.is_set():
            try:
                worker.poller.poll_events()
            except EmptyPollResultsException:
                pass
            except Exception:  # the worker's own loop meets the same error and logs it
                worker._shutdown_event.wait(1)

    def loop(self, *args, **kwargs):
        if isinstance(self.poller, sqs_poller.SqsPoller):
            at_once = (self.esm_config.get("ScalingConfig") or {}).get("MaximumConcurrency") or 5
            for _ in range(at_once - 1):
                threading.Thread(target=poll, args=(self,), daemon=True).start()
        return real_loop(self, *args, **kwargs)

    sqs_poller.SqsPoller.__init__ = init
    esm_worker.EsmWorker.poller_loop = loop


def redeliver_each_group_for_itself():
    """A FIFO queue redelivers nothing behind a message in flight, of whatever group; only its own group has to wait."""
    from localstack.services.sqs import models

    def requeue(self):
        with self.mutex:
            held = set()
            for message in list(self.inflight):
                if message.message_group_id in held:
                    continue
                if message.is_visible:
                    del self.inflight[message]
                    self._put_message(message)
                else:
                    held.add(message.message_group_id)

    models.FifoQueue.requeue_inflight_messages = requeue


def keep_objects_in_the_temporary_directory():
    """Objects are kept in /tmp/localstack-s3-storage whatever TMPDIR says: two LocalStacks, or two users, clash there.
    And two first writers of a key each get a lock of their own, so that both may win."""
    from localstack.services.s3.storage.ephemeral import EphemeralS3ObjectStore as Store

    real_init, real_open, lock = Store.__init__, Store.open, threading.Lock()

    def init(self, root_directory=None):
        real_init(self, os.path.join(tempfile.gettempdir(), "objects"))

    def open_one_at_a_time(self, *args, **kwargs):
        with lock:
            return real_open(self, *args, **kwargs)

    Store.__init__ = init
    Store.open = open_one_at_a_time


def delete_objects_on_condition():
    """If-Match of DeleteObject is answered with NotImplemented; S3 has it for every bucket since September 2025."""
    from localstack.aws.api.s3 import NoSuchKey
    from localstack.services.s3.provider import S3Provider, verify_object_equality_precondition_write

    real = S3Provider.delete_object

    def delete_object(self, context, bucket, key, if_match=None, **kwargs):
        if not if_match:
            return real(self, context, bucket=bucket, key=key, **kwargs)
        _, s3_bucket = self._get_cross_account_bucket(context, bucket)
        existing = s3_bucket.objects.get(key)
        if not existing:
            raise NoSuchKey("The specified key does not exist.", Key=key)
        # The lock under which a conditional PUT checks its own condition.
        with self._storage_backend.open(bucket, existing, mode="w"):
            verify_object_equality_precondition_write(s3_bucket, key, if_match)
            return real(self, context, bucket=bucket, key=key, **kwargs)

    S3Provider.delete_object = delete_object


def refuse_unknown_resource_types_only():
    """Where unsupported resource types are to be errors, a catalogue is asked for over the network; without it every type
    is unsupported. What can be created is what there is a provider for."""
    from localstack.services.cloudformation.engine.v2 import change_set_resource_support_checker as checker
    from localstack.services.cloudformation.resource_provider import plugin_manager
    from localstack.utils.catalog.common import CloudFormationResourcesSupportAtRuntime as AtRuntime
    from localstack.utils.catalog.common import CloudFormationResourcesSupportInLatest as InLatest

    def status(self, resource_type):
        return AtRuntime.AVAILABLE if plugin_manager.exists(resource_type) else InLatest.NOT_SUPPORTED

    checker.get_aws_catalog = lambda: None
    checker.ChangeSetResourceSupportChecker._resource_support_status = status
