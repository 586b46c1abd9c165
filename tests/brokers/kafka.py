"""Apache Kafka for tests: one KRaft node from Maven Central, restartable on the same data and port."""

import os
import shutil
import signal
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from demo.broker import end, free_port, wait_for_port

VERSION = "4.1.0"
CACHE = Path(__file__).resolve().parents[2] / "build" / f"kafka-{VERSION}"
START_TIMEOUT = 60.0
"""Seconds until it listens. Three are usual; a CI machine that starts several things at once may need many
more."""
STOP_TIMEOUT = 20.0
"""A clean stop writes its indexes; killing it earlier makes the next start slow."""

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>cloverwatch.tests</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""


def missing() -> str | None:
    """Why Kafka cannot be started here, or None."""
    absent = [program for program in ("java", "mvn") if shutil.which(program) is None]
    return f"Apache Kafka needs {' and '.join(absent)} on the PATH" if absent else None


def jars() -> Path:
    """The folder with Kafka's jars, fetched once (6 s, 124 MB) and kept in build/."""
    libs = CACHE / "libs"
    if not (CACHE / "complete").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / "pom.xml").write_text(POM)
        subprocess.run(
            [
                "mvn",
                "-q",
                "-B",
                "-f",
                CACHE / "pom.xml",
                "dependency:copy-dependencies",
                f"-DoutputDirectory={libs}",
            ],
            check=True,
            timeout=600,
        )
        (CACHE / "complete").touch()
    return libs


class KafkaBroker:
    """One node, broker and controller in one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.controller_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._java = ["java", "-Xmx512m", "-cp", f"{jars()}/*"]
        # INFO from every class would cost more than the broker; warnings tell what went wrong.
        (folder / "log4j2.properties").write_text(
            "rootLogger.level=warn\nrootLogger.appenderRef.c.ref=c\nappender.c.type=Console\nappender.c.name=c\n"
            "appender.c.layout.type=PatternLayout\nappender.c.layout.pattern=%d %p %c %m%n\n"
        )
        self._config = folder / "server.properties"
        self._config.write_text(
            f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self.controller_port}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.initial.task.delay.ms=500
num.network.threads=2
num.io.threads=4
"""
        )
        # The "c" in front: an id that begins with a dash would be read as an option.
        cluster = "c" + urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        self._run("kafka.tools.StorageTool", "format", "-t", cluster, "-c", self._config, "--ignore-formatted")

    def _run(self, *arguments: str | Path) -> None:
        with (self.folder / "format.log").open("ab") as log:
            subprocess.run([*self._java, *arguments], check=True, timeout=60, stdout=log, stderr=log)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start on the data and the port of before; return when it listens."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._java[:2],
                    f"-Dlog4j2.configurationFile={self.folder}/log4j2.properties",
                    *self._java[2:],
                    "kafka.Kafka",
                    str(self._config),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "KAFKA_OPTS": ""},
            )
        wait_for_port(self.port, self._process, START_TIMEOUT)

    def stop(self, *, kill: bool = False) -> None:
        """End it: cleanly, or as a power cut would (`kill`)."""
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.send_signal(signal.SIGKILL)
        end(process, STOP_TIMEOUT)

    def restart(self, *, kill: bool = False) -> None:
        self.stop(kill=kill)
        self.start()
