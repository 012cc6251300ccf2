"""Puts a Gradle together that runs Groovy builds, from what Maven's repository has of it.

Gradle's own distribution lies elsewhere. All its classes are in one library for plugins (`gradle-api`); what is missing is
Groovy, a class that says where it is installed, and a small file for each of its modules. A last run keeps the classes that
a build needs in an archive, from which Java starts sooner. Kotlin scripts need a compiler that is not in there.

    python3 gradle.py FOLDER

The folder must stay where it is, for the archive holds its name.
"""

import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

VERSION = "8.4"
GROOVY = "3.0.17"
PARTS = ["", "-ant", "-astbuilder", "-datetime", "-dateutil", "-json", "-nio", "-templates", "-xml"]
LIBRARIES = [("dev.gradleplugins", "gradle-api", VERSION), ("javax.inject", "javax.inject", "1")]
LIBRARIES += [("org.jetbrains.kotlin", "kotlin-stdlib", "1.9.10")]
LIBRARIES += [("org.codehaus.groovy", f"groovy{part}", GROOVY) for part in PARTS]
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
BEACON = "org/gradle/internal/installation/beacon/InstallationBeacon"
MODULE = "-classpath.properties"
PROGRAM = """#!/bin/sh
home=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
java=${{JAVA_HOME:+$JAVA_HOME/bin/}}java
exec "$java" -XX:SharedArchiveFile="$home/classes.jsa" $JAVA_OPTS -cp "{classes}" \\
    org.gradle.launcher.Main -Dorg.gradle.internal.instrumentation.agent=false "$@"
"""


def fetch(lib):
    wanted = "".join(
        f"<dependency><groupId>{g}</groupId><artifactId>{a}</artifactId><version>{v}</version></dependency>"
        for g, a, v in LIBRARIES
    )
    with tempfile.TemporaryDirectory() as folder:
        pom = pathlib.Path(folder, "pom.xml")
        pom.write_text(
            "<project><modelVersion>4.0.0</modelVersion><groupId>t</groupId><artifactId>t</artifactId>"
            f"<version>1</version><dependencies>{wanted}</dependencies></project>"
        )
        words = ["mvn", "-B", "-q", "-f", str(pom), COPY, "-DexcludeTransitive=true", f"-DoutputDirectory={lib}"]
        subprocess.run(words, check=True)


def beacon():
    """An empty class: by the jar that it comes from Gradle knows where it is installed."""
    text = lambda words: b"\x01" + struct.pack(">H", len(words)) + words.encode()
    pool = text(BEACON) + b"\x07\x00\x01" + text("java/lang/Object") + b"\x07\x00\x03"
    head = struct.pack(">IHHH", 0xCAFEBABE, 0, 52, 5)
    return head + pool + struct.pack(">HHHHHHH", 0x21, 2, 4, 0, 0, 0, 0)


def modules(lib):
    """A jar for each module of Gradle that says what it needs; all classes come with the first of them."""
    present = sorted(jar.name for jar in lib.glob("*.jar"))
    with zipfile.ZipFile(lib / f"gradle-api-{VERSION}.jar") as api:
        needs = {name[: -len(MODULE)]: api.read(name).decode() for name in api.namelist() if name.endswith(MODULE)}
    for module, text in [*needs.items(), ("gradle-installation-beacon", "")]:
        lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        projects = [name for name in lines.get("projects", "").split(",") if name in needs]
        runtime = present if module == "gradle-base-annotations" else []
        with zipfile.ZipFile(lib / f"{module}-{VERSION}.jar", "w") as jar:
            jar.writestr(module + MODULE, f"projects={','.join(projects)}\nruntime={','.join(runtime)}\n")
            if runtime:
                # Where Gradle compiles what it makes of a catalog, it looks no further than this jar.
                jar.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\nClass-Path: gradle-api-{VERSION}.jar\n")
            if not text:
                jar.writestr(BEACON + ".class", beacon())
    for name in ["ant-1.10.13", "ant-launcher-1.10.13"]:
        with zipfile.ZipFile(lib / f"{name}.jar", "w") as jar:
            jar.writestr("empty", "")
    return present + [f"gradle-installation-beacon-{VERSION}.jar"]


def archive(home):
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "settings.gradle").write_text("")
        pathlib.Path(folder, "build.gradle").write_text(
            "plugins { id 'java-library' }\nrepositories { maven { url = uri('none') } }\n"
            "println new groovy.json.JsonSlurper().parseText(groovy.json.JsonOutput.toJson([a: 1]))\n"
        )
        options = f"-XX:ArchiveClassesAtExit={home}/classes.jsa -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx1g"
        words = [home / "bin/gradle", "dependencies", "--no-daemon", "--quiet", "-g", folder + "/home", "-p", folder]
        script = (home / "bin/gradle").read_text()
        # An archive can't be made while another one is in use.
        (home / "bin/gradle").write_text(script.replace('-XX:SharedArchiveFile="$home/classes.jsa" ', ""))
        subprocess.run(words, check=True, env={**os.environ, "JAVA_OPTS": options}, stdout=subprocess.DEVNULL)
        (home / "bin/gradle").write_text(script)


def make(home):
    lib = home / "lib"
    (lib / "plugins").mkdir(parents=True)
    fetch(lib)
    classes = ":".join(f"$home/lib/{name}" for name in modules(lib))
    program = home / "bin/gradle"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(classes=classes))
    program.chmod(0o755)
    archive(home)


def main(home):
    home.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{home}.lock", "w") as lock:
        # Others may want it at the same time; what somebody began and did not finish is made anew.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "classes.jsa").exists():
            shutil.rmtree(home, ignore_errors=True)
            make(home)


main(pathlib.Path(sys.argv[1]).resolve())
