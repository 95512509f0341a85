"""What LocalStack finds by the entry points beside this package."""

from localstack.runtime import hooks
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    name = "process"

    def load(self, *args, **kwargs):
        from lambda_process.executor import ProcessExecutor

        return ProcessExecutor


@hooks.on_runtime_create()
def apply_patches():
    from lambda_process import patches

    patches.apply()
