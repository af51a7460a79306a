"""Compare every .pyi of the project with the compiled module it describes, by mypy's stubtest."""
import glob
import subprocess
import sys

# What Cython adds to its classes and modules; nobody is told to use it.
ALLOWED = [r".*\.__reduce_cython__", r".*\.__setstate_cython__", r".*\.__test__", r".*\.__pyx_capi__",
           r".*\.__pyx_vtable__", r".*\.__reduce__", r".*\.__setstate__"]


def main() -> int:
    stubs = sorted(glob.glob("asyncpg_core/**/*.pyi", recursive=True) + glob.glob("pgproto/**/*.pyi", recursive=True))
    modules = [path[:-len(".pyi")].replace("/", ".").removesuffix(".__init__") for path in stubs]
    if not modules:
        print("stubtest: no stubs")
        return 0
    with open("build/stubtest-allowed", "w") as file:
        file.write("\n".join(ALLOWED) + "\n")
    return subprocess.run([sys.executable, "-m", "mypy.stubtest", "--allowlist", "build/stubtest-allowed",
                           "--ignore-unused-allowlist", *modules]).returncode


if __name__ == "__main__":
    sys.exit(main())
