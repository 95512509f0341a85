"""LocalStack's view of one execution environment: starts it, hands it invocations, takes its logs."""

import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from lambda_process.layers import merged_layers
from lambda_process.process import check_namespace, start_node
from lambda_process.sandbox import Invocation, Sandbox

_INIT_SECONDS = 10.0
_ROOT = Path(tempfile.gettempdir()) / "lambda"
_LOGS = Path(os.environ["LAMBDA_PROCESS_LOGS"])


class ProcessExecutor(RuntimeExecutor):
    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id=id, function_version=function_version)
        self.directory = _ROOT / "environments" / id
        self.environment: dict[str, str] = {}
        self.sandbox: Sandbox | None = None
        self.log = _LOGS / f"{function_version.id.function_name}-{id[:8]}.log"
        self.taken = 0

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        check_namespace()
        runtime = function_version.config.runtime or ""
        if not runtime.startswith("nodejs"):
            raise RuntimeError(f"only Node functions run here, not {runtime}")
        function_version.config.code.prepare_for_execution()
        merged_layers(function_version)

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        pass

    def start(self, env_vars: dict[str, str]) -> None:
        (self.directory / "tmp").mkdir(parents=True, exist_ok=True)
        _LOGS.mkdir(parents=True, exist_ok=True)
        self.environment = {key: str(value) for key, value in env_vars.items() if value is not None}
        self.sandbox = self._start_sandbox()

    def stop(self) -> None:
        if self.sandbox:
            self.sandbox.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        started = time.perf_counter()
        sandbox = self.sandbox
        if sandbox is None or not sandbox.usable():  # the last invocation ended it
            if sandbox:
                sandbox.kill()
            sandbox = self.sandbox = self._start_sandbox()
        invocation = Invocation(payload)
        # The initialisation has a limit of its own, which is not counted against the function's.
        initialised = sandbox.wait_initialised(_INIT_SECONDS)
        begun = time.perf_counter()
        self._write(f"START RequestId: {invocation.id}")
        error = self._run(sandbox, invocation) if initialised else ("Sandbox.Timedout", "Init timed out")
        if not initialised:
            sandbox.kill()
        if error:
            self._write(error[1])
            invocation.is_error = True
            invocation.body = json.dumps({"errorType": error[0], "errorMessage": error[1]}).encode()
        ended = time.perf_counter()
        self._write(
            f"REPORT RequestId: {invocation.id}\tDuration: {(ended - begun) * 1000:.2f} ms"
            f"\tInit Duration: {(begun - started) * 1000:.2f} ms"
        )
        return InvocationResult(invocation.id, invocation.body, invocation.is_error, self._take_logs())

    def _run(self, sandbox: Sandbox, invocation: Invocation) -> tuple[str, str] | None:
        """The error that Lambda reports where the function itself cannot."""
        sandbox.submit(invocation)
        if not invocation.done.wait(sandbox.timeout):
            sandbox.kill()
            return "Sandbox.Timedout", f"RequestId: {invocation.id} Error: Task timed out after {sandbox.timeout:.2f} seconds"
        if sandbox.init_error is not None:
            invocation.body, invocation.is_error = sandbox.init_error, True
        elif not invocation.body and sandbox.closed:
            return "Runtime.ExitError", f"RequestId: {invocation.id} Error: {_reason(sandbox.process.returncode)}"
        return None

    def _start_sandbox(self) -> Sandbox:
        version = self.function_version
        env = {
            # Queue URLs carry LocalStack's name; the same name here keeps the SDK from warning at each call.
            "AWS_ENDPOINT_URL_SQS": config.external_service_url(),
            **self.environment,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{version.config.runtime}",
        }
        for internal in ("LOCALSTACK_RUNTIME_ENDPOINT", "LOCALSTACK_RUNTIME_ID"):
            env.pop(internal, None)

        def start(port: int):
            with open(self.log, "ab", buffering=0) as output:
                return start_node(
                    self.directory,
                    version.config.code.get_unzipped_code_location(),
                    merged_layers(version),
                    version.config.memory_size,
                    {**env, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"},
                    output,
                )

        return Sandbox(start, float(version.config.timeout))

    def _write(self, line: str) -> None:
        with open(self.log, "a") as file:
            file.write(line + "\n")

    def _take_logs(self) -> str:
        with open(self.log, "rb") as file:
            file.seek(self.taken)
            data = file.read()
        self.taken += len(data)
        return data.decode(errors="replace")

    # Where LocalStack and the process find each other; only the first is used by this executor's processes.

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    def get_logs(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def _reason(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    if code < 0 or code > 128:
        return f"Runtime exited with error: signal: {signal.Signals(-code if code < 0 else code - 128).name[3:].lower()}"
    return f"Runtime exited with error: exit status {code}"
