"""Print the wheels that a release would have, by cibuildwheel's own reading of pyproject.toml; needs no docker.

Fails if a platform or a Python that we promise is absent. cibuildwheel needs Python 3.11: with an older one this says
so and succeeds, because the list is a matter of the configuration and not of the machine.
"""
import os
import subprocess
import sys

VERSION = "4.3.5"
PLATFORMS = {"linux": ["manylinux_x86_64", "musllinux_x86_64", "manylinux_aarch64", "musllinux_aarch64"],
             "macos": ["macosx_x86_64", "macosx_arm64"],
             "windows": ["win_amd64", "win_arm64"]}
PYTHONS = ("cp310", "cp311", "cp312", "cp313", "cp314", "cp314t", "cp315", "cp315t")


def environment() -> str:
    """The Python of a cached environment with cibuildwheel.

    That release asks for a certifi that is not published, so its dependencies are those of the release before.
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    venv = os.path.join(base, "asyncpg-core", f"cibuildwheel-{VERSION}-{sys.version_info[0]}.{sys.version_info[1]}")
    python = os.path.join(venv, "bin", "python")
    stamp = os.path.join(venv, "complete")
    if not os.path.exists(stamp):
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in ([sys.executable, "-m", "venv", venv], [*pip, "cibuildwheel==4.3.3"],
                        [*pip, "--no-deps", f"cibuildwheel=={VERSION}"]):
            subprocess.run(command, check=True)
        open(stamp, "w").close()
    return python


def main() -> int:
    if sys.version_info < (3, 11):
        print("wheels-list: cibuildwheel needs Python 3.11 or later; nothing checked")
        return 0
    python = environment()
    absent = []
    for platform, suffixes in PLATFORMS.items():
        command = [python, "-m", "cibuildwheel", "--platform", platform, "--print-build-identifiers", "."]
        listed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        print(f"{platform}: {len(listed)} wheels")
        print("\n".join(f"  {identifier}" for identifier in listed))
        absent += [wanted for suffix in suffixes for tag in PYTHONS
                   if (wanted := f"{tag}-{suffix}") not in listed]
    for wanted in absent:
        print(f"absent: {wanted}", file=sys.stderr)
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
